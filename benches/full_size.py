#!/usr/bin/env python3
"""Full-size checkpoints of random weights: loaded, one step at 512x512, beside diffusers on the same machine, and how far apart they are; and
how long a folder of a thousand of them takes to be listed.

    python benches/full_size.py make sd1 sd1.safetensors
    python benches/full_size.py ours target/release/sfumato sd1.safetensors ours.safetensors
    python benches/full_size.py theirs sd1 sd1.safetensors theirs.safetensors
    python benches/full_size.py compare ours.safetensors theirs.safetensors
    python benches/full_size.py hollow sd1 sd1.safetensors     the same names and shapes over a hole: a file to be listed, of a few kilobytes
    python benches/full_size.py scan target/release/sfumato sd1.safetensors xl.safetensors

`xl` instead of `sd1` is Stable Diffusion XL. Needs what tests/fixtures/generate_checkpoints.py needs, 2.1 GB of disk for sd1 and 6.9 GB for
xl, and some 5 and 20 GB of memory. The file is in the names of the single files that people share, in half precision; both compute in f32,
with the prompt alone (guidance 1). `ours` and `theirs` print one JSON object each: seconds, and the peak of resident memory in MiB, which
counts what is mapped from the file. `compare` fails where a latent is further apart than 1e-4 of the noise that the step began with. `scan` makes
hard links, so that all headers are read but the files take no room, and the files' pages are in memory.
"""
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import diffusers
import torch
import transformers
from diffusers.loaders import single_file_utils as single
from safetensors import safe_open
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests/fixtures"))
import generate_checkpoints as checkpoints
import generate_words as words

PROMPT, SEED = "a red apple", 7
# The sigma of the last training timestep, and how far apart latents may be by what noise was at the start.
SIGMA, ALLOWED = 14.6146, 1e-4
COUNT = 1000
COMMON = {"vocab_size": 49408, "eos_token_id": 2}
FIRST = {**COMMON, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "hidden_act": "quick_gelu"}
SECOND = {**COMMON, "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20, "hidden_act": "gelu",
          "projection_dim": 1280}
FAMILIES = {
    "sd1": {
        "unet": {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
        "vae_scale": 0.18215,
        "texts": [(FIRST, "cond_stage_model.transformer.")],
    },
    "xl": {
        "unet": {
            "sample_size": 128, "block_out_channels": [320, 640, 1280], "cross_attention_dim": 2048, "attention_head_dim": [5, 10, 20],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "transformer_layers_per_block": [1, 2, 10],
            "use_linear_projection": True, "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
        },
        "vae_scale": 0.13025,
        "texts": [(FIRST, "conditioner.embedders.0.transformer."), (SECOND, "conditioner.embedders.1.model.")],
    },
}


def parts(family):
    """Without memory for their weights."""
    facts = FAMILIES[family]
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(**facts["unet"])
        vae = diffusers.AutoencoderKL(
            block_out_channels=[128, 256, 512, 512], down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
            layers_per_block=2, latent_channels=4, scaling_factor=facts["vae_scale"])
    return unet, vae


def named_shapes(family):
    """Each tensor's name in the single files that people share, and its shape."""
    unet, vae = parts(family)
    unet_of, vae_of = checkpoints.unet_names(unet), checkpoints.vae_names(vae)
    shapes = {unet_of[key]: tuple(value.shape) for key, value in unet.state_dict().items()}
    for key, value in vae.state_dict().items():
        shapes[vae_of[key]] = tuple(value.shape) + ((1, 1) if ".attn_1." in vae_of[key] and value.dim() == 2 else ())
    for config, prefix in FAMILIES[family]["texts"]:
        if prefix.endswith("transformer."):
            with torch.device("meta"):
                encoder = transformers.CLIPTextModel(transformers.CLIPTextConfig(**config))
            own = {key.removeprefix("text_model."): value for key, value in encoder.state_dict().items() if "position_ids" not in key}
            shapes |= {f"{prefix}text_model.{key}": tuple(value.shape) for key, value in own.items()}
        else:
            named = checkpoints.open_clip_names(config["hidden_size"], config["num_hidden_layers"], config["vocab_size"], config["intermediate_size"])
            shapes |= {key.replace("cond_stage_model.model.", prefix): shape for key, shape in named.items()}
    return shapes


def hollow(family, path):
    header, end = {}, 0
    for name, shape in named_shapes(family).items():
        begin, end = end, end + 2 * int(torch.tensor(shape).prod())
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)


def make(family, path):
    generator = torch.Generator().manual_seed(1)
    tensors = {}
    for name, shape in named_shapes(family).items():
        values = torch.randn(shape, generator=generator)
        if len(shape) == 1:
            values = values * 0.1 + float(name.endswith("weight"))
        elif "embedding" in name:
            values = values * 0.02
        else:
            values = values / torch.tensor(shape[1:]).prod().sqrt()
        tensors[name] = values.half()
    save_file(tensors, path)
    print(json.dumps({"file": str(path), "bytes": pathlib.Path(path).stat().st_size, "tensors": len(tensors)}))


def peak_mib(who):
    return resource.getrusage(who).ru_maxrss // 1024


