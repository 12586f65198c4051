"""Measure an exported folder: does a picture show what was asked for?

Asks for the things of a tier once each, and for 500 combinations kept out of training (scene.py): colour x
thing, colour x thing x place, thing x place, two things, two or three of one. The judge (judge.py)
has never seen a painted picture. Everything is painted in English and in Chinese, seed 1000 and up, nothing picked.

R-precision: how often the picture's own caption fits it best among 100, the 99 others drawn from the same
500. Distance: Frechet distance of the judge's features to composed pictures of the same plans, and the
same between two composed sets, below which it can't fall.

    python measure.py --work DIR --model DIR/export/bozzetto --steps 20 > table.md
"""

import argparse
import random
import resource
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import torch

from backgrounds import COLOURS
from bozzetto import load_text_encoder, load_unet, load_vae, paint
from common import RECIPE, Prompts, be_polite, contact_sheet, to_array, to_tensor
from judge import UNKNOWN, answers, load_judge
from scene import PAINTS, PLACES, Plan, Scenes

STAGE = RECIPE / "stages/objects-4.toml"
KINDS = {"colour": 100, "colour and place": 100, "place": 50, "two things": 130, "count": 120}


class Questions:
    """Plans to ask for, and their captions."""

    def __init__(self, work):
        self.scenes = Scenes(work, tomllib.loads(STAGE.read_text())["scene"], seed=77)
        self.rng = random.Random(77)

    def _any(self, kind):
        rng, scenes = self.rng, self.scenes
        plan = Plan([rng.choice(scenes.pool)])
        if kind.startswith("colour"):
            plan.colour = rng.choice(list(PAINTS))
        if kind.endswith("place"):
            plan.ground = rng.choice(list(PLACES))
        else:
            plan.ground = rng.choice(["white", rng.choice(list(COLOURS))])
        if kind == "two things":
            plan.concepts.append(rng.choice([concept for concept in scenes.pool if concept != plan.concepts[0]]))
        if kind == "count":
            plan.count = rng.choice([2, 3])
        return plan

    def _asks_too_much(self, plan):
        """A colour that the thing cannot have, has anyway, or that vanishes on its ground."""
        if not plan.colour:
            return False
        can = self.scenes._sprite(plan.concepts[0], "3d", plan.colour)
        return not can or self.scenes.natural(plan) or plan.colour == plan.ground

    def held_out(self, kind, count):
        """Different plans of a kind, each with a combination training never showed."""
        plans = []
        while len(plans) < count:
            plan = self._any(kind)
            # For colour and place it is the colour that is new; the place may be new as well.
            newest = Plan(plan.concepts, colour=plan.colour, count=plan.count) if plan.colour else plan
            if newest.held_out(self.scenes.names) and not self._asks_too_much(plan) and plan not in plans:
                plans.append(plan)
        return plans

    def caption(self, plan, language):
        self.scenes.rng.seed(repr(plan))
        return self.scenes.captions(plan, 2)[language == "zh"]


def likelihoods(logits, plans):
    """Pictures x plans: the log-likelihood of each plan's five answers for each picture."""
    total = 0
    for question, scores in enumerate(logits):
        wanted = torch.tensor([answers(plan)[question] for plan in plans])
        total = total + scores.log_softmax(1)[:, wanted]
    return total


def r_precision(logits, plans, own):
    """Whether plan own[i] fits picture i best among 100 different ones."""
    table, rng, best = likelihoods(logits, plans), random.Random(3), []
    for row, index in enumerate(own):
        others = rng.sample([i for i in range(len(plans)) if plans[i] != plans[index]], 99)
        best.append(bool(table[row, index] > table[row, others].max()))
    return best


def frechet(ours, theirs):
    sets = [features.double() for features in (ours, theirs)]
    means, covariances = [f.mean(0) for f in sets], [torch.cov(f.T) for f in sets]
    values, vectors = torch.linalg.eigh(covariances[0])
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    middle = root @ covariances[1] @ root
    cross = torch.linalg.eigvalsh((middle + middle.T) / 2).clamp(min=0).sqrt().sum()
    return ((means[0] - means[1]).pow(2).sum() + sum(c.trace() for c in covariances) - 2 * cross).item()


