"""Compose training pictures with their captions: sprites over backgrounds.

A `Scenes` object draws endless (picture, captions) pairs from the sprite bank; what it may draw
(tiers, styles, backgrounds, jitter, several objects) comes from the [scene] table of a stage.

    python scene.py --work DIR --stage stages/objects.toml     a contact sheet in DIR/out/scenes.png
"""

import argparse
import colorsys
import json
import random
import tomllib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from common import PICTURE, contact_sheet

# English word -> (Chinese word, short Chinese word, RGB)
COLOURS = {
    "red": ("红色", "红", (226, 48, 52)),
    "orange": ("橙色", "橙", (245, 140, 40)),
    "yellow": ("黄色", "黄", (250, 212, 60)),
    "green": ("绿色", "绿", (64, 170, 80)),
    "blue": ("蓝色", "蓝", (52, 112, 220)),
    "light blue": ("浅蓝色", "浅蓝", (150, 205, 245)),
    "purple": ("紫色", "紫", (140, 80, 200)),
    "pink": ("粉色", "粉", (248, 160, 195)),
    "brown": ("棕色", "棕", (140, 95, 60)),
    "gray": ("灰色", "灰", (150, 152, 158)),
    "black": ("黑色", "黑", (24, 24, 28)),
    "white": ("白色", "白", (255, 255, 255)),
}
# The hues an object can be turned to.
HUES = {"red": 0.99, "orange": 0.08, "yellow": 0.14, "green": 0.36, "blue": 0.60, "purple": 0.76, "pink": 0.92}
STYLES = {
    "3d": (["3d style", "3d", "3d render"], ["3D风格", "3D", "立体风格"]),
    "flat": (["flat style", "flat", "flat icon"], ["扁平风格", "扁平", "扁平图标"]),
    "cartoon": (["cartoon style", "cartoon"], ["卡通风格", "卡通"]),
}
PLACES = {
    "grass": (["on the grass", "on a meadow", "in a green field"], ["草地上的{}", "{}在草地上", "草原上的{}"]),
    "night": (["in the night sky", "at night", "in space with stars"], ["夜空中的{}", "{}在夜晚", "星空下的{}"]),
    "sunset": (["at sunset", "in front of a sunset"], ["夕阳下的{}", "{}，日落"]),
    "water": (["under water", "in the sea"], ["水下的{}", "海里的{}"]),
    "beach": (["on the beach", "at the beach"], ["沙滩上的{}", "海滩上的{}"]),
    "snow": (["in the snow", "in winter"], ["雪地里的{}", "冬天的{}"]),
    "sky": (["in the sky", "in the blue sky with clouds"], ["天空中的{}", "蓝天白云下的{}"]),
}
COLOUR_BACKGROUND_EN = ["{} on a {} background", "{}, {} background", "{} on {} background"]
COLOUR_BACKGROUND_ZH = ["{1}背景上的{0}", "{0}，{1}背景", "{1}背景的{0}"]


def gradient(top, bottom, height=PICTURE):
    mix = np.linspace(0, 1, height)[:, None, None]
    return (np.array(top) * (1 - mix) + np.array(bottom) * mix) * np.ones((1, PICTURE, 1))


def to_picture(pixels):
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


