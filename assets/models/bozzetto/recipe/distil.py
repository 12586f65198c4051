"""Distil the U-Net to a few steps without guidance, as a second U-Net.

Progressive distillation (Salimans and Ho, arXiv 2202.00512), all halvings at once: from a latent at one of the student's
time steps the teacher takes several guided DDIM steps to the next one, and the student's velocity is trained so that
one step of its own ends there. Half of the latents come from the student's own trajectories (DAgger), so that it learns
to make up for its own errors. The text encoder is the teacher's and stays as it is.

    python distil.py train --work DIR --model DIR/export/bozzetto --max-cpu 1500
    python distil.py export --work DIR --model DIR/export/bozzetto --to DIR/export/bozzetto-4-steps
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
from diffusers.models.attention_processor import AttnProcessor

from bozzetto import INDEX, load_text_encoder, load_unet, new_schedule
from common import RECIPE, Prompts, append_row, be_polite, cpu_seconds, save_atomically
from muon import MuonAdam
from scene import Scenes


class Steps:
    """The student's DDIM steps, each linear: from `latent` with `velocity` to keep * latent + turn * velocity."""

    def __init__(self, count):
        schedule = new_schedule()
        schedule.set_timesteps(count)
        self.timesteps = schedule.timesteps
        kept = torch.cat([schedule.alphas_cumprod[schedule.timesteps], schedule.final_alpha_cumprod.view(1)]).double()
        signal, noise = kept.sqrt(), (1 - kept).sqrt()
        self.keep = (signal[1:] * signal[:-1] + noise[1:] * noise[:-1]).float()
        self.turn = (noise[1:] * signal[:-1] - signal[1:] * noise[:-1]).float()

    def walk(self, latent, velocity, place):
        return self.keep[place] * latent + self.turn[place] * velocity

    def velocity_to(self, latent, there, place):
        """The velocity with which a step from each latent, at its place among the steps, ends in `there`."""
        keep, turn = self.keep[place].view(-1, 1, 1, 1), self.turn[place].view(-1, 1, 1, 1)
        return (there - keep * latent) / turn


class Pairs:
    """Latents at the student's time steps, where the teacher goes from each, and the words: replaced in turn."""

    def __init__(self, stage, unet, words, prompts, scenes, average):
        self.config, self.teaching = stage["train"], stage["teacher"]
        self.unet, self.words, self.prompts, self.scenes, self.average = unet, words, prompts, scenes, average
        self.precision = getattr(torch, self.config["precision"])
        self.nothing = self.states([""])
        shape = (unet.config.in_channels, unet.config.sample_size, unet.config.sample_size)
        size = self.config["ring"]
        self.steps, self.shape, self.filled, self.next = Steps(self.config["steps"]), shape, 0, 0
        self.here, self.there = torch.zeros(size, *shape), torch.zeros(size, *shape)
        self.place = torch.zeros(size, dtype=torch.long)
        self.told = torch.zeros(size, *self.nothing.shape[1:], dtype=self.precision)

    @torch.no_grad()
    def states(self, texts):
        return self.words(input_ids=self.prompts.batch(texts)).last_hidden_state

    @torch.no_grad()
    def add(self):
        count, steps = self.config["fresh"], self.config["steps"]
        texts = [random.choice(self.scenes.captions(self.scenes.plan(), 4)) for _ in range(count)]
        states = self.states(texts)
        both = torch.cat([self.nothing.repeat(count, 1, 1), states])
        latents, own = torch.randn(count, *self.shape), torch.rand(count, 1, 1, 1) < self.config["own"]
        schedule, fine = new_schedule(), self.teaching["steps"] // steps
        schedule.set_timesteps(self.teaching["steps"])
        with torch.autocast("cpu", self.precision, enabled=self.precision != torch.float32):
            for place in range(steps):
                there = latents
                for timestep in schedule.timesteps[place * fine : (place + 1) * fine]:
                    without, towards = self.unet(torch.cat([there, there]), timestep, both).sample.float().chunk(2)
                    velocity = without + self.teaching["guidance"] * (towards - without)
                    there = schedule.step(velocity, timestep, there).prev_sample
                self.keep(latents, there, place, states)
                if place + 1 < steps:
                    velocity = self.average(latents, self.steps.timesteps[place], states).sample.float()
                    latents = torch.where(own, self.steps.walk(latents, velocity, place), there)

    def keep(self, here, there, place, states):
        rows = (self.next + torch.arange(len(here))) % len(self.here)
        self.here[rows], self.there[rows], self.place[rows] = here, there, place
        self.told[rows] = states.to(self.precision)
        self.next = (self.next + len(here)) % len(self.here)
        self.filled = min(self.filled + len(here), len(self.here))

    def draw(self, count):
        rows = torch.randint(self.filled, (count,))
        return self.here[rows], self.there[rows], self.place[rows], self.told[rows].float()


