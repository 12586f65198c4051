"""Lines of a picture, white on black: Canny's edges, and the same disturbed as a hand would draw them.

    python lines.py --work DIR      a sheet of pictures and their lines in DIR/out/lines.png
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

# Steps to the two neighbours along each of four directions of the gradient (right, down-right, down, down-left).
STEPS = [(0, 1), (1, 1), (1, 0), (1, -1)]


def blurred(pixels, sigma):
    """H,W[,C] float -> the same after a Gaussian, edges repeated."""
    reach = max(1, round(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        length = pixels.shape[axis]
        padding = [(reach, reach) if axis == a else (0, 0) for a in range(pixels.ndim)]
        padded = np.pad(pixels, padding, mode="edge")
        parts = (weight * np.take(padded, range(i, i + length), axis) for i, weight in enumerate(kernel))
        pixels = sum(parts)
    return pixels


def shifted(array, down, right):
    """array[y + down, x + right], zero outside."""
    moved = np.zeros_like(array)
    height, width = array.shape
    to = np.s_[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
    come = np.s_[max(0, down) : height - max(0, -down), max(0, right) : width - max(0, -right)]
    moved[to] = array[come]
    return moved


def widened(mask):
    """The mask and its eight neighbours."""
    for down, right in ((0, 1), (1, 0)):
        mask = mask | shifted(mask, down, right) | shifted(mask, -down, -right)
    return mask


def canny(picture, low=60.0, high=140.0, sigma=1.0):
    """RGB picture -> bool H,W: edges one pixel wide.

    They are where the gradient of the gray levels (0..255, blurred, Sobel) is the greatest across the edge and above
    `high`, or above `low` and joined to one that is.
    """
    gray = blurred(np.asarray(picture.convert("L"), dtype=np.float32), sigma)
    padded = np.pad(gray, 1, mode="edge")
    smooth_down = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    smooth_right = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    across, down = smooth_down[:, 2:] - smooth_down[:, :-2], smooth_right[2:] - smooth_right[:-2]
    strength = np.hypot(across, down)
    direction = np.round(np.arctan2(down, across) / (np.pi / 4)).astype(int) % 4
    greatest = np.zeros(strength.shape, bool)
    for number, (y, x) in enumerate(STEPS):
        peak = (strength >= shifted(strength, y, x)) & (strength > shifted(strength, -y, -x))
        greatest |= peak & (direction == number)
    weak, edges = greatest & (strength > low), greatest & (strength > high)
    while True:
        grown = widened(edges) & weak
        if (grown == edges).all():
            return edges
        edges = grown


def noise_field(rng, side, cells):
    """Smooth noise of about unit size: cells x cells random values, enlarged."""
    small = rng.standard_normal((cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(small, "F").resize((side, side), Image.BICUBIC))


def drawn(edges, rng):
    """Edges (bool H,W) as lines of a hand or of another detector: uint8 H,W, white on black.

    Wobbling, 1 to 4 px thick, with gaps, hard or soft.
    """
    side = edges.shape[0]
    if rng.random() < 0.4:
        edges = edges & (noise_field(rng, side, rng.integers(5, 12)) > rng.uniform(-2.5, -0.7))
    thickness = rng.choice([1, 1, 2, 3, 4])
    lines = edges
    if thickness >= 3:
        lines = widened(lines)
    if thickness in (2, 4):
        lines = lines | shifted(lines, 0, 1) | shifted(lines, 1, 0) | shifted(lines, 1, 1)
    lines = Image.fromarray((lines * 255).astype(np.uint8))
    if rng.random() < 0.6:
        wobble, cells = rng.uniform(0.5, 2.5), rng.integers(4, 14)
        y, x = np.mgrid[:side, :side].astype(np.float32)
        y, x = y + wobble * noise_field(rng, side, cells), x + wobble * noise_field(rng, side, cells)
        y, x = y.clip(0, side - 1.001), x.clip(0, side - 1.001)
        pixels, top, left = np.asarray(lines, dtype=np.float32), y.astype(int), x.astype(int)
        low, right = y - top, x - left
        upper = pixels[top, left] * (1 - right) + pixels[top, left + 1] * right
        lower = pixels[top + 1, left] * (1 - right) + pixels[top + 1, left + 1] * right
        mixed = upper * (1 - low) + lower * low
        return mixed.clip(0, 255).astype(np.uint8) if rng.random() < 0.5 else ((mixed > 110) * 255).astype(np.uint8)
    return np.asarray(lines)


def random_lines(picture, alone, rng):
    """Lines for training: of the whole picture, or of the things alone, as a person would draw them."""
    source = picture if rng.random() < 0.5 else alone
    high, edges = float(np.exp(rng.uniform(np.log(60), np.log(260)))), np.zeros(0, bool)
    while edges.sum() < 100 and high > 15:
        edges = canny(source, high * rng.uniform(0.3, 0.6), high, rng.uniform(0.7, 1.8))
        high /= 2
    return drawn(edges, rng)


def main():
    import tomllib

    from common import RECIPE, contact_sheet
    from scene import Scenes

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", type=Path, required=True)
    given = options.parse_args()
    stage = tomllib.loads((RECIPE / "stages/controlnet.toml").read_text())
    scenes, rng, shown = Scenes(given.work, stage["scene"], seed=3), np.random.default_rng(3), []
    for _ in range(16):
        alone = Image.new("RGB", (128, 128), (255, 255, 255))
        picture = scenes.render(scenes.plan(), alone)
        lines = (canny(picture) * np.uint8(255), random_lines(picture, alone, rng), random_lines(picture, alone, rng))
        shown += [np.asarray(picture), *(np.stack([one] * 3, axis=-1) for one in lines)]
    (given.work / "out").mkdir(exist_ok=True)
    contact_sheet(np.stack(shown), 8).save(given.work / "out/lines.png")


if __name__ == "__main__":
    main()
