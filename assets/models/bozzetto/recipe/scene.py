"""Compose training pictures with their captions: sprites over backgrounds.

A `Scenes` object draws endless (picture, captions) pairs from the sprite bank; what it may draw
(tiers, styles, backgrounds, jitter, several objects) comes from the [scene] table of a stage.

    python scene.py --work DIR --stage stages/objects.toml     a contact sheet in DIR/out/scenes.png
"""

import argparse
import json
import random
import tomllib
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from backgrounds import COLOURS, Backgrounds
from common import contact_sheet

# What an object can be turned to: hue, factor on saturation, and the range its brightness is mapped
# to (None keeps it).
PAINTS = {
    "red": (0.99, 1.0, None),
    "orange": (0.08, 1.0, None),
    "yellow": (0.14, 1.0, None),
    "green": (0.36, 1.0, None),
    "blue": (0.60, 1.0, None),
    "purple": (0.76, 1.0, None),
    "pink": (0.92, 0.6, None),
    "brown": (0.06, 0.75, (95, 165)),
    "black": (0.65, 0.2, (20, 95)),
    "white": (0.65, 0.06, (200, 255)),
}
STYLES = {
    "3d": (["3d style", "3d", "3d render"], ["3D风格", "3D", "立体风格"]),
    "flat": (["flat style", "flat", "flat icon"], ["扁平风格", "扁平", "扁平图标"]),
    "cartoon": (["cartoon style", "cartoon"], ["卡通风格", "卡通"]),
}
PLACES = {
    "grass": (["on the grass", "on a meadow", "in a green field"], ["草地上的{}", "{}在草地上", "草原上的{}"]),
    "night": (["in the night sky", "at night", "in space"], ["夜空中的{}", "{}在夜晚", "星空下的{}"]),
    "sunset": (["at sunset", "in front of a sunset"], ["夕阳下的{}", "{}，日落"]),
    "water": (["under water", "in the sea"], ["水下的{}", "海里的{}"]),
    "beach": (["on the beach", "at the beach"], ["沙滩上的{}", "海滩上的{}"]),
    "snow": (["in the snow", "in winter"], ["雪地里的{}", "冬天的{}"]),
    "sky": (["in the sky", "in the blue sky with clouds"], ["天空中的{}", "蓝天白云下的{}"]),
}
COLOUR_BACKGROUND_EN = ["{} on a {} background", "{}, {} background", "{} on {} background"]
COLOUR_BACKGROUND_ZH = ["{1}背景上的{0}", "{0}，{1}背景", "{1}背景的{0}"]


def circle_distance(hues, hue):
    return np.abs((hues - hue + 0.5) % 1 - 0.5)


def recolour(sprite, colour):
    """The sprite with its dominant hue turned to `colour`, or None where no hue dominates.

    A hue dominates where two pixels in five are vivid and near it, and more than half of the vivid ones.
    A sprite that has the colour already comes back as it is.
    """
    pixels, alpha = np.asarray(sprite.convert("RGB")), np.asarray(sprite)[..., 3]
    hsv = np.asarray(sprite.convert("RGB").convert("HSV")).astype(float)
    hues, shown = hsv[..., 0] / 256, alpha > 128
    vivid = shown & (hsv[..., 1] > 90) & (hsv[..., 2] > 60)
    if not vivid.any():
        return None
    shares = [(circle_distance(hues[vivid], centre / 32) < 0.09).mean() for centre in range(32)]
    if max(shares) < 0.55 or max(shares) * vivid.sum() < 0.4 * shown.sum():
        return None
    hue = np.argmax(shares) / 32
    main = vivid & (circle_distance(hues, hue) < 0.09)
    hue = np.angle(np.exp(2j * np.pi * hues[main]).mean()) / (2 * np.pi) % 1
    goal, saturation, brightness = PAINTS[colour]
    if brightness is None and saturation == 1 and circle_distance(hue, goal) < 0.025:
        return sprite
    value = hsv[..., 2]
    if brightness:
        light = pixels @ (0.3, 0.59, 0.11)
        low, high = np.percentile(light[main], (3, 97))
        value = np.interp(light, (low, max(high, low + 40)), brightness)
    turned = np.stack([(hsv[..., 0] + (goal - hue) * 256) % 256, hsv[..., 1] * saturation, value], axis=-1)
    turned = np.asarray(Image.fromarray(turned.clip(0, 255).astype(np.uint8), "HSV").convert("RGB"))
    # Other hues and grays stay; between them and what is turned the change is gradual.
    part = ((0.17 - circle_distance(hues, hue)) / 0.04).clip(0, 1) * ((hsv[..., 1] - 40) / 50).clip(0, 1)
    mixed = pixels + (turned.astype(float) - pixels) * part[..., None]
    picture = Image.fromarray(mixed.clip(0, 255).astype(np.uint8))
    picture.putalpha(Image.fromarray(alpha))
    return picture


