"""Render the sprite bank: every concept in every style as a 128 px RGBA picture.

Reads the npm packages of package.json (installed in WORK/npm) and concepts.toml;
writes WORK/data/sprites.npz (pictures) and WORK/data/sprites.json (which is which).

    python sprites.py --work DIR
"""

import argparse
import io
import json
import tomllib
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

from common import PICTURE, RECIPE, be_polite

SVG_SETS = {"flat": "fluent-emoji-flat", "cartoon": "noto"}


class SvgSet:
    """One Iconify set, looked up by code point."""

    def __init__(self, folder):
        self.icons = json.loads((folder / "icons.json").read_text())
        self.chars = json.loads((folder / "chars.json").read_text())

    def picture(self, code, side=PICTURE):
        name = self.chars.get(code) or self.chars.get(code + "-fe0f")
        if name is None:
            return None
        icons = self.icons["icons"]
        icon = icons.get(name) or icons[self.icons["aliases"][name]["parent"]]
        width = icon.get("width", self.icons.get("width", 16))
        height = icon.get("height", self.icons.get("height", 16))
        view = f"{icon.get('left', 0)} {icon.get('top', 0)} {width} {height}"
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="{side}" height="{side}" viewBox="{view}">{icon["body"]}</svg>'
        )
        return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg))))


def soft_render(folder, code):
    """The 3D render of a code point, or None."""
    for name in (code, code + "-fe0f"):
        path = folder / f"{name}.webp"
        if path.exists():
            return Image.open(path)
    return None


def visible(picture):
    """Cropped to what can be seen."""
    picture = picture.convert("RGBA")
    rows, columns = np.where(np.asarray(picture)[..., 3] > 8)
    return picture.crop((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))


def fit(picture):
    """Crop to what is visible, scale the longer side to the full square, centre."""
    picture = visible(picture)
    scale = PICTURE / max(picture.size)
    size = [max(1, round(side * scale)) for side in picture.size]
    picture = picture.convert("RGBa").resize(size, Image.LANCZOS).convert("RGBA")
    square = Image.new("RGBA", (PICTURE, PICTURE), (0, 0, 0, 0))
    square.paste(picture, ((PICTURE - size[0]) // 2, (PICTURE - size[1]) // 2))
    return square


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--work", type=Path, required=True)
    work = options.parse_args().work
    be_polite()

    packages = work / "npm/node_modules"
    sets = {style: SvgSet(packages / "@iconify-json" / name) for style, name in SVG_SETS.items()}
    concepts = tomllib.loads((RECIPE / "concepts.toml").read_text())["concept"]

    pictures, entries = [], []
    for number, concept in enumerate(concepts):
        found = {"3d": soft_render(packages / "@lobehub/fluent-emoji-3d/assets", concept["code"])}
        for style, svg_set in sets.items():
            found[style] = svg_set.picture(concept["code"])
        for style, picture in found.items():
            if picture is None:
                print("missing", style, concept["en"][0])
                continue
            pictures.append(np.asarray(fit(picture)))
            entries.append({"concept": number, "style": style})

    (work / "data").mkdir(parents=True, exist_ok=True)
    np.savez_compressed(work / "data/sprites.npz", pictures=np.stack(pictures))
    (work / "data/sprites.json").write_text(json.dumps({"concepts": concepts, "sprites": entries}, ensure_ascii=False))
    print(len(concepts), "concepts,", len(entries), "sprites")


if __name__ == "__main__":
    main()
