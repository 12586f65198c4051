"""Train the ControlNet of the folder `controlnet`: lines, white on black, say where things are.

Exactly diffusers' ControlNetModel, begun from the encoder of the U-Net that it steers, which stays as it is. Trained on
composed scenes whose things are anywhere and of any size, with lines found in them and disturbed (lines.py).

    python controlnet_train.py train --work DIR --model DIR/export/bozzetto --max-cpu 900
    python controlnet_train.py export --work DIR --model DIR/export/bozzetto --to DIR/export/controlnet
    python controlnet_train.py measure --work DIR --model DIR/export/bozzetto --controlnet DIR/export/controlnet

`train` goes on where it stopped; its rate falls to zero over --max-cpu. `measure` paints combinations that training left out, with and
without lines, and reports how well the edges of what was painted agree with the lines, and whether the judge names the things.
"""

import argparse
import json
import random
import shutil
import signal
import tomllib
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel
from diffusers.models.attention_processor import AttnProcessor
from PIL import Image

from bozzetto import encode, load_text_encoder, load_unet, load_vae, new_schedule
from common import PICTURE, RECIPE, TOKENS, Prompts, append_row, be_polite, contact_sheet, cpu_seconds
from common import save_atomically, to_array
from lines import canny, random_lines, widened
from muon import MuonAdam
from scene import Scenes

CAPTIONS = 4
TOLERANCE = 2  # pixels between an edge and a line that still agree
GRAYS = [(255, 255, 255), (150, 150, 150), (20, 20, 24)]


def new_controlnet(unet, channels):
    return ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=tuple(channels))


def as_condition(lines):
    """uint8 N,H,W lines -> float N,3,H,W in [0, 1], what ControlNetModel reads."""
    return (torch.as_tensor(lines).float() / 255)[:, None].expand(-1, 3, -1, -1)


def steered(unet, controlnet, latents, steps, states, condition):
    """The U-Net's answer with the ControlNet's residuals added."""
    down, middle = controlnet(latents, steps, states, condition, return_dict=False)
    residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
    return unet(latents, steps, states, **residuals).sample


class Ring:
    """Latents, lines and captions of composed pictures, replaced a few at a time."""

    def __init__(self, config, scenes, vae, prompts, seed):
        self.scenes, self.vae, self.prompts, self.rng = scenes, vae, prompts, np.random.default_rng(seed)
        size, side = config["ring"], PICTURE // 8
        self.latents = torch.zeros(size, vae.config.latent_channels, side, side, dtype=torch.half)
        self.lines = torch.zeros(size, PICTURE, PICTURE, dtype=torch.uint8)
        self.captions = torch.zeros(size, CAPTIONS, TOKENS, dtype=torch.short)
        self.filled = self.next = 0

    def add(self, count):
        plans = [self.scenes.plan() for _ in range(count)]
        alone = [Image.new("RGB", (PICTURE, PICTURE), GRAYS[self.rng.integers(3)]) for _ in plans]
        pictures = [self.scenes.render(plan, ground) for plan, ground in zip(plans, alone)]
        latents = encode(self.vae, pictures)
        for plan, picture, thing, latent in zip(plans, pictures, alone, latents):
            self.latents[self.next] = latent
            self.lines[self.next] = torch.from_numpy(random_lines(picture, thing, self.rng).copy())
            self.captions[self.next] = self.prompts.batch(self.scenes.captions(plan, CAPTIONS))
            self.next = (self.next + 1) % len(self.latents)
            self.filled = min(self.filled + 1, len(self.latents))

    def draw(self, count):
        rows, which = torch.randint(self.filled, (count,)), torch.randint(CAPTIONS, (count,))
        return self.latents[rows].float(), self.lines[rows], self.captions[rows, which].long()