def ours(program, path, trace):
    command = [program, "paint", PROMPT, "--model", path, "--size", "512x512", "--steps", "1", "--seed", str(SEED), "--guidance", "1",
               "--sampler", "euler", "--schedule", "karras", "--trace", trace, "--out", trace + ".png", "--json"]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    whole = time.perf_counter() - start
    print(json.dumps({"whole_secs": round(whole, 1), "peak_mib": peak_mib(resource.RUSAGE_CHILDREN)}))
    measure = [program, "bench", "--model", path, "--size", "512x512", "--steps", "1", "--json"]
    print(subprocess.run(measure, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


def text_encoder(config, prefix, ldm):
    with torch.device("meta"):
        kind = transformers.CLIPTextModel if prefix.endswith("transformer.") else transformers.CLIPTextModelWithProjection
        encoder = kind(transformers.CLIPTextConfig(**config))
    if prefix.endswith("transformer."):
        found = single.convert_ldm_clip_checkpoint(ldm, remove_prefix=prefix)
    else:
        found = single.convert_open_clip_checkpoint(encoder, ldm, prefix=prefix)
    found = {key.removeprefix("text_model."): value for key, value in found.items() if "position_ids" not in key}
    names = {key.removeprefix("text_model."): key for key in encoder.state_dict()}
    encoder.load_state_dict({names[key]: value.float() for key, value in found.items()}, strict=True, assign=True)
    with torch.device("cpu"):
        for module in encoder.modules():
            if isinstance(getattr(module, "position_ids", None), torch.Tensor) and module.position_ids.is_meta:
                module.position_ids = torch.arange(77)[None]
    return encoder.eval()


@torch.no_grad()
def theirs(family, path, trace):
    facts, start = FAMILIES[family], time.perf_counter()
    unet, vae = parts(family)
    ldm = load_file(path)
    encoders = [text_encoder(config, prefix, dict(ldm)) for config, prefix in facts["texts"]]
    unet.load_state_dict({k: v.float() for k, v in single.convert_ldm_unet_checkpoint(dict(ldm), dict(unet.config)).items()}, strict=True, assign=True)
    vae.load_state_dict({k: v.float() for k, v in single.convert_ldm_vae_checkpoint(dict(ldm), dict(vae.config)).items()}, strict=True, assign=True)
    del ldm
    loaded = time.perf_counter() - start
    tokenizer = words.tokenizer()
    added = None
    if family == "sd1":
        conditioning = encoders[0](tokenizer(PROMPT, padding="max_length", return_tensors="pt").input_ids).last_hidden_state
    else:
        states = []
        for encoder, pad in zip(encoders, [tokenizer.pad_token, "!"]):
            tokenizer.pad_token = pad
            output = encoder(tokenizer(PROMPT, padding="max_length", return_tensors="pt").input_ids, output_hidden_states=True)
            states.append(output.hidden_states[-2])
        conditioning = torch.cat(states, -1)
        added = {"text_embeds": output.text_embeds, "time_ids": torch.tensor([[512.0, 512, 0, 0, 512, 512]])}
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alpha = torch.cumprod(1 - betas, 0)[-1]
    sigma = ((1 - alpha) / alpha).sqrt().item()
    noise = torch.randn((1, 4, 64, 64), generator=torch.Generator().manual_seed(SEED))
    begin = time.perf_counter()
    x = noise * (1 + sigma**2) ** 0.5
    denoised = x - sigma * unet(noise, 999.0, conditioning, added_cond_kwargs=added).sample
    step = time.perf_counter() - begin
    begin = time.perf_counter()
    image = vae.decode(denoised / vae.config.scaling_factor).sample
    decode = time.perf_counter() - begin
    save_file({"conditioning": conditioning.contiguous(), "latent": denoised.contiguous(),
               "image": ((image[0].permute(1, 2, 0) + 1) / 2).clamp(0, 1).contiguous()}, trace)
    seconds = {"load_secs": loaded, "step_secs": step, "decode_secs": decode, "whole_secs": time.perf_counter() - start}
    print(json.dumps({k: round(v, 1) for k, v in seconds.items()} | {"peak_mib": peak_mib(resource.RUSAGE_SELF)}))


def compare(first, second):
    with safe_open(first, "pt") as ours, safe_open(second, "pt") as theirs:
        for name in theirs.keys():
            a, b = ours.get_tensor(name), theirs.get_tensor(name)
            assert a.shape == b.shape, (name, a.shape, b.shape)
            apart = (a - b).abs().max().item()
            print(json.dumps({"tensor": name, "largest": b.abs().max().item(), "apart": apart}))
            if name == "latent":
                share = apart / (1 + SIGMA**2) ** 0.5
                print(json.dumps({"latent, of the noise": share, "allowed": ALLOWED}))
                assert share <= ALLOWED


def scan(program, *files):
    with tempfile.TemporaryDirectory(dir=pathlib.Path(files[0]).resolve().parent) as home:
        models = pathlib.Path(home) / "models"
        models.mkdir()
        for index in range(COUNT):
            os.link(files[index % len(files)], models / f"checkpoint-{index}.safetensors")
        start = time.perf_counter()
        found = subprocess.run([program, "models", "--json"], check=True, stdout=subprocess.PIPE, env={**os.environ, "SFUMATO_HOME": home}).stdout
        seconds = time.perf_counter() - start
    usable = [model for model in json.loads(found)["models"] if model["name"].startswith("checkpoint-") and not model["problem"]]
    print(json.dumps({"files": COUNT, "usable": len(usable), "secs": round(seconds, 2)}))


if __name__ == "__main__":
    commands = {"make": make, "hollow": hollow, "ours": ours, "theirs": theirs, "compare": compare, "scan": scan}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])
