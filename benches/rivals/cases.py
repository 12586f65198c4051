"""What is raced, and where its files are: shared by the race and all workers."""

import json
from pathlib import Path

STEPS, GUIDANCE, PROMPT, NEGATIVE, SEED, TIMESTEP = 20, 7.5, "red apple", "", 7, 500

# Name: (the part of Stable Diffusion 1.5 that runs, the side of the latent).
CASES = {
    "unet-256": ("unet", 32),
    "unet-512": ("unet", 64),
    "vae-256": ("vae", 32),
    "vae-512": ("vae", 64),
    "text": ("text", 0),
    "picture-512": ("picture", 64),
}


class Files:
    """The folder with the weights and what the rivals need."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.f16, self.f32 = self.folder / "sd15-f16", self.folder / "sd15-f32"
        self.onnx, self.openvino = self.folder / "onnx", self.folder / "openvino"
        self.facts = self.folder / "facts.json"

    def tensor(self, name):
        """A raw file of little-endian f32, which every language reads: latent-32, latent-64, conditioning."""
        return self.folder / "inputs" / f"{name}.f32"

    def gflop(self, case):
        """2 · multiply-adds of a case, counted on the network as it is defined: convolutions directly."""
        counted = json.loads(self.facts.read_text())["gflop"]
        if case == "picture-512":
            return 2 * STEPS * counted["unet-512"] + counted["vae-512"] + 2 * counted["text"]
        return counted[case]

    def ids(self):
        """The tokens of `PROMPT` and of `NEGATIVE`, 77 each."""
        facts = json.loads(self.facts.read_text())
        return facts["prompt_ids"], facts["negative_ids"]


def difference(found, expected):
    """How far an array is from another: the root mean square of the difference over that of `expected`, and the largest
    difference over the largest number."""
    import numpy

    found, expected = (numpy.asarray(values, "float64").ravel() for values in (found, expected))
    if found.size != expected.size:
        return float("inf"), float("inf")
    apart = found - expected
    return (numpy.square(apart).mean() / numpy.square(expected).mean()) ** 0.5, abs(apart).max() / abs(expected).max()
