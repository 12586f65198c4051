"""Train the upscaler, 128 px -> 512 px, or compare it with Lanczos.

The large pictures are scenes at 512 px. Flat and cartoon sprites are drawn from their SVG at the size they
have there. The 3D sprites exist at 256 px only: they are never enlarged, so a scene shows them
small. The small pictures are the large ones reduced by area and put through Bozzetto's
autoencoder with a little noise on the latents, as a painted picture is; some are only reduced.
Loss: L1, and L1 of the picture gradients. The run in WORK/runs/NAME goes on where it stopped; its rate
falls to zero over --max-cpu. Every save writes WORK/runs/NAME/model.safetensors (averaged, half precision).

    python upscaler_train.py train --work DIR --stage stages/upscaler.toml --max-cpu 1500
    python upscaler_train.py compare --work DIR --stage stages/upscaler.toml
"""

import argparse
import json
import math
import signal
import tomllib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from backgrounds import Backgrounds
from bozzetto import encode, load_vae
from common import PICTURE, append_row, be_polite, contact_sheet, cpu_seconds, save_atomically, to_array, to_tensor
from muon import MuonAdam
from scene import Scenes, recolour
from sprites import SVG_SETS, SvgSet, soft_render, visible
from upscaler import SCALE, enlarge, load_upscaler, new_upscaler, save_upscaler
from vae_decoder import edges

LARGE = PICTURE * SCALE


class LargeScenes(Scenes):
    """Scenes at 512 px, of concepts trained on or of those held out."""

    def __init__(self, work, stage, seed, test):
        super().__init__(work, stage["scene"], seed)
        self.backgrounds = Backgrounds(self.rng, SCALE)
        every = stage["train"]["held_out_every"]
        self.pool = [concept for concept in self.pool if (concept % every == 0) == test]
        packages = work / "npm/node_modules"
        self.sets = {style: SvgSet(packages / "@iconify-json" / name) for style, name in SVG_SETS.items()}
        self.renders = packages / "@lobehub/fluent-emoji-3d/assets"

    def _sprite(self, concept, style, colour=None):
        key = concept, style, colour
        if key not in self.sprites:
            code = self.concepts[concept]["code"]
            sprite = self.sets[style].picture(code, LARGE) if style in self.sets else None
            sprite = visible(sprite or soft_render(self.renders, code))
            self.sprites[key] = recolour(sprite, colour) if colour else sprite
        return self.sprites[key]

    def _paste(self, picture, sprite, centre, size, spread):
        """Never larger than it was drawn."""
        scale = min(1, size * SCALE / max(sprite.size))
        size = [max(1, round(side * scale)) for side in sprite.size]
        small = sprite.convert("RGBa").resize(size, Image.LANCZOS).convert("RGBA")
        middle = [(axis + self.rng.uniform(-spread, spread)) * SCALE for axis in centre]
        corner = tuple(round(axis - side / 2) for axis, side in zip(middle, size))
        picture.paste(small, corner, small)


def reduced(picture):
    return picture.resize((PICTURE, PICTURE), Image.BOX)


@torch.no_grad()
def repainted(vae, pictures, noise):
    """Small pictures as the autoencoder gives them back from slightly wrong latents: N,3,H,W in [-1, 1]."""
    latents = encode(vae, pictures)
    strength = noise * torch.rand(len(latents), 1, 1, 1)
    return vae.decode(latents + strength * torch.randn_like(latents)).sample.clamp(-1, 1)


class Examples:
    """Pairs of a small and a large picture, as bytes, replaced one at a time."""

    def __init__(self, vae, config, scenes):
        self.vae, self.config, self.scenes = vae, config, scenes
        self.small, self.large = [], []

    def add(self):
        large = self.scenes.render(self.scenes.plan())
        small = reduced(large)
        if self.scenes.rng.random() >= self.config["plain"]:
            small = to_array(repainted(self.vae, [small], self.config["noise"]))[0]
        self.small = (self.small + [np.asarray(small)])[-self.config["kept"] :]
        self.large = (self.large + [np.asarray(large)])[-self.config["kept"] :]

    def draw(self):
        """Crops, as tensors from 0 to 1; of four places the one with most to see."""
        rng, side = self.scenes.rng, self.config["crop"]
        small, large = [], []
        for _ in range(self.config["batch"]):
            row = rng.randrange(len(self.small))
            crops = []
            for _ in range(4):
                x, y = rng.randint(0, PICTURE - side), rng.randint(0, PICTURE - side)
                crops.append((self.small[row][y : y + side, x : x + side].std(), x, y))
            _, x, y = max(crops) if rng.random() < 0.8 else crops[0]
            near = self.small[row][y : y + side, x : x + side]
            far = self.large[row][y * SCALE : (y + side) * SCALE, x * SCALE : (x + side) * SCALE]
            if rng.random() < 0.5:
                near, far = near[:, ::-1], far[:, ::-1]
            small.append(near)
            large.append(far)
        return (to_tensor(small) + 1) / 2, (to_tensor(large) + 1) / 2


def loss_of(painted, wanted):
    total = (painted - wanted).abs().mean()
    for ours, theirs in zip(edges(painted), edges(wanted)):
        total = total + (ours - theirs).abs().mean()
    return total


