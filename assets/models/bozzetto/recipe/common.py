"""Things every stage needs: polite CPU use, CPU time, atomic files, prompts to token ids."""

import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

RECIPE = Path(__file__).resolve().parent
PICTURE = 128
TOKENS = 32


def be_polite():
    """Yield to everything else on the machine.

    The kernel shares the processor between login sessions before it looks at niceness, so a
    program started with `setsid` lowers its whole session too.
    """
    os.nice(19 - os.nice(0))
    if os.getsid(0) == os.getpid():
        try:
            Path("/proc/self/autogroup").write_text("19")
        except OSError:
            pass


def cpu_seconds():
    """CPU time this process has used; on a shared machine the only fair clock."""
    return time.process_time()


def save_atomically(path, value):
    """Write a torch file aside and rename it, so that a crash never leaves half a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".writing")
    torch.save(value, aside)
    os.replace(aside, path)


def append_row(path, row):
    """Append one row to a CSV of curves; the first row brings the header."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a") as file:
        if new:
            file.write(",".join(row) + "\n")
        file.write(",".join(str(value) for value in row.values()) + "\n")


def to_tensor(pictures):
    """PIL pictures -> float tensor N,3,H,W in [-1, 1]."""
    stacked = np.stack([np.asarray(picture) for picture in pictures])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_array(pictures):
    """Float tensor N,3,H,W in [-1, 1] -> uint8 array N,H,W,3."""
    clipped = pictures.clamp(-1, 1).permute(0, 2, 3, 1)
    return ((clipped + 1) * 127.5).round().byte().numpy()


def contact_sheet(pictures, columns=8, gap=4):
    """uint8 array N,H,W,3 -> one PIL picture with the cells in reading order."""
    from PIL import Image

    count, height, width, _ = pictures.shape
    rows = (count + columns - 1) // columns
    sheet = Image.new("RGB", (columns * (width + gap), rows * (height + gap)), (128, 128, 128))
    for index, picture in enumerate(pictures):
        corner = (index % columns * (width + gap) + gap // 2, index // columns * (height + gap) + gap // 2)
        sheet.paste(Image.fromarray(picture), corner)
    return sheet


class Prompts:
    """Prompts to ids through tokenizer.json, which puts every Han character in a word of its own."""

    def __init__(self, folder):
        folder = Path(folder)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.size = len(json.loads((folder / "vocab.json").read_text()))
        self.begin, self.end = self.size - 2, self.size - 1

    def ids(self, text):
        ids = self.tokenizer.encode(text).ids
        if not ids or ids[0] != self.begin:
            ids = [self.begin] + ids + [self.end]
        ids = ids[:TOKENS]
        ids[-1] = self.end
        return ids + [self.end] * (TOKENS - len(ids))

    def batch(self, texts):
        return torch.tensor([self.ids(text) for text in texts])
