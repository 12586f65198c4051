"""Train the U-Net and its text encoder together, or go on from a saved state.

One run has a name and lives in WORK/runs/NAME: state.pt (everything needed to go on), curve.csv,
sheets/*.png (the fixed prompts, painted with the averaged weights). Calling the same command
again goes on where the run stopped; SIGTERM saves and ends it.

    python unet_train.py --work DIR --name objects --stage stages/objects.toml [--init FOLDER]
    python unet_train.py --work DIR --name objects-decayed --stage stages/objects.toml \
        --from-run objects --decay 150

The second form copies a run and takes its learning rate to zero over 150 steps, which is what is
exported; the run itself keeps its rate and can go on for days.
"""

import argparse
import random
import shutil
import signal
import tomllib
from pathlib import Path

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from torch.nn.functional import pixel_unshuffle

from bozzetto import encode, load_text_encoder, load_unet, load_vae, new_schedule, new_text_encoder, new_unet, paint
from common import RECIPE, TOKENS, Prompts, append_row, be_polite, contact_sheet, cpu_seconds, save_atomically, to_array
from muon import MuonAdam
from scene import Scenes

CAPTIONS = 4


class Ring:
    """The latents trained on: composed pictures, replaced a few at a time."""

    def __init__(self, size, scenes, vae, prompts):
        self.scenes, self.vae, self.prompts = scenes, vae, prompts
        side = scenes.backgrounds.draw("white").width // 8
        self.latents = torch.zeros(size, vae.config.latent_channels, side, side, dtype=torch.half)
        self.captions = torch.zeros(size, CAPTIONS, TOKENS, dtype=torch.short)
        self.filled = self.next = 0

    def add(self, count):
        pictures, captions = zip(*(self.scenes.draw(CAPTIONS) for _ in range(count)))
        latents = encode(self.vae, pictures)
        for latent, texts in zip(latents, captions):
            self.latents[self.next] = latent
            self.captions[self.next] = self.prompts.batch(texts)
            self.next = (self.next + 1) % len(self.latents)
            self.filled = min(self.filled + 1, len(self.latents))

    def draw(self, count):
        rows = torch.randint(self.filled, (count,))
        which = torch.randint(CAPTIONS, (count,))
        return self.latents[rows].float(), self.captions[rows, which].long()

    def state(self):
        rows = slice(0, self.filled)
        return {"latents": self.latents[rows].clone(), "captions": self.captions[rows].clone(), "next": self.next}

    def restore(self, state):
        self.filled = min(len(state["latents"]), len(self.latents))
        self.latents[: self.filled] = state["latents"][: self.filled]
        self.captions[: self.filled] = state["captions"][: self.filled]
        self.next = state["next"] % len(self.latents)


