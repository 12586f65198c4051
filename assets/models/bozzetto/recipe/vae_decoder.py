"""Fine-tune the decoder of the autoencoder; the encoder, and so every latent, stays as it is.

What a U-Net paints is never exact, so the decoder learns from disturbed latents: with noise, and,
with --painter, as that U-Net itself repaints them from a noisy state in a few guided steps. Loss: L1, L2, L1
of the picture gradients (crisp edges), and the same at half size. Goes on from
WORK/runs/NAME/state.pt if there is one; the averaged decoder is written to WORK/runs/NAME/vae,
and its rate falls to zero over --max-cpu.

    python vae_decoder.py --work DIR --name decoder --stage stages/decoder.toml --max-cpu 900 \
        --painter DIR/export/bozzetto --painter-stage stages/objects-1.toml
"""

import argparse
import signal
import tomllib
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from bozzetto import encode, load_text_encoder, load_unet, load_vae, new_schedule
from common import Prompts, append_row, be_polite, contact_sheet, cpu_seconds, save_atomically, to_array, to_tensor
from muon import MuonAdam
from scene import Scenes


def edges(pictures):
    return pictures.diff(dim=-1), pictures.diff(dim=-2)


def loss_of(painted, wanted):
    total = 0
    for _ in range(2):
        total = total + (painted - wanted).abs().mean() + (painted - wanted).pow(2).mean()
        for ours, theirs in zip(edges(painted), edges(wanted)):
            total = total + 0.7 * (ours - theirs).abs().mean()
        painted, wanted = avg_pool2d(painted, 2), avg_pool2d(wanted, 2)
    return total


class Examples:
    """Pictures with disturbed latents, replaced a few at a time."""

    def __init__(self, vae, config, scenes, painter=None):
        self.vae, self.config, self.scenes, self.painter = vae, config, scenes, painter
        self.pictures, self.latents = [], []

    def add(self, count):
        pictures = [self.scenes.draw(captions=0)[0] for _ in range(count)]
        self._keep(pictures, encode(self.vae, pictures))
        if self.painter:
            self._keep(*self.painter.repaint(self.vae, count))

    def _keep(self, pictures, latents):
        self.pictures = (self.pictures + list(to_tensor(pictures)))[-self.config["kept"] :]
        self.latents = (self.latents + list(latents))[-self.config["kept"] :]

    def draw(self, count):
        rows = torch.randint(len(self.pictures), (count,)).tolist()
        latents = torch.stack([self.latents[row] for row in rows])
        strength = self.config["noise"] * torch.rand(count, 1, 1, 1)
        return torch.stack([self.pictures[row] for row in rows]), latents + strength * torch.randn_like(latents)


class Painter:
    """A U-Net that paints on from a noisy picture whose caption it knows, as it does for a person."""

    def __init__(self, folder, scenes, config):
        self.unet, self.text = load_unet(folder).float().eval(), load_text_encoder(folder).float().eval()
        self.prompts, self.scenes = Prompts(Path(folder) / "tokenizer"), scenes
        self.schedule, self.guidance = new_schedule(), config["guidance"]
        self.schedule.set_timesteps(config["steps"])
        low, high = config["levels"]
        self.starts = [i for i, step in enumerate(self.schedule.timesteps) if low <= step <= high]

    @torch.no_grad()
    def repaint(self, vae, count):
        pictures, captions = zip(*(self.scenes.draw(captions=1) for _ in range(count)))
        ids = self.prompts.batch([""] * count + [texts[0] for texts in captions])
        states = self.text(input_ids=ids).last_hidden_state
        steps = self.schedule.timesteps[self.starts[torch.randint(len(self.starts), ()).item()] :]
        latents = encode(vae, pictures)
        latents = self.schedule.add_noise(latents, torch.randn_like(latents), steps[:1])
        for step in steps:
            without, towards = self.unet(torch.cat([latents, latents]), step, states).sample.chunk(2)
            velocity = without + self.guidance * (towards - without)
            latents = self.schedule.step(velocity, step, latents).prev_sample
        return pictures, latents


