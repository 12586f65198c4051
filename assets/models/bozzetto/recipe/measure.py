"""Measure an exported folder: does a picture show what was asked for, in the colour asked for?

The judge is a small convolutional classifier trained only on composed pictures (other
seeds, positions, sizes and backgrounds than the U-Net saw; never on a painted picture), kept in
WORK/runs/judge. It says for a painted picture which of the concepts it shows; the colour of the
background is read off the picture's border.

    python measure.py judge --work DIR --max-cpu 300       train the judge, report its own accuracy
    python measure.py paint --work DIR --model DIR/export/bozzetto --pictures 64 --steps 20
"""

import argparse
import json
import random
import time
import tomllib
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate

from bozzetto import load_text_encoder, load_unet, load_vae, paint
from common import RECIPE, Prompts, append_row, be_polite, cpu_seconds, save_atomically, to_array, to_tensor
from scene import COLOURS, Scenes, with_article

STAGE = RECIPE / "stages/judge.toml"


def new_judge(classes):
    layers, width = [], 3
    for wider in (16, 32, 64, 128):
        layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU()]
        width = wider
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(4 * width, classes))


def look(judge, pictures):
    """The judge sees 64 px: what a thing is shows at that size."""
    return judge(interpolate(pictures, size=64, mode="area"))


def labelled(scenes, count):
    drawn = [scenes.draw(captions=0, labels=True) for _ in range(count)]
    return to_tensor([picture for picture, _ in drawn]), torch.tensor([concept for _, concept in drawn])


def train_judge(given):
    """Adam on composed pictures with noise and blur, so that texture decides nothing."""
    stage = tomllib.loads(STAGE.read_text())
    scenes, held_out = Scenes(given.work, stage["scene"], seed=11), Scenes(given.work, stage["scene"], seed=12)
    judge = new_judge(len(scenes.concepts))
    optimiser = torch.optim.AdamW(judge.parameters(), lr=3e-3)
    folder, step, start = given.work / "runs/judge", 0, cpu_seconds()
    pool, answers = labelled(scenes, 256)
    while cpu_seconds() - start < given.max_cpu:
        done = (cpu_seconds() - start) / given.max_cpu
        optimiser.param_groups[0]["lr"] = 3e-3 * max(0.02, 1 - done)
        fresh, fresh_answers = labelled(scenes, 12)
        pool, answers = torch.cat([pool, fresh])[-4000:], torch.cat([answers, fresh_answers])[-4000:]
        rows = torch.randint(len(pool), (48,))
        seen = pool[rows]
        if random.random() < 0.5:
            small = interpolate(seen, scale_factor=random.choice([0.25, 0.5]), mode="area")
            seen = interpolate(small, size=128, mode="bilinear")
        seen = seen + 0.2 * torch.rand(len(seen), 1, 1, 1) * torch.randn_like(seen)
        loss = cross_entropy(look(judge, seen), answers[rows], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        if step % 50 == 0:
            row = {"step": step, "cpu_seconds": round(cpu_seconds() - start), "loss": f"{loss.item():.3f}"}
            append_row(folder / "curve.csv", row)
    judge.eval()
    pictures, truth = labelled(held_out, 400)
    with torch.no_grad():
        right = (look(judge, pictures).argmax(1) == truth).float().mean().item()
    trained = {"judge": judge.state_dict(), "classes": len(scenes.concepts), "accuracy": right}
    save_atomically(folder / "judge.pt", trained)
    print(f"judge: {right:.1%} of 400 held-out composed pictures")


def nearest_colour(picture):
    """The colour word nearest to the median of the picture's border."""
    sides = [picture[:6], picture[:, :6], picture[:, -6:]]
    median = np.median(np.concatenate([side.reshape(-1, 3) for side in sides]), axis=0)
    return min(COLOURS, key=lambda name: np.abs(median - COLOURS[name][2]).sum())


def paint_and_judge(given):
    state = torch.load(given.work / "runs/judge/judge.pt", weights_only=False)
    judge = new_judge(state["classes"])
    judge.load_state_dict(state["judge"])
    judge.eval()
    unet = load_unet(given.model).float().eval()
    text = load_text_encoder(given.model).float().eval()
    vae, prompts = load_vae(given.model / "vae").float(), Prompts(given.model / "tokenizer")
    concepts = json.loads((given.work / "data/sprites.json").read_text())["concepts"]
    pool = [number for number, concept in enumerate(concepts) if concept["tier"] <= given.tier]

    rng = random.Random(5)
    colours = [name for name in COLOURS if name != "white"]
    for kind in given.rows.split(","):
        asked = [pool[i % len(pool)] for i in range(given.pictures)]
        wanted, texts = [rng.choice(colours) for _ in asked], []
        for concept, colour in zip(asked, wanted):
            name = concepts[concept][kind[:2]][0]
            prompt = with_article(name) if kind[:2] == "en" else name
            if "colour" in kind:
                english = kind[:2] == "en"
                prompt = f"{prompt} on a {colour} background" if english else f"{COLOURS[colour][0]}背景上的{prompt}"
            texts.append(prompt)
        shown, backgrounds, start = [], [], time.process_time()
        for first in range(0, len(texts), 16):
            part = texts[first : first + 16]
            seeds = list(range(100 + first, 100 + first + len(part)))
            painted = paint(unet, text, vae, prompts, part, given.steps, seed=seeds)
            with torch.no_grad():
                shown += look(judge, painted).argsort(1, descending=True).tolist()
            backgrounds += [nearest_colour(picture) for picture in to_array(painted)]
        row = {"object": np.mean([ranks[0] == concept for ranks, concept in zip(shown, asked)])}
        row["object among 3"] = np.mean([concept in ranks[:3] for ranks, concept in zip(shown, asked)])
        if "colour" in kind:
            row["background colour"] = np.mean([seen == colour for seen, colour in zip(backgrounds, wanted)])
        row["CPU-s a picture"] = (time.process_time() - start) / len(texts)
        missed = sorted({concepts[c]["en"][0] for ranks, c in zip(shown, asked) if ranks[0] != c})
        print(f"{kind}: " + ", ".join(f"{name} {value:.2f}" for name, value in row.items()))
        print("   not named at least once:", ", ".join(missed) or "none", flush=True)
    print(f"{given.pictures} pictures a row, {given.steps} steps, judge {state['accuracy']:.1%} on composed pictures")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("task", choices=["judge", "paint"])
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--max-cpu", type=float, default=300)
    options.add_argument("--model", type=Path)
    options.add_argument("--tier", type=int, default=3, help="measure the concepts up to this tier")
    options.add_argument("--pictures", type=int, default=64, help="per row of the table")
    options.add_argument("--rows", default="en,zh,en on a colour,zh on a colour")
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    be_polite()
    torch.manual_seed(0)
    torch.set_num_threads(given.threads)
    (train_judge if given.task == "judge" else paint_and_judge)(given)


if __name__ == "__main__":
    main()
