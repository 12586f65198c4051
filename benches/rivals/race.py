#!/usr/bin/env python3
"""Races Sfumato against what else paints with Stable Diffusion 1.5 on a processor: same machine, threads, weights and inputs, in
turn. `race.py [--only unet-256,vae-512,…] [--rounds N] [--threads N] [--json FILE]`; `--help` for the rest. At the end it holds what it
measured against what Sfumato is meant to reach.

The first time it needs 20 GB of disk, a C++ compiler and the network, for an environment of its own outside the checkout. No rival needs
more than 8 GB of memory; 16 GB keep everyone's files in the page cache.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import aims
import environment
from aims import ONE_THREAD
from cases import CASES, GUIDANCE, NEGATIVE, PROMPT, SEED, STEPS, Files, difference

# glibc gives freed memory back to the system and takes it again, zeroed, at every step; told not to, torch is a quarter faster.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "17179869184", "MALLOC_TOP_PAD_": "67108864"}

# How long one computes a case again and again in each of its turns, after a pass to warm up: once at least.
LEAST_S = 2.0
# Who takes longer for a pass does not have to show it again; a picture that takes longer is not waited for.
PATIENCE_S, PICTURE_PATIENCE_S = 30.0, 1200.0
# Whose turn had more to come from the disk did not find its files in memory, and takes the turn again.
COLD_MIB = 64

# Name: (its worker, what its environment has).
RIVALS = {
    "onnxruntime": ("onnx_worker.py", {}),
    "openvino": ("openvino_worker.py", {"PRECISION": "f32"}),
    "openvino-bf16": ("openvino_worker.py", {"PRECISION": "bf16"}),
    "torch": ("torch_worker.py", {"PRECISION": "f32", "LAYOUT": "contiguous_format", **KEEP_MEMORY}),
    "torch-nhwc": ("torch_worker.py", {"PRECISION": "f32", "LAYOUT": "channels_last", **KEEP_MEMORY}),
    "torch-bf16": ("torch_worker.py", {"PRECISION": "bf16", "LAYOUT": "channels_last", **KEEP_MEMORY}),
    "sd.cpp": ("sdcpp_worker.py", {}),
}
# Name: what its environment has. Where the processor does not multiply bf16 or bytes, those say so and do not run; the last leaves AMX's tiles out.
OURS = {
    "sfumato": {"PRECISION": "f32"},
    "sfumato-bf16": {"PRECISION": "bf16"},
    "sfumato-int8": {"PRECISION": "int8"},
    "sfumato-vectors": {"PRECISION": "f32", "SFUMATO_VECTORS": "avx512"},
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] + ".")
    parser.add_argument("--only", default=",".join(CASES), help="which cases, of %(default)s")
    parser.add_argument("--rivals", default=",".join(RIVALS), help="against whom, of %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="how often each starts and computes each case [%(default)s]")
    parser.add_argument("--pictures", type=int, help="how often each paints a whole picture [as many as rounds]")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="for each [%(default)s]")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--venv", type=Path, default=environment.cache() / "venv", help="the rivals' environment [%(default)s]")
    parser.add_argument("--files", type=Path, default=environment.cache() / "files", help="weights and exports [%(default)s]")
    given = parser.parse_args()
    given.pictures = given.pictures or given.rounds
    given.only, given.rivals = given.only.split(","), given.rivals.split(",")
    for names, known in ((given.only, CASES), (given.rivals, RIVALS)):
        if unknown := set(names) - set(known):
            parser.error(f"{', '.join(unknown)}: choose from {', '.join(known)}")
    return given


class Worker:
    """A process that has a case loaded and computes it when it is told to."""

    def __init__(self, command, env, log):
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1
        )

    def loaded_s(self):
        """To be asked first: it says `ready`, and after how many seconds."""
        return float(self.ask(None).split()[1])

    def ask(self, command):
        if command:
            self.process.stdin.write(command + "\n")
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"it ended with code {self.process.wait()}")
        return answer.strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def peak_mib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def from_disk_mib(self):
        """What had to come from the disk, as read or as mapped."""
        about = Path(f"/proc/{self.process.pid}/io").read_text()
        return int(about.split("read_bytes:")[1].split()[0]) / 2**20


class Turn(NamedTuple):
    """What a rival took to be ready for a pass, and then for each of the passes that followed."""

    load_s: float
    taken_s: list[float]
    was_cold: bool


class Race:
    def __init__(self, given):
        self.given, self.files, self.venv = given, Files(given.files), given.venv
        self.sfumato, self.worker = environment.build_sfumato()
        self.rivals = [r for r in given.rivals if r != "sd.cpp" or environment.has_sd_cpp(given.venv)]
        self.logs = self.files.folder / "logs"
        self.logs.mkdir(exist_ok=True)
        self.make_home()
        self.limit = Worker(self.command("limit", "peak")[0], os.environ, None)
        self.limit.loaded_s()

    def make_home(self):
        """Sfumato keeps weights as its kernels lay them out, as OpenVINO keeps networks that it has compiled. Both do so before the race; how long the
        first load takes is told."""
        home = self.files.folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        (home / "settings.toml").write_text("version = 1\npacked_gigabytes = 100\n")
        for name in OURS:
            for case in ("text", "unet-256", "vae-256"):
                command, env = self.command(name, case)
                with self.log(name, case) as log:
                    said = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True).stdout
                if said.startswith("ready "):
                    print(f"{name} has read and laid out {case.partition('-')[0]} after {float(said.split()[1]):.2f} s", flush=True)

    def command(self, name, case, png=None):
        """How a rival's worker, or its one picture, is started."""
        threads = "1" if name == ONE_THREAD else str(self.given.threads)
        env = os.environ | {"OMP_NUM_THREADS": threads, "RAYON_NUM_THREADS": threads}
        if name not in RIVALS:
            ours = OURS.get(name, OURS["sfumato"])
            home = {"SFUMATO_HOME": str(self.files.folder / "home")}
            return self.our_command(case, png, threads, ours["PRECISION"]), env | home | ours
        script, variables = RIVALS[name]
        command = [sys.executable, environment.HERE / script, self.files.folder, threads, case]
        return command + ([png] if png else []), env | variables

    def our_command(self, case, png, threads, precision):
        if not png:
            return [self.worker, self.files.folder, threads, case]
        return [
            self.sfumato, "paint", PROMPT, "--negative", NEGATIVE, "--model", self.files.f16, "--seed", str(SEED), "--steps", str(STEPS),
            "--sampler", "ddim", "--schedule", "simple", "--guidance", str(GUIDANCE), "--size", "512x512", "--threads", threads,
            "--precision", precision,
            "--out", png,
        ]  # fmt: skip

    def starters(self, case):
        """Who runs: all of ours and of the rivals; one thread is held against two in a single case."""
        one = [ONE_THREAD] if case == "unet-512" and self.given.threads == 2 else []
        return [*OURS, *one, *self.rivals]

    def log(self, name, case):
        return (self.logs / f"{case}-{name}.txt").open("w")

    def race(self, case):
        """Every rival's seconds and peak memory, how far its output is from torch's, and the machine's limit meanwhile. They take
        turns, and each ends before the next one starts: all at once would not fit into memory, and some wait by spinning."""
        turns, peaks, outputs, limits = {}, {}, {}, []
        for round_ in range(self.given.rounds):
            for name in self.starters(case):
                limits.append(limit_of(self.limit))
                if name in turns and max(turns[name][0].taken_s) > PATIENCE_S:
                    continue
                try:
                    turn, peak, outputs[name] = self.turn(name, case)
                    if turn.was_cold and max(turn.taken_s) < PATIENCE_S:
                        turn, peak, outputs[name] = self.turn(name, case)
                except (RuntimeError, OSError, ValueError, IndexError) as error:
                    print(f"  {name} does not run: {error}; see {self.logs}", flush=True)
                    continue
                passes = f"{len(turn.taken_s)} of {statistics.median(turn.taken_s):.3f} s"
                cold = " (with files from the disk)" if turn.was_cold else ""
                print(f"  round {round_ + 1}: {name} is loaded after {turn.load_s:.2f} s{cold}, then {passes}", flush=True)
                turns.setdefault(name, []).append(turn)
                peaks[name] = max(peaks.get(name, 0), peak)
        figures = {name: figures_of([s for turn in taken for s in turn.taken_s], peaks[name]) for name, taken in turns.items()}
        for name, figure in figures.items():
            # The least: what a first pass takes longer than others is small beside what passes differ by.
            figure["load_s"] = min(turn.load_s for turn in turns[name])
        return figures, apart(outputs), max(limits)

    def turn(self, name, case):
        command, env = self.command(name, case)
        with self.log(name, case) as log, Worker(command, env, log) as worker:
            loaded_s, first = worker.loaded_s(), float(worker.ask("run"))
            taken = [first] if first > PATIENCE_S else []
            while sum(taken) < LEAST_S:
                taken.append(float(worker.ask("run")))
            peak, was_cold, output = worker.peak_mib(), worker.from_disk_mib() > COLD_MIB, self.output(worker)
        # The first time, memory is taken and weights are laid out: that is still loading.
        return Turn(loaded_s + max(0.0, first - statistics.median(taken)), taken, was_cold), peak, output

    def output(self, worker):
        import numpy

        with tempfile.NamedTemporaryFile(suffix=".f32") as file:
            return numpy.fromfile(file.name, "float32") if worker.ask(f"save {file.name}") == "saved" else None

    def race_for_pictures(self, case):
        """As `race`, of processes that start with nothing, until they have ended."""
        seconds, peaks, outputs, limits = {}, {}, {}, []
        for round_ in range(self.given.pictures):
            for name in self.starters(case):
                limits.append(limit_of(self.limit))
                png = self.files.folder / f"{name}.png"
                png.unlink(missing_ok=True)
                command, env = self.command(name, case, png)
                started = time.perf_counter()
                with self.log(name, case) as log:
                    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=log)
                patience = threading.Timer(PICTURE_PATIENCE_S, process.kill)
                patience.start()
                _, status, usage = os.wait4(process.pid, 0)
                patience.cancel()
                taken = time.perf_counter() - started
                was_not_waited_for = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
                if png.is_file() or was_not_waited_for:
                    peaks[name] = max(peaks.get(name, 0), usage.ru_maxrss / 1024)
                if not png.is_file():
                    print(f"  {name} painted nothing in {taken:.0f} s; see {self.logs}", flush=True)
                    continue
                print(f"  round {round_ + 1}: {name} {taken:.1f} s", flush=True)
                seconds.setdefault(name, []).append(taken)
                # It has a noise and a schedule of its own.
                if name != "sd.cpp":
                    outputs[name] = pixels(png)
        return {name: figures_of(seconds.get(name), peak) for name, peak in peaks.items()}, apart(outputs), max(limits)

    def bozzetto_s(self):
        """A picture of the model that Sfumato ships, from a cold start to pixels."""
        model = environment.CHECKOUT / "assets/models/bozzetto"
        command = [self.sfumato, "bench", "--json", "--model", model, "--steps", "20", "--threads", str(self.given.threads)]
        taken = [json.loads(subprocess.check_output(command, text=True))["total_seconds"] for _ in range(self.given.rounds)]
        return statistics.median(taken)