@torch.no_grad()
def decibels(vae, pictures, noise):
    torch_state = torch.get_rng_state()
    torch.manual_seed(1)
    latents = vae.encode(pictures).latent_dist.mean
    painted = vae.decode(latents + noise * torch.randn_like(latents)).sample.clamp(-1, 1)
    torch.set_rng_state(torch_state)
    return -10 * torch.log10(((painted - pictures) / 2).pow(2).mean()).item(), painted


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--name", default="decoder")
    options.add_argument("--stage", type=Path, required=True)
    options.add_argument("--painter", type=Path, help="diffusers folder whose U-Net repaints the latents")
    options.add_argument("--painter-stage", type=Path, help="stage with the pictures the painter knows")
    options.add_argument("--max-cpu", type=float, required=True)
    options.add_argument("--save-every", type=float, default=200)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    be_polite()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)

    stage = tomllib.loads(given.stage.read_text())
    config = stage["train"]
    folder = given.work / "runs" / given.name
    vae = load_vae(given.work / "ckpt/vae")
    trained = list(vae.decoder.parameters())
    for parameter in trained:
        parameter.requires_grad_(True)
    optimiser = MuonAdam(trained, config["rate"], adam_only=[vae.decoder.conv_out.weight])
    average = [parameter.detach().clone() for parameter in trained]
    step, before, stops = 0, 0.0, 0
    if (folder / "state.pt").exists():
        state = torch.load(folder / "state.pt", weights_only=False)
        vae.decoder.load_state_dict(state["decoder"])
        optimiser.load_state_dict(state["optimiser"])
        average, step, before, stops = state["average"], state["step"], state["cpu"], state["stops"] + 1
    scenes = Scenes(given.work, stage["scene"], seed=given.seed + 1000 * stops)
    held_out = Scenes(given.work, stage["scene"], seed=999)
    check = to_tensor([held_out.draw()[0] for _ in range(16)])
    painter = None
    if given.painter:
        known = tomllib.loads(given.painter_stage.read_text())["scene"]
        painter = Painter(given.painter, Scenes(given.work, known, seed=given.seed + 1000 * stops), config)
    examples = Examples(vae, config, scenes, painter)
    clock = cpu_seconds()

    def spent():
        return before + cpu_seconds() - clock

    def swap():
        with torch.no_grad():
            for parameter, mean in zip(trained, average):
                kept = parameter.detach().clone()
                parameter.copy_(mean)
                mean.copy_(kept)

    def save():
        swap()
        clean, painted = decibels(vae, check, 0.0)
        noisy, _ = decibels(vae, check, 0.2)
        row = {"step": step, "cpu_seconds": round(spent()), "db": f"{clean:.2f}", "db_noise_0.2": f"{noisy:.2f}"}
        append_row(folder / "curve.csv", row)
        pairs = np.concatenate([to_array(check[:8]), to_array(painted[:8])])
        contact_sheet(pairs).save(folder / "latest.png")
        vae.save_pretrained(folder / "vae")
        swap()
        state = {"decoder": vae.decoder.state_dict(), "optimiser": optimiser.state_dict(), "average": average}
        save_atomically(folder / "state.pt", state | {"step": step, "cpu": spent(), "stops": stops})

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    save()
    for _ in range(config["fill"] // 8):
        examples.add(8)
    saved = spent()
    while not stop and spent() < given.max_cpu:
        examples.add(config["fresh"])
        pictures, latents = examples.draw(config["batch"])
        painted = vae.decode(latents).sample
        optimiser.zero_grad()
        loss_of(painted, pictures).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        rate = config["rate"] * min(1, (step + 1) / config["warm_up"]) * max(0.02, 1 - spent() / given.max_cpu)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(average, trained, 1 - min(0.99, (1 + step) / (10 + step)))
        if spent() - saved > given.save_every:
            save()
            saved = spent()
    save()


if __name__ == "__main__":
    main()
