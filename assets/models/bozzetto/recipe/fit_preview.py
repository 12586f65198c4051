#!/usr/bin/env python3
"""Fits preview.json: the linear map from a model's scaled latents to RGB in -1..1 that live previews are drawn with.

    python assets/models/bozzetto/recipe/fit_preview.py [MODEL_FOLDER]

Least squares from the VAE's latents of procedural pictures (flat colours, gradients, blobs, stripes) to the mean colour of the
block of pixels that each latent pixel stands for. No data set is needed. Run it again whenever the VAE changes.
"""
import json
import pathlib
import random
import sys

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image, ImageDraw, ImageFilter

PICTURES, SIDE, SEED = 192, 128, 7


def colour(rng):
    return tuple(rng.choice((0, 255)) if rng.random() < 0.25 else rng.randrange(256) for _ in range(3))


def picture(rng):
    """Something flat, something that runs from one colour to another, or something with objects on it."""
    ramp = Image.linear_gradient("L").resize((SIDE, SIDE)).rotate(rng.choice((0, 90, 180, 270)))
    ground = Image.new("RGB", (SIDE, SIDE), colour(rng))
    if rng.random() < 0.6:
        ground = Image.composite(ground, Image.new("RGB", (SIDE, SIDE), colour(rng)), ramp)
    draw = ImageDraw.Draw(ground)
    for _ in range(rng.choice((0, 1, 2, 4, 8))):
        x, y, w, h = (rng.randrange(-20, SIDE), rng.randrange(-20, SIDE), rng.randrange(8, 90), rng.randrange(8, 90))
        shape = rng.choice((draw.ellipse, draw.rectangle))
        shape((x, y, x + w, y + h), fill=colour(rng))
    if rng.random() < 0.5:
        ground = ground.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 6)))
    return np.asarray(ground, np.float32).transpose(2, 0, 1) / 127.5 - 1


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent
    torch.set_num_threads(1)
    rng = random.Random(SEED)
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    pictures = torch.from_numpy(np.stack([picture(rng) for _ in range(PICTURES)]))
    with torch.no_grad():
        latents = torch.cat([vae.encode(part).latent_dist.mean for part in pictures.split(16)])
    latents = (latents - (vae.config.shift_factor or 0.0)) * vae.config.scaling_factor
    blocks = torch.nn.functional.avg_pool2d(pictures, factor)
    inputs = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1]).double().numpy()
    targets = blocks.permute(0, 2, 3, 1).reshape(-1, 3).double().numpy()
    inputs = np.concatenate([inputs, np.ones((len(inputs), 1))], 1)
    solution, *_ = np.linalg.lstsq(inputs, targets, rcond=None)
    error = np.sqrt(np.mean((inputs @ solution - targets) ** 2))
    rows = np.round(solution, 5).tolist()
    body = ",\n  ".join(json.dumps(row) for row in rows[:-1])
    (folder / "preview.json").write_text(f'{{"matrix": [\n  {body}\n ],\n "bias": {json.dumps(rows[-1])}}}\n')
    print(f"root mean square error {error:.4f} of a deviation of {targets.std():.4f}, in -1..1")


if __name__ == "__main__":
    main()