def train(given):
    torch.manual_seed(0)
    random.seed(0)
    text = given.stage.read_text()
    stage = tomllib.loads(text)
    config, folder = stage["train"], given.work / "runs/distil"
    precision = getattr(torch, config["precision"])
    teacher, student, average = (load_unet(given.model).float() for _ in range(3))
    words = load_text_encoder(given.model).float()
    for network in (teacher, average, words):
        network.requires_grad_(False)
    # Plain products instead of fused attention: its backward pass is slow in bfloat16 on a processor.
    for network in (teacher, student, average):
        network.set_attn_processor(AttnProcessor())
    parameters, means = list(student.parameters()), list(average.parameters())
    ends = [student.conv_in.weight, student.conv_out.weight]
    optimiser = MuonAdam(parameters, config["rate"], adam_only=ends, precision=precision)
    step, before, stops = 0, 0.0, 0
    if (folder / "state.pt").exists():
        state = torch.load(folder / "state.pt", weights_only=False)
        student.load_state_dict(state["student"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, before, stops = state["step"], state["cpu"], state["stops"] + 1
    torch.manual_seed(stops)
    random.seed(stops)
    scenes = Scenes(given.work, stage["scene"], seed=51 + 1000 * stops, held_out=False)
    pairs = Pairs(stage, teacher, words, Prompts(given.work / "ckpt/tokenizer"), scenes, average)
    clock = cpu_seconds()

    def spent():
        return before + cpu_seconds() - clock

    def save():
        state = {"student": student.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
        save_atomically(folder / "state.pt", state | {"step": step, "cpu": spent(), "stops": stops, "stage": text})

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    for _ in range(config["fill"] // config["fresh"]):
        pairs.add()
    every = config["uses"] * config["fresh"] * config["steps"] // config["batch"]
    saved, errors = spent(), []
    while not stop and spent() < given.max_cpu:
        if step % every == 0:
            pairs.add()
        here, there, place, told = pairs.draw(config["batch"])
        goal = pairs.steps.velocity_to(here, there, place)
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            velocity = student(here, pairs.steps.timesteps[place], told).sample
        error = (velocity.float() - goal).pow(2).mean()
        optimiser.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        warm = min(1, (step + 1) / config["warm_up"])
        for group in optimiser.param_groups:
            group["lr"] = config["rate"] * warm * max(0.0, 1 - spent() / given.max_cpu)
            group["momentum"] = 0.85 + 0.1 * warm
        optimiser.step()
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(means, parameters, 1 - min(config["ema"], (1 + step) / (10 + step)))
        errors.append(error.item())
        if step % 20 == 0:
            row = {"step": step, "cpu_seconds": round(spent()), "v_error": f"{np.mean(errors):.4f}"}
            append_row(folder / "curve.csv", row)
            errors.clear()
        if spent() - saved > given.save_every:
            save()
            saved = spent()
    save()


def export(given):
    student = load_unet(given.model).float()
    state = torch.load(given.work / "runs/distil/state.pt", weights_only=False)
    student.load_state_dict(state["average"])
    aside = given.to.with_name(given.to.name + ".writing")
    shutil.rmtree(aside, ignore_errors=True)
    student.half().save_pretrained(aside / "unet")
    config = aside / "unet/config.json"
    settings = json.loads(config.read_text())
    settings.pop("_name_or_path", None)  # a path of the machine it was trained on
    config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    new_schedule().save_pretrained(aside / "scheduler")
    (aside / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n")
    suits = {"num_inference_steps": tomllib.loads(given.stage.read_text())["train"]["steps"], "guidance_scale": 1.0}
    (aside / "generation_config.json").write_text(json.dumps(suits, indent=2) + "\n")
    shutil.rmtree(given.to, ignore_errors=True)
    aside.rename(given.to)
    print(f"{given.to}: {sum(path.stat().st_size for path in given.to.rglob('*') if path.is_file()) / 1e6:.1f} MB")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=["train", "export"])
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--model", type=Path, required=True, help="diffusers folder of the teacher")
    options.add_argument("--stage", type=Path, default=RECIPE / "stages/distil.toml")
    options.add_argument("--max-cpu", type=float, default=1500, help="CPU seconds of the whole run")
    options.add_argument("--save-every", type=float, default=60, help="CPU seconds")
    options.add_argument("--to", type=Path, help="folder to export to")
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    be_polite()
    torch.set_num_threads(given.threads)
    {"train": train, "export": export}[given.what](given)


if __name__ == "__main__":
    main()