def limit_of(worker):
    """What the machine can do at most, in GFLOP/s, and with which vectors."""
    rate, _, vectors = worker.ask("run").partition(" ")
    return float(rate), vectors


def figures_of(seconds, peak_mib):
    """Without times of one that was not waited for."""
    times = {"median_s": statistics.median(seconds), "min_s": min(seconds), "max_s": max(seconds)} if seconds else {}
    return times | {"peak_mib": round(peak_mib)}


def pixels(png):
    import numpy
    from PIL import Image

    return numpy.asarray(Image.open(png).convert("RGB"), "float32").ravel()


def apart(outputs):
    """Each output's difference from torch's in f32, where both are known."""
    torch = outputs.get("torch")
    return {name: difference(output, torch) for name, output in outputs.items() if output is not None and torch is not None}


def table(case, figures, differences, gflop, limit):
    """Markdown."""
    # Those of less precision run the same race, and are told apart.
    fastest, alike = (
        figures[rival]["median_s"] if rival else float("nan")
        for rival in (aims.fastest(figures, precise=False), aims.fastest(figures))
    )
    limit, vectors = limit
    lines = [
        f"**{case}**: {gflop:.0f} GFLOP; the machine's limit is {limit:.0f} GFLOP/s (multiply-adds with {vectors}), {gflop / limit:.2f} s\n",
        "| | median s | range | to the fastest rival | to the fastest of f32 | GFLOP/s | of the limit | load s | peak MiB | apart from torch, rms / largest |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    timed = {name: figure for name, figure in figures.items() if "median_s" in figure}
    for name, figure in sorted(timed.items(), key=lambda item: item[1]["median_s"]):
        median, rate = figure["median_s"], gflop / figure["median_s"]
        loaded = f"{figure['load_s']:.2f}" if "load_s" in figure else ""
        far = "{:.0e} / {:.0e}".format(*differences[name]) if name in differences else ""
        lines.append(
            f"| {name} | {median:.3f} | {figure['min_s']:.3f}-{figure['max_s']:.3f} | {median / fastest:.2f} | {median / alike:.2f} | {rate:.0f} "
            f"| {100 * rate / limit:.0f} % | {loaded} | {figure['peak_mib']} | {far} |"
        )
    return "\n".join(lines)


def main():
    given = arguments()
    environment.make_venv(given.venv)
    if Path(sys.prefix).resolve() != given.venv.resolve():
        # By its path: a Python finds its environment from the name it is called by.
        python = str(environment.python_of(given.venv))
        os.execv(python, [python, __file__, *sys.argv[1:]])
    environment.make_weights(sys.executable, given.files)
    race = Race(given)
    found = {}
    for case in given.only:
        print(f"{case}:", flush=True)
        run = race.race_for_pictures if CASES[case][0] == "picture" else race.race
        figures, differences, limit = run(case)
        found[case] = figures
        print(f"\n{table(case, figures, differences, race.files.gflop(case), limit)}\n", flush=True)
        # After each case: the next one may take an hour.
        if given.json:
            given.json.write_text(json.dumps(found, indent=2) + "\n")
    print(aims.table(found, race.bozzetto_s()))


main()
