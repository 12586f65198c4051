"""The judge: a small convolutional classifier that says what a picture shows.

It is trained on composed pictures only (other seeds, positions and sizes than the U-Net saw, and
every combination of words, never on a painted picture), and kept in WORK/runs/judge. It answers five questions: which
thing is on the left and which on the right (the same for one thing in the middle), how they are laid
out, in which colour the thing is painted, and on what it stands. A caption fits a picture as well as
its five answers are likely.

    python judge.py --work DIR --max-cpu 400       goes on where it stopped; reports its own accuracy
"""

import argparse
import random
import signal
import tomllib
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate

from backgrounds import COLOURS
from common import RECIPE, append_row, be_polite, cpu_seconds, save_atomically, to_tensor
from scene import PAINTS, PLACES, Scenes

STAGE = RECIPE / "stages/judge.toml"
GROUNDS = [*COLOURS, *PLACES]
LAYOUTS = ["one", "pair", "two", "three"]
PAINTED = [None, *PAINTS]
SIDE = 64  # pixels the judge sees: what a thing is shows at that size
UNKNOWN = -100


class Judge(nn.Module):
    """N,3,128,128 in [-1, 1] -> the logits of the five answers; `features` are what they are read from."""

    def __init__(self, concepts):
        super().__init__()
        layers, width = [], 3
        for wider, stride in ((32, 2), (64, 2), (96, 1), (128, 2), (160, 2)):
            layers += [nn.Conv2d(width, wider, 3, stride, 1, bias=False), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.1), nn.Linear(width * 16, 192), nn.ReLU())
        sizes = [concepts, concepts, len(LAYOUTS), len(PAINTED), len(GROUNDS)]
        self.heads = nn.ModuleList(nn.Linear(192, size) for size in sizes)

    def features(self, pictures):
        return self.trunk(interpolate(pictures, size=SIDE, mode="area"))

    def forward(self, pictures):
        features = self.features(pictures)
        return [head(features) for head in self.heads]


def answers(plan, natural=False):
    """The five right answers; the colour is unknown where it is said of a thing that has it anyway."""
    if len(plan.concepts) == 2:
        layout = "pair"
    else:
        layout = ["one", "two", "three"][plan.count - 1]
    colour = UNKNOWN if natural else PAINTED.index(plan.colour)
    return [plan.concepts[0], plan.concepts[-1], LAYOUTS.index(layout), colour, GROUNDS.index(plan.ground)]


def labelled(scenes, count):
    drawn = [scenes.draw(labels=True) for _ in range(count)]
    pictures = interpolate(to_tensor([picture for picture, _ in drawn]), size=SIDE, mode="area")
    return pictures, torch.tensor([answers(plan, scenes.natural(plan)) for _, plan in drawn])


def load_judge(work):
    """The judge and its accuracy on composed pictures, question by question."""
    state = torch.load(work / "runs/judge/state.pt", weights_only=False)
    judge = Judge(state["concepts"])
    judge.load_state_dict(state["judge"])
    return judge.eval(), state["accuracy"]


@torch.no_grad()
def accuracy(judge, pictures, truth):
    judge.eval()
    right = [logits.argmax(1) == row for logits, row in zip(judge(pictures), truth.T)]
    known = [row != UNKNOWN for row in truth.T]
    judge.train()
    return [one[ok].float().mean().item() for one, ok in zip(right, known)]


def disturbed(pictures):
    """Blur and noise, so that texture decides nothing."""
    if random.random() < 0.5:
        small = interpolate(pictures, scale_factor=random.choice([0.375, 0.5, 0.75]), mode="area")
        pictures = interpolate(small, size=SIDE, mode="bilinear")
    return pictures + 0.2 * torch.rand(len(pictures), 1, 1, 1) * torch.randn_like(pictures)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--max-cpu", type=float, default=400, help="CPU seconds of the whole run")
    options.add_argument("--save-every", type=float, default=60, help="CPU seconds")
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    be_polite()
    torch.manual_seed(0)
    torch.set_num_threads(given.threads)

    stage = tomllib.loads(STAGE.read_text())
    config, folder = stage["train"], given.work / "runs/judge"
    step, before, stops = 0, 0.0, 0
    state = None
    if (folder / "state.pt").exists():
        state = torch.load(folder / "state.pt", weights_only=False)
        step, before, stops = state["step"], state["cpu"], state["stops"] + 1
    scenes = Scenes(given.work, stage["scene"], seed=11 + 1000 * stops)
    check = labelled(Scenes(given.work, stage["scene"], seed=12), 400)
    judge = Judge(len(scenes.concepts))
    optimiser = torch.optim.AdamW(judge.parameters(), lr=config["rate"], weight_decay=0.02)
    if state:
        judge.load_state_dict(state["judge"])
        optimiser.load_state_dict(state["optimiser"])
    clock = cpu_seconds()

    def spent():
        return before + cpu_seconds() - clock

    def save():
        right = accuracy(judge, *check)
        kept = {"judge": judge.state_dict(), "optimiser": optimiser.state_dict(), "concepts": len(scenes.concepts)}
        kept |= {"step": step, "cpu": spent(), "stops": stops, "accuracy": right}
        save_atomically(folder / "state.pt", kept)
        names = ["left", "right", "layout", "colour", "ground"]
        row = {"step": step, "cpu_seconds": round(spent())}
        append_row(folder / "curve.csv", row | {name: f"{value:.3f}" for name, value in zip(names, right)})

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    pool, truth = labelled(scenes, config["fill"])
    saved = spent()
    while not stop and spent() < given.max_cpu:
        optimiser.param_groups[0]["lr"] = config["rate"] * max(0.01, 1 - spent() / given.max_cpu)
        fresh, fresh_truth = labelled(scenes, config["fresh"])
        pool = torch.cat([pool, fresh])[-config["kept"] :]
        truth = torch.cat([truth, fresh_truth])[-config["kept"] :]
        rows = torch.randint(len(pool), (config["batch"],))
        logits = judge(disturbed(pool[rows]))
        loss = sum(cross_entropy(one, right) for one, right in zip(logits, truth[rows].T))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        if spent() - saved > given.save_every:
            save()
            saved = spent()
    save()
    print((folder / "curve.csv").read_text().splitlines()[-1])


if __name__ == "__main__":
    main()
