"""The networks and the noise schedule, as the stock diffusers and transformers classes."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from common import TOKENS, to_tensor

WIDTH = 256  # of the text encoder

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "feature_extractor": [None, None],
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def new_unet(channels, latent_channels=8, sample_size=16, groups=32):
    """First level without attention, the others with cross-attention; one layer per block."""
    deeper = len(channels) - 1
    unet = UNet2DConditionModel(
        sample_size=sample_size,
        in_channels=latent_channels,
        out_channels=latent_channels,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * deeper,
        up_block_types=("CrossAttnUpBlock2D",) * deeper + ("UpBlock2D",),
        block_out_channels=tuple(channels),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=groups,
    )
    torch.nn.init.zeros_(unet.conv_out.weight)
    torch.nn.init.zeros_(unet.conv_out.bias)
    return unet


def new_text_encoder(vocabulary):
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
        projection_dim=WIDTH,
        hidden_act="quick_gelu",
    )
    return CLIPTextModel(config)


def new_vae():
    """f8, 8 latent channels. At most 2 normalisation groups: more erase flat colours."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=(16, 32, 64, 128),
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=2,
        sample_size=128,
    )


def new_schedule():
    """v-prediction with zero terminal signal: without it no flat coloured background is possible."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


def load_unet(folder):
    return UNet2DConditionModel.from_pretrained(Path(folder) / "unet")


def load_text_encoder(folder):
    return CLIPTextModel.from_pretrained(Path(folder) / "text_encoder")


def load_vae(folder):
    return AutoencoderKL.from_pretrained(Path(folder)).eval().requires_grad_(False)


@torch.no_grad()
def encode(vae, pictures):
    """PIL pictures -> unit latents."""
    return vae.encode(to_tensor(pictures)).latent_dist.mean * vae.config.scaling_factor


@torch.no_grad()
def paint(unet, text_encoder, vae, prompts, texts, steps=20, guidance=3.5, seed=0):
    """Prompts -> float pictures N,3,128,128 by DDIM with classifier-free guidance, which 1 leaves out.

    Every prompt starts from the noise of its own seed, so that a sheet does not depend on the
    other prompts in it.
    """
    seeds = seed if isinstance(seed, list) else [seed] * len(texts)
    shape = (unet.config.in_channels, unet.config.sample_size, unet.config.sample_size)
    noise = [torch.randn(shape, generator=torch.Generator().manual_seed(one)) for one in seeds]
    latents = torch.stack(noise)
    guided = guidance != 1
    ids = prompts.batch([""] * len(texts) * guided + texts)
    states = text_encoder(input_ids=ids).last_hidden_state
    schedule = new_schedule()
    schedule.set_timesteps(steps)
    for timestep in schedule.timesteps:
        velocity = unet(latents.repeat(1 + guided, 1, 1, 1), timestep, states).sample
        if guided:
            without, towards = velocity.chunk(2)
            velocity = without + guidance * (towards - without)
        latents = schedule.step(velocity, timestep, latents).prev_sample
    # Latents folded for a cheaper U-Net are unfolded for the decoder.
    fold = round((unet.config.in_channels / vae.config.latent_channels) ** 0.5)
    latents = torch.nn.functional.pixel_shuffle(latents, fold)
    return vae.decode(latents / vae.config.scaling_factor).sample.clamp(-1, 1)


def write_folder(folder, unet, text_encoder, vae, tokenizer, half=True):
    """A complete diffusers folder, written aside and renamed."""
    folder = Path(folder)
    aside = folder.with_name(folder.name + ".writing")
    shutil.rmtree(aside, ignore_errors=True)
    for name, network in (("unet", unet), ("text_encoder", text_encoder), ("vae", vae)):
        precision = next(network.parameters()).dtype
        (network.half() if half else network).save_pretrained(aside / name)
        network.to(precision)
        config = aside / name / "config.json"
        settings = json.loads(config.read_text())
        settings.pop("_name_or_path", None)  # a path of the machine it was trained on
        config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    new_schedule().save_pretrained(aside / "scheduler")
    shutil.copytree(tokenizer, aside / "tokenizer")
    (aside / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n")
    if folder.exists():
        old = folder.with_name(folder.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    aside.rename(folder)
    shutil.rmtree(folder.with_name(folder.name + ".old"), ignore_errors=True)
