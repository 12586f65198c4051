"""PyTorch with diffusers, run eagerly, in the `PRECISION` and the `LAYOUT` (a memory format of torch) of its environment."""

import os
import warnings

warnings.filterwarnings("ignore")

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel

from worker import inputs, job, serve
from cases import GUIDANCE, NEGATIVE, PROMPT, SEED, STEPS

job = job()
torch.set_num_threads(job.threads)
torch.set_grad_enabled(False)
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[os.environ["PRECISION"]]
layout = getattr(torch, os.environ["LAYOUT"])


def picture():
    pipeline = StableDiffusionPipeline.from_pretrained(job.files.f32, torch_dtype=dtype, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    for network in (pipeline.unet, pipeline.vae):
        network.to(memory_format=layout)
    # Drawn in f32 on the CPU, as everyone draws it.
    noise = torch.randn((1, 4, 64, 64), generator=torch.Generator().manual_seed(SEED))
    made = pipeline(PROMPT, negative_prompt=NEGATIVE, num_inference_steps=STEPS, guidance_scale=GUIDANCE, latents=noise.to(dtype))
    made.images[0].save(job.png)
    os._exit(0)


def network():
    if job.part == "unet":
        unet = UNet2DConditionModel.from_pretrained(job.files.f32 / "unet", torch_dtype=dtype).to(memory_format=layout)
        return lambda sample, timestep, conditioning: unet(sample, timestep, conditioning).sample
    if job.part == "vae":
        vae = AutoencoderKL.from_pretrained(job.files.f32 / "vae", torch_dtype=dtype).to(memory_format=layout)
        return lambda latent: vae.decode(latent).sample
    text = CLIPTextModel.from_pretrained(job.files.f32 / "text_encoder", dtype=dtype)
    return lambda ids: text(ids).last_hidden_state


if job.png:
    picture()
loaded = network()
given = {name: torch.from_numpy(value) for name, value in inputs(job).items()}
given = {name: value.to(dtype) if value.is_floating_point() else value for name, value in given.items()}
serve(lambda: loaded(**given).float().numpy())