class Backgrounds:
    """Plain colours, pastel gradients and seven simple places."""

    def __init__(self, rng):
        self.rng = rng

    def draw(self, kind):
        if kind in COLOURS:
            colour = COLOURS[kind][2]
            return Image.new("RGB", (PICTURE, PICTURE), colour if kind == "white" else self._near(colour, 5))
        return getattr(self, "_" + kind)()

    def _near(self, colour, spread=10):
        return tuple(int(np.clip(part + self.rng.uniform(-spread, spread), 0, 255)) for part in colour)

    def _land(self, sky_top, sky_bottom, ground_top, ground_bottom):
        self.horizon = self.rng.randint(66, 84)
        pixels = np.zeros((PICTURE, PICTURE, 3))
        pixels[: self.horizon] = gradient(self._near(sky_top), self._near(sky_bottom), self.horizon)
        pixels[self.horizon :] = gradient(self._near(ground_top), self._near(ground_bottom), PICTURE - self.horizon)
        return to_picture(pixels)

    def _clouds(self, picture, count):
        pen = ImageDraw.Draw(picture)
        for _ in range(count):
            x, y, width = self.rng.uniform(0, PICTURE), self.rng.uniform(6, 46), self.rng.uniform(9, 16)
            for puff in range(4):
                centre = x + (puff - 1.5) * width * 0.7
                radius = width * (0.75 if puff in (1, 2) else 0.5)
                box = [centre - radius, y - radius * 0.75, centre + radius, y + radius * 0.75]
                pen.ellipse(box, fill=(255, 255, 255))
        return picture

    def _dots(self, picture, count, radii, **paint):
        pen = ImageDraw.Draw(picture)
        for _ in range(count):
            x, y, radius = self.rng.uniform(0, PICTURE), self.rng.uniform(0, PICTURE), self.rng.uniform(*radii)
            pen.ellipse([x - radius, y - radius, x + radius, y + radius], **paint)
        return picture

    def _pastel(self):
        hue = self.rng.random()
        ends = [colorsys.hsv_to_rgb(hue, 0.12, 1), colorsys.hsv_to_rgb((hue + 0.08) % 1, 0.3, 0.97)]
        return to_picture(gradient(*(np.array(end) * 255 for end in ends)))

    def _grass(self):
        land = self._land((120, 190, 245), (205, 232, 252), (120, 200, 90), (70, 150, 60))
        return self._clouds(land, self.rng.randint(0, 2))

    def _sky(self):
        sky = to_picture(gradient(self._near((80, 160, 240)), self._near((190, 225, 252))))
        return self._clouds(sky, self.rng.randint(2, 4))

    def _beach(self):
        pixels = np.array(self._land((110, 195, 245), (190, 230, 250), (40, 160, 200), (70, 190, 215)))
        shore = self.horizon + self.rng.randint(10, 18)
        pixels[shore:] = gradient((245, 222, 165), (230, 200, 135), PICTURE - shore)
        return Image.fromarray(pixels)

    def _snow(self):
        land = self._land((165, 195, 225), (215, 228, 240), (250, 252, 255), (225, 235, 245))
        return self._dots(land, 14, (1.5, 1.5), fill=(255, 255, 255))

    def _sunset(self):
        land = self._land((90, 60, 140), (250, 150, 90), (120, 60, 80), (70, 40, 70))
        x = self.rng.uniform(30, 98)
        sun = [x - 16, self.horizon - 16, x + 16, self.horizon + 16]
        ImageDraw.Draw(land).pieslice(sun, 180, 360, fill=(255, 225, 130))
        return land

    def _night(self):
        sky = to_picture(gradient(self._near((12, 16, 50), 5), self._near((44, 40, 100), 8)))
        return self._dots(sky, 26, (0.7, 1.4), fill=(255, 250, 215))

    def _water(self):
        sea = to_picture(gradient(self._near((70, 180, 225)), self._near((15, 70, 140))))
        return self._dots(sea, 8, (1.5, 4), outline=(190, 230, 250))


def recolour(sprite, colour):
    """The sprite with its dominant hue turned to `colour`, or None where no hue dominates."""
    pixels = np.asarray(sprite.convert("RGB").convert("HSV")).astype(int)
    alpha = np.asarray(sprite)[..., 3]
    vivid = (pixels[..., 1] > 90) & (pixels[..., 2] > 60) & (alpha > 128)
    if vivid.sum() < 0.35 * (alpha > 128).sum():
        return None
    mean = np.exp(2j * np.pi * pixels[..., 0][vivid] / 256).mean()
    if abs(mean) < 0.88:
        return None
    hue, goal = np.angle(mean) / (2 * np.pi) % 1, HUES[colour]
    if min(abs(hue - goal), 1 - abs(hue - goal)) < 0.09:
        return None
    near = np.abs((pixels[..., 0] / 256 - hue + 0.5) % 1 - 0.5) < 0.14
    pixels[..., 0] = np.where(near, (pixels[..., 0] + round((goal - hue) * 256)) % 256, pixels[..., 0])
    if colour == "pink":
        pixels[..., 1] = np.where(near, pixels[..., 1] * 0.6, pixels[..., 1])
    turned = Image.fromarray(pixels.astype(np.uint8), "HSV").convert("RGB")
    turned.putalpha(Image.fromarray(alpha))
    return turned