def train(given):
    torch.manual_seed(0)
    random.seed(0)
    text = given.stage.read_text()
    stage = tomllib.loads(text)
    config, folder = stage["train"], given.work / "runs/controlnet"
    precision = getattr(torch, config["precision"])
    prompts, vae, schedule = Prompts(given.work / "ckpt/tokenizer"), load_vae(given.work / "ckpt/vae"), new_schedule()
    unet, words = load_unet(given.model).float(), load_text_encoder(given.model).float()
    controlnet = new_controlnet(unet, stage["model"]["conditioning"])
    for network in (unet, words):
        network.requires_grad_(False)
    for network in (unet, controlnet):
        network.set_attn_processor(AttnProcessor())
    parameters = list(controlnet.parameters())
    zero = [*controlnet.controlnet_down_blocks.parameters(), *controlnet.controlnet_mid_block.parameters()]
    zero += [controlnet.conv_in.weight, controlnet.controlnet_cond_embedding.conv_out.weight]
    optimiser = MuonAdam(parameters, config["rate"], adam_only=zero, precision=precision)
    average = [parameter.detach().clone() for parameter in parameters]
    step, before, stops = 0, 0.0, 0
    if (folder / "state.pt").exists():
        state = torch.load(folder / "state.pt", weights_only=False)
        controlnet.load_state_dict(state["controlnet"])
        optimiser.load_state_dict(state["optimiser"])
        average, step, before, stops = state["average"], state["step"], state["cpu"], state["stops"] + 1
    torch.manual_seed(stops)
    scenes = Scenes(given.work, stage["scene"], seed=31 + 1000 * stops, held_out=False)
    ring = Ring(config, scenes, vae, prompts, seed=stops)
    clock = cpu_seconds()

    def spent():
        return before + cpu_seconds() - clock

    def save():
        state = {"controlnet": controlnet.state_dict(), "optimiser": optimiser.state_dict(), "average": average}
        save_atomically(folder / "state.pt", state | {"step": step, "cpu": spent(), "stops": stops, "stage": text})

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    for _ in range(config["fill"] // 16):
        ring.add(16)
    saved, errors, count = spent(), [], config["batch"]
    while not stop and spent() < given.max_cpu:
        ring.add(config["fresh"])
        latents, lines, captions = ring.draw(count)
        dropped = torch.rand(count, 1) < config["caption_drop"]
        captions = torch.where(dropped, prompts.batch([""]), captions)
        steps = ((torch.arange(count) + torch.rand(count)) / count * 1000).long().clamp(0, 999)
        signal_part = schedule.alphas_cumprod.float()[steps].view(-1, 1, 1, 1)
        noise = torch.randn_like(latents)
        noisy = signal_part.sqrt() * latents + (1 - signal_part).sqrt() * noise
        goal = signal_part.sqrt() * noise - (1 - signal_part).sqrt() * latents
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            states = words(input_ids=captions).last_hidden_state
            velocity = steered(unet, controlnet, noisy, steps, states, as_condition(lines))
        error = (velocity.float() - goal).pow(2)
        ratio = signal_part / (1 - signal_part).clamp(min=1e-6)
        weight = ratio.clamp(max=5) / (ratio + 1) + 0.35 / (1 + ratio)
        optimiser.zero_grad()
        (2 * (error * weight).mean()).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        warm = min(1, (step + 1) / config["warm_up"])
        for group in optimiser.param_groups:
            group["lr"] = config["rate"] * warm * max(0.0, 1 - spent() / given.max_cpu)
            group["momentum"] = 0.85 + 0.1 * warm
        optimiser.step()
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(average, parameters, 1 - min(config["ema"], (1 + step) / (10 + step)))
        errors.append(error.mean().item())
        if step % 20 == 0:
            row = {"step": step, "cpu_seconds": round(spent()), "v_error": f"{np.mean(errors):.4f}"}
            append_row(folder / "curve.csv", row)
            errors.clear()
        if spent() - saved > given.save_every:
            save()
            saved = spent()
    save()


def export(given):
    stage = tomllib.loads(given.stage.read_text())
    controlnet = new_controlnet(load_unet(given.model).float(), stage["model"]["conditioning"])
    state = torch.load(given.work / "runs/controlnet/state.pt", weights_only=False)
    with torch.no_grad():
        for parameter, mean in zip(controlnet.parameters(), state["average"], strict=True):
            parameter.copy_(mean)
    aside = given.to.with_name(given.to.name + ".writing")
    shutil.rmtree(aside, ignore_errors=True)
    controlnet.half().save_pretrained(aside)
    settings = json.loads((aside / "config.json").read_text())
    settings.pop("_name_or_path", None)
    (aside / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    shutil.rmtree(given.to, ignore_errors=True)
    aside.rename(given.to)
    print(f"{given.to}: {sum(path.stat().st_size for path in given.to.iterdir()) / 1e6:.1f} MB")


class Drawer:
    """Paints with lines, as bozzetto.paint does without."""

    def __init__(self, folder, controlnet, unet=None):
        self.unet, self.text = load_unet(unet or folder).float().eval(), load_text_encoder(folder).float().eval()
        self.vae, self.prompts = load_vae(folder / "vae").float(), Prompts(folder / "tokenizer")
        self.controlnet = ControlNetModel.from_pretrained(controlnet).float().eval()

    @torch.no_grad()
    def paint(self, texts, lines, seeds, steps=10, guidance=3.5, strength=1.0):
        """Texts and uint8 N,H,W lines -> float pictures N,3,H,W; `strength` 0 leaves the lines out."""
        shape = (self.unet.config.in_channels, PICTURE // 8, PICTURE // 8)
        latents = torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
        guided = guidance != 1
        states = self.text(input_ids=self.prompts.batch([""] * len(texts) * guided + texts)).last_hidden_state
        condition, schedule = as_condition(np.concatenate([lines] * (1 + guided))), new_schedule()
        schedule.set_timesteps(steps)
        for step in schedule.timesteps:
            both, residuals = latents.repeat(1 + guided, 1, 1, 1), {}
            if strength:
                down, middle = self.controlnet(both, step, states, condition, strength, return_dict=False)
                residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
            velocity = self.unet(both, step, states, **residuals).sample
            if guided:
                without, towards = velocity.chunk(2)
                velocity = without + guidance * (towards - without)
            latents = schedule.step(velocity, step, latents).prev_sample
        return self.vae.decode(latents / self.vae.config.scaling_factor).sample.clamp(-1, 1)


def near(mask):
    for _ in range(TOLERANCE):
        mask = widened(mask)
    return mask


def agreement(edges, lines):
    """Shares of the edges that are near a line, of the lines near an edge, and their harmonic mean."""
    precision = (edges & near(lines)).sum() / max(1, edges.sum())
    recall = (lines & near(edges)).sum() / max(1, lines.sum())
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def measure(given):
    from judge import answers, load_judge
    from measure import judged

    stage = tomllib.loads(given.stage.read_text())
    scenes = Scenes(given.work, stage["scene"], seed=88, held_out=True)
    judge, _ = load_judge(given.work)
    drawer = Drawer(given.model, given.controlnet, given.unet)
    plans, wanted, lines, rng, hand = [], [], [], np.random.default_rng(8), []
    for _ in range(given.pictures):
        plans.append(scenes.plan())
        alone = Image.new("RGB", (PICTURE, PICTURE), (255, 255, 255))
        picture = scenes.render(plans[-1], alone)
        wanted.append(picture)
        lines.append(canny(picture))
        hand.append(random_lines(picture, alone, rng))
    texts = [scenes.captions(plan, 1)[0] for plan in plans]
    truth = torch.tensor([answers(plan, scenes.natural(plan)) for plan in plans])
    print("| lines | edges near a line | lines near an edge | F1 | things named | layout | colour |")
    print("|---|---|---|---|---|---|---|")
    edged, shown = np.stack(lines) * np.uint8(255), [np.stack([np.asarray(picture) for picture in wanted])]
    asked = {"none": (edged, 0.0)}
    for strength in map(float, given.strengths.split(",")):
        asked |= {f"edges, strength {strength}": (edged, strength)}
        asked |= {f"as a hand draws, strength {strength}": (np.stack(hand), strength)}
    for name, (drawn, strength) in asked.items():
        parts = []
        for first in range(0, len(plans), 16):
            part = slice(first, first + 16)
            seeds = [2000 + number for number in range(len(plans))][part]
            parts.append(drawer.paint(texts[part], drawn[part], seeds, given.steps, given.guidance, strength))
        pictures = torch.cat(parts)
        edges = [canny(Image.fromarray(picture)) for picture in to_array(pictures)]
        scores = np.mean([agreement(*pair) for pair in zip(edges, lines)], axis=0)
        _, logits = judged(judge, pictures)
        right = [(one.argmax(1) == t).float() for one, t in zip(logits, truth.T)]
        asked_colour = torch.tensor([plan.colour is not None and not scenes.natural(plan) for plan in plans])
        shares = [(right[0] * right[1]).mean(), right[2].mean(), right[3][asked_colour].mean()]
        cells = [f"{scores[0]:.0%}", f"{scores[1]:.0%}", f"{scores[2]:.2f}", *(f"{share:.0%}" for share in shares)]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
        shown += [np.stack([drawn] * 3, axis=-1)] * (strength > 0) + [to_array(pictures)]
    composed = judged(judge, torch.stack([torch.from_numpy(np.asarray(p)).permute(2, 0, 1) / 127.5 - 1 for p in wanted]))[1]
    right = [(one.argmax(1) == t).float() for one, t in zip(composed, truth.T)]
    print(f"the composed pictures themselves: things named {(right[0] * right[1]).mean():.0%}, layout {right[2].mean():.0%}")
    if given.sheet:
        cells = [row[column] for column in range(min(16, len(plans))) for row in shown]
        contact_sheet(np.stack(cells), 2 * len(shown)).save(given.sheet)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=["train", "export", "measure"])
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--model", type=Path, required=True, help="diffusers folder of the U-Net to steer")
    options.add_argument("--stage", type=Path, default=RECIPE / "stages/controlnet.toml")
    options.add_argument("--max-cpu", type=float, default=900, help="CPU seconds of the whole run")
    options.add_argument("--save-every", type=float, default=60, help="CPU seconds")
    options.add_argument("--to", type=Path, help="folder to export to")
    options.add_argument("--controlnet", type=Path, help="exported folder to measure")
    options.add_argument("--unet", type=Path, help="folder of another U-Net for the same words and latents, to measure")
    options.add_argument("--steps", type=int, default=10)
    options.add_argument("--guidance", type=float, default=3.5)
    options.add_argument("--strengths", default="1", help="of the ControlNet, with commas")
    options.add_argument("--pictures", type=int, default=96)
    options.add_argument("--sheet", type=Path, help="composed, painted without lines, lines, painted with them, ...")
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    be_polite()
    torch.set_num_threads(given.threads)
    {"train": train, "export": export, "measure": measure}[given.what](given)


if __name__ == "__main__":
    main()
