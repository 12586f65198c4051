"""Train the autoencoder from its data-driven start, then fold its latents to mean 0, deviation 1.

Crops of 64 px from pictures of a stage. L1 + L2 + L1 of the gradients + a little KL. The run in
WORK/runs/NAME goes on where it stopped; at --max-cpu the folded autoencoder is written to
WORK/ckpt/vae (a new one makes every trained U-Net useless: its latents are others).

    python vae_train.py --work DIR --name vae --stage stages/vae.toml --max-cpu 3600
"""

import argparse
import math
import random
import signal
import tomllib
from pathlib import Path

import numpy as np
import torch

from bozzetto import new_vae
from common import append_row, be_polite, contact_sheet, cpu_seconds, save_atomically, to_array, to_tensor
from muon import MuonAdam
from scene import Scenes
from vae_decoder import decibels, edges
from vae_init import start


@torch.no_grad()
def fold(vae, pictures):
    """Put each latent channel's mean and deviation into the 1x1 convolutions beside it: exact."""
    codes = vae.encode(pictures).latent_dist.mean
    mean, deviation = codes.mean((0, 2, 3)), codes.std((0, 2, 3))
    count = len(mean)
    into, out = vae.quant_conv, vae.post_quant_conv
    into.weight[:count] /= deviation.view(-1, 1, 1, 1)
    into.bias[:count] = (into.bias[:count] - mean) / deviation
    into.bias[count:] -= 2 * deviation.log()
    out.bias += out.weight[:, :, 0, 0] @ mean
    out.weight *= deviation.view(1, -1, 1, 1)
    vae.register_to_config(scaling_factor=1.0)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--name", default="vae")
    options.add_argument("--stage", type=Path, required=True)
    options.add_argument("--max-cpu", type=float, required=True)
    options.add_argument("--save-every", type=float, default=300)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    be_polite()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)

    stage = tomllib.loads(given.stage.read_text())
    config = stage["train"]
    folder = given.work / "runs" / given.name
    vae = new_vae()
    optimiser = MuonAdam(
        vae.parameters(), config["rate"], adam_only=[vae.encoder.conv_in.weight, vae.decoder.conv_out.weight]
    )
    step, before, stops = 0, 0.0, 0
    saved_state = folder / "state.pt"
    if saved_state.exists():
        state = torch.load(saved_state, weights_only=False)
        vae.load_state_dict(state["vae"])
        optimiser.load_state_dict(state["optimiser"])
        average, step, before, stops = state["average"], state["step"], state["cpu"], state["stops"] + 1
    held_out = Scenes(given.work, stage["scene"], seed=999)
    check = to_tensor([held_out.draw()[0] for _ in range(16)])
    if not saved_state.exists():
        print(f"start: {start(vae, to_tensor([held_out.draw()[0] for _ in range(32)])):.2f} dB")
        average = {name: value.clone() for name, value in vae.state_dict().items()}
    scenes = Scenes(given.work, stage["scene"], seed=given.seed + 1000 * stops)
    rng = random.Random(given.seed + stops)
    clock = cpu_seconds()

    def spent():
        return before + cpu_seconds() - clock

    def save():
        state = {"vae": vae.state_dict(), "optimiser": optimiser.state_dict(), "average": average}
        save_atomically(saved_state, state | {"step": step, "cpu": spent(), "stops": stops})
        mean = new_vae().eval()
        mean.load_state_dict(average)
        clean, painted = decibels(mean, check, 0.0)
        append_row(folder / "curve.csv", {"step": step, "cpu_seconds": round(spent()), "db": f"{clean:.2f}"})
        pairs = np.concatenate([to_array(check[:8]), to_array(painted[:8])])
        contact_sheet(pairs).save(folder / "latest.png")
        return mean

    def crops(side=64):
        """Two crops of every picture, one in two mirrored."""
        pieces = []
        for picture in to_tensor([scenes.draw()[0] for _ in range(config["batch"] // 2)]):
            for _ in range(2):
                left, top = rng.randint(0, 128 - side), rng.randint(0, 128 - side)
                piece = picture[:, top : top + side, left : left + side]
                pieces.append(piece.flip(-1) if rng.random() < 0.5 else piece)
        return torch.stack(pieces)

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    saved = spent()
    while not stop and spent() < given.max_cpu:
        pictures = crops()
        code = vae.encode(pictures).latent_dist
        painted = vae.decode(code.sample()).sample
        loss = (painted - pictures).abs().mean() + (painted - pictures).pow(2).mean()
        for ours, theirs in zip(edges(painted), edges(pictures)):
            loss = loss + 0.7 * (ours - theirs).abs().mean()
        loss = loss + 3e-4 * code.kl().mean() / code.mean[0].numel()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        fraction = min(1, spent() / given.max_cpu)
        rate = config["rate"] * min(1, (step + 1) / 30) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * fraction)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        step += 1
        keep = min(0.995, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in vae.state_dict().items():
                average[name].lerp_(value, 1 - keep)
        if spent() - saved > given.save_every:
            save()
            saved = spent()
    mean = save()
    if not stop:
        fold(mean, to_tensor([held_out.draw()[0] for _ in range(256)]))
        mean.save_pretrained(given.work / "ckpt/vae")


if __name__ == "__main__":
    main()