class Painter:
    def __init__(self, folder, unet=None, guidance=3.5):
        self.unet, self.guidance = load_unet(unet or folder).float().eval(), guidance
        self.text = load_text_encoder(folder).float().eval()
        self.vae, self.prompts = load_vae(folder / "vae").float(), Prompts(folder / "tokenizer")

    def paint(self, texts, steps):
        painted = []
        for first in range(0, len(texts), 16):
            part = texts[first : first + 16]
            seeds = [1000 + first + i for i in range(len(part))]
            networks = self.unet, self.text, self.vae, self.prompts
            painted.append(paint(*networks, part, steps, self.guidance, seed=seeds))
        return torch.cat(painted)


@torch.no_grad()
def judged(judge, pictures):
    parts = [(judge.features(part), judge(part)) for part in pictures.split(64)]
    return torch.cat([part[0] for part in parts]), [torch.cat(heads) for heads in zip(*(part[1] for part in parts))]


def share(right):
    return f"{np.mean(right):.0%}" if len(right) else ""


def row_of(kind, plans, logits, best):
    """One row of the table: shares of the answers that were asked for."""
    truth = torch.tensor([answers(plan) for plan in plans])
    assert UNKNOWN not in truth
    left, right, layout, colour, ground = ((one.argmax(1) == t).numpy() for one, t in zip(logits, truth.T))
    said = np.array([plan.ground != "white" for plan in plans])
    cells = [share(best), share(left & right)]
    cells += [share(layout) if kind in ("two things", "count") else ""]
    cells += [share(colour) if "colour" in kind else "", share(ground[said])]
    return f"| {kind} | {len(plans)} | " + " | ".join(cells) + " |"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--model", type=Path, required=True)
    options.add_argument("--unet", type=Path, help="folder of another U-Net for the same words and latents")
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--guidance", type=float, default=3.5)
    options.add_argument("--languages", default="en,zh")
    options.add_argument("--part", type=int, default=1, help="paint every so-manieth of the 500, for a quick look")
    options.add_argument("--kinds", default=",".join(["a thing", *KINDS]), help="what to ask for")
    options.add_argument("--sheet", type=Path, help="a contact sheet of some of the pictures")
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    be_polite()
    torch.set_num_threads(given.threads)

    questions = Questions(given.work)
    judge, accuracy = load_judge(given.work)
    painter = Painter(given.model, given.unet, given.guidance)
    things = [Plan([concept]) for concept in questions.scenes.pool]
    asked = {kind: questions.held_out(kind, count) for kind, count in KINDS.items()}
    captions = [plan for plans in asked.values() for plan in plans]

    names = ["left", "right", "layout", "colour", "ground"]
    print("judge on 400 composed pictures:", ", ".join(f"{n} {a:.1%}" for n, a in zip(names, accuracy)))
    for language in given.languages.split(","):
        print(f"\n{language}, {given.steps} steps\n")
        print("| asked for | pictures | R-precision | things named | layout | colour | ground |")
        print("|---|---|---|---|---|---|---|")
        features, shown, start, count = [], [], time.process_time(), 0
        for kind in given.kinds.split(","):
            plans = {"a thing": things, **asked}[kind][:: given.part]
            pictures = painter.paint([questions.caption(plan, language) for plan in plans], given.steps)
            count += len(plans)
            seen, logits = judged(judge, pictures)
            pool = captions if kind != "a thing" else things + captions
            best = r_precision(logits, pool, [pool.index(plan) for plan in plans])
            print(row_of(kind, plans, logits, best), flush=True)
            if kind != "a thing":
                features.append(seen)
            shown += list(to_array(pictures[:16]))
        spent = (time.process_time() - start) / count
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        composed = []
        for _ in range(2):
            plans = [plan for kind in KINDS if kind in given.kinds.split(",") for plan in asked[kind][:: given.part]]
            renders = [questions.scenes.render(plan) for plan in plans]
            composed.append(judged(judge, to_tensor(renders))[0])
        distance, least = frechet(torch.cat(features), composed[0]), frechet(composed[1], composed[0])
        print(f"\ndistance {distance:.2f} (composed pictures among themselves {least:.2f});", end=" ")
        print(f"{spent:.2f} CPU-s a picture, {peak:.1f} GiB at most, PyTorch {given.threads} thread(s)")
        if given.sheet:
            contact_sheet(np.stack(shown), 16).save(given.sheet.with_stem(f"{given.sheet.stem}-{language}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
