"""stable-diffusion.cpp, through the library that stable-diffusion-cpp-python builds. It has no call for a part, so that a forward
pass is the time from one step of a picture to the next, without guidance, and the others are the times that it logs."""

import os
import re
import sys
import threading
import time

import stable_diffusion_cpp
from stable_diffusion_cpp import StableDiffusion

from cases import GUIDANCE, NEGATIVE, PROMPT, SEED, STEPS
from worker import job, loaded_in

MANY = 997

job = job()
size = 8 * job.side if job.side else 64
# The library shows its progress on the standard output that we answer on.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(text):
    print(text, file=answers, flush=True)


logged = []


@stable_diffusion_cpp.sd_log_callback
def log(level, text, data):
    logged.append(text.decode(errors="replace"))


def model():
    loaded = StableDiffusion(
        model_path=str(job.files.f16), n_threads=job.threads, flash_attn=True, diffusion_flash_attn=True,
        vae_decode_only=True, verbose=True,
    )
    stable_diffusion_cpp.sd_set_log_callback(log, None)
    return loaded


def generate(model, steps, guidance, progress=None):
    return model.generate_image(
        prompt=PROMPT, negative_prompt=NEGATIVE, width=size, height=size, cfg_scale=guidance, sample_steps=steps,
        sample_method="euler", seed=SEED, progress_callback=progress,
    )


def seconds_logged(what):
    line = [line for line in logged if what in line][-1]
    return float(re.search(r"taking ([\d.]+)", line)[1])


def serve_steps(model):
    """Each step waits for its turn; the picture never ends."""
    released = threading.Semaphore(0)
    begun = 0.0

    def progress(step, steps, _):
        nonlocal begun
        if steps != MANY:
            return
        say(time.perf_counter() - begun if step else f"ready {loaded_in()}")
        released.acquire()
        begun = time.perf_counter()

    threading.Thread(target=generate, args=(model, MANY, 1.0, progress), daemon=True).start()
    for line in sys.stdin:
        if line.startswith("run"):
            released.release()
        else:
            say("nothing")
    os._exit(0)


def serve_logged(model, what):
    say(f"ready {loaded_in()}")
    for line in sys.stdin:
        if line.startswith("run"):
            generate(model, 1, 1.0)
            say(seconds_logged(what))
        else:
            say("nothing")
    os._exit(0)


loaded = model()
if job.png:
    generate(loaded, STEPS, GUIDANCE)[0].save(job.png)
    os._exit(0)
if job.part == "unet":
    serve_steps(loaded)
serve_logged(loaded, {"vae": "decode_first_stage completed", "text": "get_learned_condition completed"}[job.part])
