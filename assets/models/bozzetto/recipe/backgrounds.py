"""What the things stand on: plain colours, gradients and simple places."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

from common import PICTURE

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


def gradient(top, bottom, height, width):
    mix = np.linspace(0, 1, height)[:, None, None]
    return (np.array(top) * (1 - mix) + np.array(bottom) * mix) * np.ones((1, width, 1))


def to_picture(pixels):
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


class Backgrounds:
    """Plain colours, pastel gradients and seven simple places, `scale` times 128 px."""

    def __init__(self, rng, scale=1):
        self.rng, self.scale, self.side = rng, scale, PICTURE * scale

    def draw(self, kind):
        if kind in COLOURS:
            colour = COLOURS[kind][2]
            return Image.new("RGB", (self.side, self.side), colour if kind == "white" else self._near(colour, 5))
        return getattr(self, "_" + kind)()

    def _near(self, colour, spread=10):
        return tuple(int(np.clip(part + self.rng.uniform(-spread, spread), 0, 255)) for part in colour)

    def _gradient(self, top, bottom):
        return gradient(top, bottom, self.side, self.side)

    def _land(self, sky_top, sky_bottom, ground_top, ground_bottom):
        self.horizon = self.rng.randint(66, 84) * self.scale
        sky = gradient(self._near(sky_top), self._near(sky_bottom), self.horizon, self.side)
        ground = gradient(
            self._near(ground_top), self._near(ground_bottom), self.side - self.horizon, self.side
        )
        return to_picture(np.concatenate([sky, ground]))

    def _ellipse(self, pen, x, y, across, down, **paint):
        box = [x - across, y - down, x + across, y + down]
        pen.ellipse([part * self.scale for part in box], **paint)

    def _clouds(self, picture, count):
        pen = ImageDraw.Draw(picture)
        for _ in range(count):
            x, y, width = self.rng.uniform(0, PICTURE), self.rng.uniform(6, 46), self.rng.uniform(9, 16)
            for puff in range(4):
                radius = width * (0.75 if puff in (1, 2) else 0.5)
                centre = x + (puff - 1.5) * width * 0.7
                self._ellipse(pen, centre, y, radius, radius * 0.75, fill=(255, 255, 255))
        return picture

    def _dots(self, picture, count, radii, **paint):
        pen = ImageDraw.Draw(picture)
        for _ in range(count):
            x, y, radius = self.rng.uniform(0, PICTURE), self.rng.uniform(0, PICTURE), self.rng.uniform(*radii)
            self._ellipse(pen, x, y, radius, radius, **paint)
        return picture

    def _pastel(self):
        hue = self.rng.random()
        ends = [colorsys.hsv_to_rgb(hue, 0.12, 1), colorsys.hsv_to_rgb((hue + 0.08) % 1, 0.3, 0.97)]
        return to_picture(self._gradient(*(np.array(end) * 255 for end in ends)))

    def _grass(self):
        land = self._land((120, 190, 245), (205, 232, 252), (120, 200, 90), (70, 150, 60))
        return self._clouds(land, self.rng.randint(0, 2))

    def _sky(self):
        sky = to_picture(self._gradient(self._near((80, 160, 240)), self._near((190, 225, 252))))
        return self._clouds(sky, self.rng.randint(2, 4))

    def _beach(self):
        pixels = np.array(self._land((110, 195, 245), (190, 230, 250), (40, 160, 200), (70, 190, 215)))
        shore = self.horizon + self.rng.randint(10, 18) * self.scale
        pixels[shore:] = gradient((245, 222, 165), (230, 200, 135), self.side - shore, self.side)
        return Image.fromarray(pixels)

    def _snow(self):
        land = self._land((165, 195, 225), (215, 228, 240), (250, 252, 255), (225, 235, 245))
        return self._dots(land, 14, (1.5, 1.5), fill=(255, 255, 255))

    def _sunset(self):
        land = self._land((90, 60, 140), (250, 150, 90), (120, 60, 80), (70, 40, 70))
        x, radius = self.rng.uniform(30, 98) * self.scale, 16 * self.scale
        sun = [x - radius, self.horizon - radius, x + radius, self.horizon + radius]
        ImageDraw.Draw(land).pieslice(sun, 180, 360, fill=(255, 225, 130))
        return land

    def _night(self):
        sky = to_picture(self._gradient(self._near((12, 16, 50), 5), self._near((44, 40, 100), 8)))
        return self._dots(sky, 26, (0.7, 1.4), fill=(255, 250, 215))

    def _water(self):
        sea = to_picture(self._gradient(self._near((70, 180, 225)), self._near((15, 70, 140))))
        return self._dots(sea, 8, (1.5, 4), outline=(190, 230, 250), width=self.scale)