def with_article(name):
    return ("an " if name[0] in "aeiou" else "a ") + name


class Scenes:
    """Draws (picture, captions) pairs as one stage wants them."""

    def __init__(self, work, config, seed):
        bank = json.loads((Path(work) / "data/sprites.json").read_text())
        self.pictures = np.load(Path(work) / "data/sprites.npz")["pictures"]
        self.concepts = bank["concepts"]
        self.where = {(entry["concept"], entry["style"]): row for row, entry in enumerate(bank["sprites"])}
        self.config = config
        self.rng = random.Random(seed)
        self.backgrounds = Backgrounds(self.rng)
        self.pool = [i for i, concept in enumerate(self.concepts) if concept["tier"] <= config["tier"]]

    def draw(self, captions=4, labels=False):
        """One picture and its captions, half English and half Chinese (or the concept's number)."""
        rng, config = self.rng, self.config
        style = self._choose(config["styles"])
        ground = self._choose(config["backgrounds"])
        layout = self._choose(config["layouts"])
        if ground == "colour":
            ground = rng.choice(list(COLOURS))
        elif ground == "place":
            ground = rng.choice(list(PLACES))
        picture = self.backgrounds.draw(ground)
        spread = config["jitter"]

        concepts, colour, count = [rng.choice(self.pool)], None, 1
        sprite = self._sprite(concepts[0], style)
        if layout != "two" and rng.random() < config["recolour"]:
            colour = rng.choice(list(HUES))
            turned = recolour(sprite, colour)
            sprite, colour = (turned, colour) if turned else (sprite, None)

        if layout == "one":
            low, high = config["size_in_place"] if ground in PLACES else config["size"]
            self._paste(picture, sprite, (64, 64), rng.uniform(low, high), spread)
        elif layout == "two":
            concepts.append(rng.choice(self.pool))
            size = rng.uniform(54, 64)
            self._paste(picture, sprite, (33, 66), size, spread)
            self._paste(picture, self._sprite(concepts[1], style), (95, 66), size, spread)
        else:
            count = rng.choice([2, 2, 3])
            centres = [(33, 64), (95, 64)] if count == 2 else [(33, 36), (95, 36), (64, 94)]
            size = rng.uniform(46, 58)
            for centre in centres:
                self._paste(picture, sprite, centre, size, spread)

        if labels:
            return picture, concepts[0]
        texts = [self._english, self._chinese]
        return picture, [texts[i % 2](concepts, style, ground, colour, count) for i in range(captions)]

    def _choose(self, weights):
        return self.rng.choices(list(weights), list(weights.values()))[0]

    def _sprite(self, concept, style):
        row = self.where.get((concept, style), self.where.get((concept, "3d")))
        return Image.fromarray(self.pictures[row])

    def _paste(self, picture, sprite, centre, size, spread):
        size = round(size)
        small = sprite.convert("RGBa").resize((size, size), Image.BICUBIC, reducing_gap=2.0).convert("RGBA")
        corner = tuple(round(axis + self.rng.uniform(-spread, spread) - size / 2) for axis in centre)
        picture.paste(small, corner, small)

    def _name(self, concept, language):
        names = self.concepts[concept][language]
        return names[0] if self.rng.random() < 0.6 else self.rng.choice(names)

    def _english(self, concepts, style, ground, colour, count):
        rng = self.rng
        names = [self._name(concept, "en") for concept in concepts]
        if colour:
            plain = [word for word in names[0].split() if word not in HUES]
            names[0] = colour + " " + " ".join(plain)
        if count > 1:
            name = names[0]
            text = {2: "two ", 3: "three "}[count] + (name if name.endswith(("s", "fish")) else name + "s")
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
            plain = names[0][1:] if names[0][0] in "红黄" else names[0]
            names[0] = COLOURS[colour][0] + "的" + plain.removeprefix("色")
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
