"""What the workers of all rivals share: `X_worker.py FILES THREADS CASE`, or `X_worker.py FILES THREADS picture-512 PNG`.

A worker loads what its case needs and says `ready` with the seconds that it took, without those of starting Python. For each line `run` on its standard input it computes once and answers with the
seconds that it took; for `save PATH` it writes its last output there as raw f32. With a PNG it paints one picture and ends.
"""

import os
import sys
import time
from dataclasses import dataclass

from cases import CASES, GUIDANCE, STEPS, TIMESTEP, Files


@dataclass
class Job:
    files: Files
    threads: int
    case: str
    png: str | None

    @property
    def part(self):
        return CASES[self.case][0]

    @property
    def side(self):
        return CASES[self.case][1]


started = time.perf_counter()


def job():
    """To be called when everything is imported: loading begins."""
    global started
    started = time.perf_counter()
    folder, threads, case = sys.argv[1:4]
    return Job(Files(folder), int(threads), case, sys.argv[4] if len(sys.argv) > 4 else None)


def loaded_in():
    return time.perf_counter() - started


def serve(run):
    """Answers until standard input ends. `run` gives the output, as an array of numpy's or None."""
    print("ready", loaded_in(), flush=True)
    output = None
    for line in sys.stdin:
        command, _, path = line.strip().partition(" ")
        if command == "run":
            started = time.perf_counter()
            output = run()
            print(time.perf_counter() - started, flush=True)
        elif command == "save":
            if output is not None:
                output.astype("float32").tofile(path)
            print("saved" if output is not None else "nothing", flush=True)
    os._exit(0)


def tensor(job, name, *shape):
    import numpy

    return numpy.fromfile(job.files.tensor(name), dtype="float32").reshape(shape)


def inputs(job):
    """By name, as the exported networks call them."""
    import numpy

    latent = lambda: tensor(job, f"latent-{job.side}", 1, 4, job.side, job.side)
    if job.part == "unet":
        conditioning = tensor(job, "conditioning", 1, 77, 768)
        return {"sample": latent(), "timestep": numpy.array(TIMESTEP), "conditioning": conditioning}
    if job.part == "vae":
        # A latent as Sfumato and the pipelines of diffusers have it is scaled.
        return {"latent": latent() / numpy.float32(0.18215)}
    return {"ids": numpy.array([job.files.ids()[0]])}


def paint(job, network):
    """A picture by DDIM over trailing timesteps, as diffusers' pipeline with the scheduler of our weights makes it.
    `network(part, shapes)` loads a part; what it gives takes the inputs by name."""
    import numpy
    from PIL import Image

    prompt, negative = job.files.ids()
    both = network("text", {"ids": [2, 77]})(ids=numpy.array([negative, prompt]))
    unet = network("unet", {"sample": [2, 4, 64, 64], "timestep": [], "conditioning": [2, 77, 768]})
    alphas = numpy.cumprod(1 - numpy.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=numpy.float32) ** 2)
    x = tensor(job, "latent-64", 1, 4, 64, 64)
    stride = 1000 // STEPS
    for timestep in range(999, -1, -stride):
        away, towards = unet(sample=numpy.concatenate([x, x]), timestep=numpy.array(timestep), conditioning=both)
        noise = away + GUIDANCE * (towards - away)
        now = alphas[timestep]
        before = alphas[timestep - stride] if timestep >= stride else numpy.float32(1)
        clean = (x - (1 - now) ** 0.5 * noise) / now**0.5
        x = (before**0.5 * clean + (1 - before) ** 0.5 * noise).astype("float32")
    del unet
    rgb = network("vae", {"latent": [1, 4, 64, 64]})(latent=x / numpy.float32(0.18215))[0]
    pixels = numpy.clip(rgb.transpose(1, 2, 0) * 127.5 + 127.5, 0, 255).round().astype("uint8")
    Image.fromarray(pixels).save(job.png)
    os._exit(0)