def train(given, stage):
    config, folder = stage["train"], given.work / "runs" / given.name
    vae = load_vae(given.vae or given.work / "ckpt/vae").float()
    network = new_upscaler(config["features"], config["convolutions"])
    trained = list(network.parameters())
    optimiser = MuonAdam(trained, config["rate"], adam_only=[network.body[0].weight, network.body[-1].weight])
    average = [parameter.detach().clone() for parameter in trained]
    step, before, stops = 0, 0.0, 0
    if (folder / "state.pt").exists():
        state = torch.load(folder / "state.pt", weights_only=False)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        average, step, before, stops = state["average"], state["step"], state["cpu"], state["stops"] + 1
    examples = Examples(vae, config, LargeScenes(given.work, stage, given.seed + 1000 * stops, test=False))
    clock = cpu_seconds()

    def spent():
        return before + cpu_seconds() - clock

    def save():
        mean = new_upscaler(config["features"], config["convolutions"])
        with torch.no_grad():
            for parameter, value in zip(mean.parameters(), average):
                parameter.copy_(value)
        save_upscaler(mean, folder / "model.safetensors")
        state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "average": average}
        save_atomically(folder / "state.pt", state | {"step": step, "cpu": spent(), "stops": stops})

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    for _ in range(config["fill"]):
        examples.add()
    saved, losses = spent(), []
    while not stop and spent() < given.max_cpu:
        if step % config["fresh_every"] == 0:
            examples.add()
        small, large = examples.draw()
        loss = loss_of(network(small), large)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        fraction = min(1, spent() / given.max_cpu)
        rate = config["rate"] * min(1, (step + 1) / config["warm_up"]) * 0.5 * (1 + math.cos(math.pi * fraction))
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        step += 1
        losses.append(loss.item())
        with torch.no_grad():
            torch._foreach_lerp_(average, trained, 1 - min(0.995, (1 + step) / (10 + step)))
        if step % 50 == 0:
            row = {"step": step, "cpu_seconds": round(spent()), "loss": f"{np.mean(losses):.4f}"}
            append_row(folder / "curve.csv", row)
            losses.clear()
        if spent() - saved > given.save_every:
            save()
            saved = spent()
    save()


def score(painted, wanted):
    """PSNR in dB, and the mean error of the gradients in 8-bit levels."""
    error = ((painted - wanted) / 2).pow(2).mean((1, 2, 3))
    wrong = sum((ours - theirs).abs().mean() for ours, theirs in zip(edges(painted), edges(wanted))) / 2
    return (-10 * error.log10()).mean().item(), wrong.item() * 127.5


def compare(given, stage):
    """Concepts the upscaler has never seen, each small picture enlarged by it, by Lanczos and by bicubic."""
    torch.manual_seed(3)
    vae = load_vae(given.vae or given.work / "ckpt/vae").float()
    network = load_upscaler(given.model or given.work / "runs" / given.name / "model.safetensors")
    scenes = LargeScenes(given.work, stage, seed=99, test=True)
    large = [scenes.render(scenes.plan()) for _ in range(given.pictures)]
    wanted, small = to_tensor(large), [reduced(picture) for picture in large]
    print(f"{given.pictures} pictures, {sum(p.numel() for p in network.parameters())} parameters")
    for name, near in (("reduced", to_tensor(small)), ("autoencoder", repainted(vae, small, stage["train"]["noise"]))):
        bytes_ = [Image.fromarray(picture) for picture in to_array(near)]
        enlarged = {
            "lanczos": to_tensor([picture.resize((LARGE, LARGE), Image.LANCZOS) for picture in bytes_]),
            "bicubic": to_tensor([picture.resize((LARGE, LARGE), Image.BICUBIC) for picture in bytes_]),
            "upscaler": enlarge(network, near),
        }
        for method, painted in enlarged.items():
            decibels, wrong = score(painted, wanted)
            print(json.dumps({"small": name, "method": method, "db": round(decibels, 2), "gradient": round(wrong, 3)}))
    shown = slice(0, 4)
    rows = [interpolate(near[shown], scale_factor=4), enlarged["lanczos"][shown], enlarged["upscaler"][shown]]
    (given.work / "out").mkdir(exist_ok=True)
    contact_sheet(to_array(torch.cat([*rows, wanted[shown]])), columns=4).save(given.work / "out/upscaler.png")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("task", choices=["train", "compare"])
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--name", default="upscaler")
    options.add_argument("--stage", type=Path, required=True)
    options.add_argument("--vae", type=Path, help="folder of the autoencoder; WORK/ckpt/vae if not given")
    options.add_argument("--model", type=Path, help="compare this file; the run's own if not given")
    options.add_argument("--pictures", type=int, default=64, help="to compare")
    options.add_argument("--max-cpu", type=float, default=1500, help="CPU seconds of the whole run")
    options.add_argument("--save-every", type=float, default=120, help="CPU seconds")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    be_polite()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    (train if given.task == "train" else compare)(given, tomllib.loads(given.stage.read_text()))


if __name__ == "__main__":
    main()