def with_article(name):
    return ("an " if name[0] in "aeiou" else "a ") + name


def plural(name):
    if name.endswith(("fish", "cherries", "grapes", "books")):
        return name
    if name.endswith("y"):
        return name[:-1] + "ies"
    return name + ("es" if name.endswith(("s", "x", "tomato")) else "s")


def left_out(combination):
    """One in six, chosen by a checksum of its words."""
    return zlib.crc32(combination.encode()) % 6 == 0


@dataclass
class Plan:
    """What one picture shows: numbers of concepts from left to right, the colour they are painted in, how many."""

    concepts: list
    style: str = "3d"
    ground: str = "white"
    colour: str | None = None
    count: int = 1

    def combinations(self, names):
        """The combinations of words in it that a training set can lack."""
        first = names[self.concepts[0]]
        if len(self.concepts) > 1:
            yield "pair of " + " and ".join(sorted(names[concept] for concept in self.concepts))
        elif self.colour:
            yield f"{self.colour} {first}"
        # Of two and three of a thing never both: its plural is a word of its own.
        if self.count == 2 or self.count == 3 and not left_out(f"2 {first}"):
            yield f"{self.count} {first}"
        if self.ground in PLACES:
            yield from (f"{names[concept]} on {self.ground}" for concept in self.concepts)

    def held_out(self, names):
        """Whether one of its combinations is kept out of training."""
        return any(map(left_out, self.combinations(names)))


