"""Random weights for Stable Diffusion 1.5 in every format that a rival reads, made once: `weights.py FOLDER SHIPPED_MODEL`.

The configs are those of SD 1.5. The numbers are torch's initial ones for each layer, rounded to f16 everywhere, so that all
rivals compute with the same weights whatever precision they are stored in. The scheduler is DDIM, which calls the network once a
step for everyone. The tokenizer is the one of the model that comes with Sfumato: what tokens a text has costs nothing.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from cases import NEGATIVE, PROMPT, SEED, Files

torch.manual_seed(SEED)
torch.set_grad_enabled(False)


def unet():
    return UNet2DConditionModel(
        sample_size=64,
        block_out_channels=(320, 640, 1280, 1280),
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=768,
        attention_head_dim=8,
    )


def vae():
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
    )


def text_encoder():
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            max_position_embeddings=77,
            hidden_act="quick_gelu",
            projection_dim=768,
        )
    )


class Unet(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, sample, timestep, conditioning):
        return self.inner(sample, timestep, conditioning, return_dict=False)[0]


class Decoder(Unet):
    def forward(self, latent):
        return self.inner.decode(latent, return_dict=False)[0]


class Text(Unet):
    def forward(self, ids):
        return self.inner(ids).last_hidden_state


def networks(folder=None):
    """Name: (network, example inputs by name, which of their dimensions vary)."""
    load = lambda kind, new, part: kind.from_pretrained(folder / part) if folder else new()
    picture = {0: "batch", 2: "height", 3: "width"}
    latent = torch.randn(2, 4, 32, 32)
    return {
        "unet": (
            Unet(load(UNet2DConditionModel, unet, "unet")).eval(),
            {"sample": latent, "timestep": torch.tensor(500), "conditioning": torch.randn(2, 77, 768)},
            {"sample": picture, "conditioning": {0: "batch"}},
        ),
        "vae": (Decoder(load(AutoencoderKL, vae, "vae")).eval(), {"latent": latent}, {"latent": picture}),
        "text": (
            Text(load(CLIPTextModel, text_encoder, "text_encoder")).eval(),
            {"ids": torch.zeros(2, 77, dtype=torch.int64)},
            {"ids": {0: "batch"}},
        ),
    }


def save_diffusers(files, shipped):
    vocabulary = files.folder / "tokenizer"
    vocabulary.mkdir(parents=True, exist_ok=True)
    for name in ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(shipped / "tokenizer" / name, vocabulary / name)
    config = json.loads((vocabulary / "tokenizer_config.json").read_text())
    (vocabulary / "tokenizer_config.json").write_text(json.dumps(config | {"model_max_length": 77}))
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )
    pipeline = StableDiffusionPipeline(
        vae(), text_encoder(), CLIPTokenizer.from_pretrained(vocabulary), unet(), scheduler, None, None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(files.f16)
    pipeline.to(torch.float32).save_pretrained(files.f32)
    shutil.rmtree(vocabulary)
    for folder in (files.f16, files.f32):
        # stable-diffusion.cpp knows the text encoder by the names that SD 1.5 came with, which everyone else reads too.
        path = folder / "text_encoder/model.safetensors"
        save_file({f"text_model.{name}": value for name, value in load_file(path).items()}, path, {"format": "pt"})


def save_inputs(files):
    (files.folder / "inputs").mkdir(exist_ok=True)
    tokenizer = CLIPTokenizer.from_pretrained(files.f32 / "tokenizer")
    tokens = lambda text: tokenizer(text, padding="max_length", max_length=77, truncation=True).input_ids
    for name, shape in {"latent-32": (1, 4, 32, 32), "latent-64": (1, 4, 64, 64), "conditioning": (1, 77, 768)}.items():
        # As diffusers and Sfumato draw the noise of a picture, so that all pictures are of one seed.
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(SEED))
        files.tensor(name).write_bytes(noise.numpy().tobytes())
    return {"prompt_ids": tokens(PROMPT), "negative_ids": tokens(NEGATIVE)}


def counted():
    """GFLOP of each case, counted while nothing is computed."""
    gflop = {}
    with torch.device("meta"):
        every = networks()
        inputs = {"text": (torch.zeros(1, 77, dtype=torch.int64),)}
        for name, side in (("256", 32), ("512", 64)):
            latent = torch.empty(1, 4, side, side)
            inputs[f"unet-{name}"] = (latent, torch.empty(()), torch.empty(1, 77, 768))
            inputs[f"vae-{name}"] = (latent,)
        for case, tensors in inputs.items():
            with FlopCounterMode(display=False) as counter:
                every[case.split("-")[0]][0](*tensors)
            gflop[case] = counter.get_total_flops() / 1e9
    return gflop


def export_onnx(files):
    for name, (network, inputs, axes) in networks(files.f32).items():
        # A folder for each: large networks come as many files.
        path = files.onnx / name / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.onnx.export(
            network, tuple(inputs.values()), str(path), input_names=list(inputs), output_names=["out"], dynamic_axes=axes,
            opset_version=17, dynamo=False,
        )


def export_openvino(files):
    import openvino

    files.openvino.mkdir(exist_ok=True)
    for name, (network, inputs, _) in networks(files.f32).items():
        model = openvino.convert_model(network, example_input=tuple(inputs.values()))
        for input_, called in zip(model.inputs, inputs):
            input_.get_tensor().set_names({called})
        openvino.save_model(model, files.openvino / f"{name}.xml", compress_to_fp16=True)


def main(folder, shipped):
    files = Files(folder)
    if not (files.f32 / "model_index.json").is_file():
        print("making weights", flush=True)
        save_diffusers(files, Path(shipped))
    if not files.facts.is_file():
        print("counting operations", flush=True)
        files.facts.write_text(json.dumps(save_inputs(files) | {"gflop": counted()}))
    for made, export in ((files.onnx / "text/model.onnx", export_onnx), (files.openvino / "text.bin", export_openvino)):
        if not made.is_file():
            print(f"writing {made}", flush=True)
            export(files)


main(*sys.argv[1:])