class Run:
    def __init__(self, options):
        self.options = options
        self.folder = options.work / "runs" / options.name
        self.stage = options.stage.read_text()
        stage = tomllib.loads(self.stage)
        self.config = stage["train"]
        self.precision = getattr(torch, self.config.get("precision", "float32"))
        torch.manual_seed(options.seed)

        tokenizer = options.work / "ckpt/tokenizer"
        self.prompts = Prompts(tokenizer)
        self.vae = load_vae(options.work / "ckpt/vae")
        self.schedule = new_schedule()
        state = self._saved_state()
        self._build(state)

        # A new order of pictures after every stop: replaying the old one would teach nothing new.
        stops = state["stops"] + 1 if state else 0
        self.stops = stops
        scenes = Scenes(options.work, stage["scene"], seed=options.seed + 1000 * stops, held_out=False)
        self.ring = Ring(self.config["ring"], scenes, self.vae, self.prompts)
        self.step, self.cpu, self.decay_start = 0, 0.0, 0
        if state:
            self._restore(state)
        self.clock = cpu_seconds()
        self.stop = False
        # Pictures to compose before going on: a new stage has new things to show.
        changed = state is None or state["stage"] != self.stage
        self.to_fill = self.config["fill"] if changed else 0

    def _saved_state(self):
        own = self.folder / "state.pt"
        if own.exists():
            return torch.load(own, weights_only=False)
        if not self.options.from_run:
            return None
        other = self.options.work / "runs" / self.options.from_run
        self.folder.mkdir(parents=True, exist_ok=True)
        if (other / "curve.csv").exists():
            shutil.copy(other / "curve.csv", self.folder / "curve.csv")
        state = torch.load(other / "state.pt", weights_only=False)
        state["decay_start"] = state["step"]
        return state

    def _build(self, state):
        options = self.options
        if options.init and not state:
            self.unet, self.text = load_unet(options.init), load_text_encoder(options.init)
        else:
            design = state["design"] if state else self._design()
            self.unet = new_unet(**design)
            self.text = load_text_encoder(options.init_text) if options.init_text else new_text_encoder(self.prompts.size)
        self.unet.float().train()
        self.text.float().train()
        # Plain products instead of fused attention: its backward pass is slow in bfloat16 on a processor.
        self.unet.set_attn_processor(AttnProcessor())
        self.text.set_attn_implementation("eager")
        self.parameters = list(self.unet.parameters()) + list(self.text.parameters())
        tables = [p for name, p in self.text.named_parameters() if "embedding" in name]
        self.optimiser = MuonAdam(
            self.parameters,
            self.config["rate"],
            weight_decay=self.config["weight_decay"],
            adam_only=[self.unet.conv_in.weight, self.unet.conv_out.weight, *tables],
            precision=self.precision,
        )
        self.average = [parameter.detach().clone() for parameter in self.parameters]

    def _design(self):
        """Arguments of new_unet for a network from scratch."""
        fold = self.options.fold
        return {
            "channels": [int(part) for part in self.options.channels.split(",")],
            "latent_channels": self.vae.config.latent_channels * fold**2,
            "sample_size": 16 // fold,
            "groups": self.options.groups,
        }

    def _restore(self, state):
        self.unet.load_state_dict(state["unet"])
        self.text.load_state_dict(state["text"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.ring.restore(state["ring"])
        torch.set_rng_state(state["rng"])
        self.step, self.cpu, self.decay_start = state["step"], state["cpu"], state["decay_start"]

    def save(self):
        config = self.unet.config
        state = {
            "step": self.step,
            "cpu": self.spent(),
            "stops": self.stops,
            "decay_start": self.decay_start,
            "design": {
                "channels": list(config.block_out_channels),
                "latent_channels": config.in_channels,
                "sample_size": config.sample_size,
                "groups": config.norm_num_groups,
            },
            "stage": self.stage,
            "unet": self.unet.state_dict(),
            "text": self.text.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "ring": self.ring.state(),
            "rng": torch.get_rng_state(),
        }
        save_atomically(self.folder / "state.pt", state)

    def spent(self):
        return self.cpu + cpu_seconds() - self.clock

    def warmth(self):
        return min(1.0, (self.step + 1) / self.config["warm_up"])

    def rate(self):
        warm = self.warmth()
        if self.options.decay:
            warm *= max(0.0, 1 - (self.step - self.decay_start) / self.options.decay)
        return self.config["rate"] * warm

    def train_step(self):
        """One update; returns the plain squared error of the velocity over the batch."""
        config, count = self.config, self.config["batch"]
        self.ring.add(config["fresh"])
        latents, captions = self.ring.draw(count // 2)
        dropped = torch.rand(len(captions), 1) < config["caption_drop"]
        captions = torch.where(dropped, self.prompts.batch([""]), captions)
        latents = pixel_unshuffle(latents.repeat(2, 1, 1, 1), self.options.fold)

        # Stratified noise levels, each pair of one low and one high.
        order = torch.arange(count).view(-1, 2).T.reshape(-1)
        order = torch.cat([order[: count // 2], order[count // 2 :].roll(count // 4)])
        steps = ((order + torch.rand(count)) / count * 1000).long().clamp(0, 999)
        signal = self.schedule.alphas_cumprod.float()[steps].view(-1, 1, 1, 1)
        noise = torch.randn_like(latents)
        noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
        goal = signal.sqrt() * noise - (1 - signal).sqrt() * latents

        # Weights, their averages and the optimiser stay in float32.
        with torch.autocast("cpu", self.precision, enabled=self.precision != torch.float32):
            states = self.text(input_ids=captions).last_hidden_state.repeat(2, 1, 1)
            velocity = self.unet(noisy, steps, states).sample
        error = (velocity.float() - goal).pow(2)
        # min-SNR(5), and a floor so that the step from pure noise, which sets the colours, counts.
        ratio = signal / (1 - signal).clamp(min=1e-6)
        weight = ratio.clamp(max=5) / (ratio + 1) + 0.35 / (1 + ratio)
        self.optimiser.zero_grad()
        (2 * (error * weight).mean()).backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for group in self.optimiser.param_groups:
            # A momentum without a past trusts each step more.
            group["lr"], group["momentum"] = self.rate(), 0.85 + 0.1 * self.warmth()
        self.optimiser.step()
        keep = min(config["ema"], (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.parameters, 1 - keep)
        self.step += 1
        return error.mean().item()

    def swap(self):
        """Exchange the trained and the averaged weights."""
        with torch.no_grad():
            for parameter, mean in zip(self.parameters, self.average):
                kept = parameter.detach().clone()
                parameter.copy_(mean)
                mean.copy_(kept)

    def draw_sheet(self):
        texts = (RECIPE / "prompts.txt").read_text().split("\n")[:-1]
        self.swap()
        pictures = paint(self.unet.eval(), self.text.eval(), self.vae, self.prompts, texts, steps=10)
        self.swap()
        self.unet.train()
        self.text.train()
        path = self.folder / f"sheets/{self.step:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        contact_sheet(to_array(pictures)).save(path)

    def go(self):
        options = self.options
        for _ in range(self.to_fill // 16):
            self.ring.add(16)
        saved = drawn = self.spent()
        errors = []
        while not self.stop:
            errors.append(self.train_step())
            done = options.decay and self.step - self.decay_start >= options.decay
            done = done or (options.max_cpu and self.spent() > options.max_cpu)
            if self.step % 20 == 0:
                row = {"step": self.step, "cpu_seconds": round(self.spent()), "rate": f"{self.rate():.2e}"}
                append_row(self.folder / "curve.csv", row | {"v_error": f"{np.mean(errors):.4f}"})
                errors.clear()
            if done or self.spent() - saved > options.save_every:
                self.save()
                saved = self.spent()
            if done or self.spent() - drawn > options.sheet_every:
                self.draw_sheet()
                drawn = self.spent()
            if done:
                return
        self.save()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--name", required=True)
    options.add_argument("--stage", type=Path, required=True)
    options.add_argument("--init", type=Path, help="diffusers folder whose U-Net and text encoder to start from")
    options.add_argument("--from-run", help="run whose state to start from")
    options.add_argument("--decay", type=int, default=0, help="steps over which the rate falls to zero")
    options.add_argument("--init-text", type=Path, help="diffusers folder whose text encoder alone to start from")
    options.add_argument("--fold", type=int, default=1, help="put this many latents square into one (a design compared)")
    options.add_argument("--channels", default="64,128,192")
    options.add_argument("--groups", type=int, default=32)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--max-cpu", type=float, default=0, help="CPU seconds after which to stop")
    options.add_argument("--save-every", type=float, default=300, help="CPU seconds")
    options.add_argument("--sheet-every", type=float, default=400, help="CPU seconds")
    given = options.parse_args()
    be_polite()
    torch.set_num_threads(given.threads)
    random.seed(given.seed)
    run = Run(given)
    signal.signal(signal.SIGTERM, lambda *_: setattr(run, "stop", True))
    run.go()


if __name__ == "__main__":
    main()