class Scenes:
    """Draws (picture, captions) pairs as one stage wants them.

    With `held_out` it draws only what training may show (False) or only what it may not (True).
    """

    def __init__(self, work, config, seed, held_out=None):
        bank = json.loads((Path(work) / "data/sprites.json").read_text())
        self.pictures = np.load(Path(work) / "data/sprites.npz")["pictures"]
        self.concepts = bank["concepts"]
        self.names = [concept["en"][0] for concept in self.concepts]
        self.where = {(entry["concept"], entry["style"]): row for row, entry in enumerate(bank["sprites"])}
        self.sprites = {}
        self.config = config
        self.held_out = held_out
        self.rng = random.Random(seed)
        self.backgrounds = Backgrounds(self.rng)
        self.pool = [i for i, concept in enumerate(self.concepts) if concept["tier"] <= config["tier"]]

    def draw(self, captions=4, labels=False):
        """One picture and its captions, English and Chinese (or its plan)."""
        plan = self.plan()
        picture = self.render(plan)
        return picture, plan if labels else self.captions(plan, captions)

    def plan(self):
        """What the next picture shows; a colour only where the thing can be turned to it and does not vanish."""
        while True:
            plan = self._any_plan()
            if self.held_out is None or plan.held_out(self.names) == self.held_out:
                return plan

    def _any_plan(self):
        rng, config = self.rng, self.config
        layout = self._choose(config["layouts"])
        ground = self._choose(config["backgrounds"])
        if ground == "colour":
            ground = rng.choice(list(COLOURS))
        elif ground == "place":
            ground = rng.choice(list(PLACES))
        plan = Plan([rng.choice(self.pool)], self._choose(config["styles"]), ground)
        if layout == "two":
            others = [concept for concept in self.pool if concept != plan.concepts[0]]
            plan.concepts.append(rng.choice(others))
        elif layout == "several":
            plan.count = rng.choice([2, 2, 3])
        elif rng.random() < config["recolour"]:
            colour = rng.choice(list(PAINTS))
            if colour != ground and self._sprite(plan.concepts[0], plan.style, colour):
                plan.colour = colour
        return plan

    def render(self, plan, alone=None):
        """The picture; the things are pasted on the picture `alone` as well, at the same places."""
        rng, config = self.rng, self.config
        picture = self.backgrounds.draw(plan.ground)
        spread = config["jitter"]
        sprites = [self._sprite(concept, plan.style, plan.colour) for concept in plan.concepts]
        if len(sprites) == 2:
            centres, sizes = [(33, 66), (95, 66)], config.get("size_of_two", [54, 64])
        elif plan.count == 2:
            centres, sizes = [(33, 66), (95, 66)], config.get("size_of_several", [46, 58])
        elif plan.count == 3:
            centres, sizes = [(33, 36), (95, 36), (64, 94)], config.get("size_of_several", [46, 58])
        else:
            centres, sizes = [(64, 64)], config["size_in_place"] if plan.ground in PLACES else config["size"]
        size = rng.uniform(*sizes)
        for number, centre in enumerate(centres):
            self._paste([picture, alone], sprites[number % len(sprites)], centre, size, spread)
        return picture

    def natural(self, plan):
        """Whether the colour said of a thing is the one it has anyway."""
        turned = plan.colour and self._sprite(plan.concepts[0], plan.style, plan.colour)
        return turned is self._sprite(plan.concepts[0], plan.style)

    def captions(self, plan, count):
        """English and Chinese in turn; of counts three in four are English, whose plurals are words of their own."""
        texts = [self._english, self._chinese, self._english, self._english if plan.count > 1 else self._chinese]
        parts = plan.concepts, plan.style, plan.ground, plan.colour, plan.count
        return [texts[i % 4](*parts) for i in range(count)]

    def _choose(self, weights):
        return self.rng.choices(list(weights), list(weights.values()))[0]

    def _sprite(self, concept, style, colour=None):
        """A sprite, turned to a colour if one is given (None where it can't be)."""
        key = concept, style, colour
        if key not in self.sprites:
            row = self.where.get((concept, style), self.where.get((concept, "3d")))
            sprite = Image.fromarray(self.pictures[row])
            self.sprites[key] = recolour(sprite, colour) if colour else sprite
        return self.sprites[key]

    def _paste(self, pictures, sprite, centre, size, spread):
        size = round(size)
        small = sprite.convert("RGBa").resize((size, size), Image.BICUBIC, reducing_gap=2.0).convert("RGBA")
        corner = tuple(round(axis + self.rng.uniform(-spread, spread) - size / 2) for axis in centre)
        for picture in filter(None, pictures):
            picture.paste(small, corner, small)

    def _name(self, concept, language):
        names = self.concepts[concept][language]
        return names[0] if self.rng.random() < 0.6 else self.rng.choice(names)

    def _english(self, concepts, style, ground, colour, count):
        rng = self.rng
        names = [self._name(concept, "en") for concept in concepts]
        if colour:
            plain = [word for word in names[0].split() if word not in PAINTS]
            names[0] = colour + " " + " ".join(plain)
        if count > 1:
            name = names[0]
            text = {2: "two ", 3: "three "}[count] + plural(name)
        else:
            if rng.random() < 0.5:
                names = [with_article(name) for name in names]
            text = rng.choice([" and ", " next to "]).join(names)
        if ground in COLOURS and not (ground == "white" and rng.random() < 0.8):
            text = rng.choice(COLOUR_BACKGROUND_EN).format(text, ground)
        elif ground in PLACES:
            text += " " + rng.choice(PLACES[ground][0])
        if rng.random() < self._style_word_rate(style):
            word = rng.choice(STYLES[style][0])
            text = f"{word} {text}" if rng.random() < 0.25 else f"{text}, {word}"
        return text

    def _chinese(self, concepts, style, ground, colour, count):
        rng = self.rng
        names = [self._name(concept, "zh") for concept in concepts]
        if colour:
            plain = names[0].removeprefix("红")
            plain = plain.removeprefix("色").removeprefix("的")
            names[0] = rng.choice([COLOURS[colour][0] + "的", COLOURS[colour][0], COLOURS[colour][1]]) + plain
        text = rng.choice(["和", "与", "旁边是"]).join(names)
        if count > 1:
            text = {2: "两个", 3: "三个"}[count] + text
        elif len(names) == 1 and rng.random() < 0.2:
            text = "一个" + text
        if ground in COLOURS and not (ground == "white" and rng.random() < 0.8):
            text = rng.choice(COLOUR_BACKGROUND_ZH).format(text, COLOURS[ground][0])
        elif ground in PLACES:
            text = rng.choice(PLACES[ground][1]).format(text)
        if rng.random() < self._style_word_rate(style):
            word = rng.choice(STYLES[style][1])
            text = f"{word}的{text}" if rng.random() < 0.25 else f"{text}，{word}"
        return text

    def _style_word_rate(self, style):
        return 0.15 if style == "3d" else 0.95


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--stage", type=Path, required=True)
    given = options.parse_args()
    scenes = Scenes(given.work, tomllib.loads(given.stage.read_text())["scene"], seed=0)
    drawn = [scenes.draw() for _ in range(32)]
    for _, captions in drawn:
        print(captions)
    (given.work / "out").mkdir(exist_ok=True)
    contact_sheet(np.stack([np.asarray(picture) for picture, _ in drawn])).save(given.work / "out/scenes.png")


if __name__ == "__main__":
    main()
