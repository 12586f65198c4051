#!/usr/bin/env python3
"""Times the window on a display in memory: `window.py [PATH_OF_SFUMATO] [--size WxH]`. Needs what packaging/test.sh installs.

Prints how long it takes to open, what it uses while nothing happens, and how far frames lie apart while the pointer moves over it,
first alone and then while pictures are painted. Drawing is software's here, on the same processors as everything else.
"""

import argparse
import datetime
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

MOVES = 200


class Display:
    def __init__(self, size):
        command = ["Xvfb", "-displayfd", "1", "-screen", "0", f"{size}x24", "-nolisten", "tcp", "-noreset"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        os.environ["DISPLAY"] = ":" + self.process.stdout.readline().strip()
        os.environ.pop("WAYLAND_DISPLAY", None)


def xdotool(*words):
    return subprocess.run(["xdotool", *map(str, words)], capture_output=True, text=True).stdout.strip()


class Window:
    def __init__(self, program, home):
        self.log = home / "log"
        env = os.environ | {"SFUMATO_HOME": str(home), "XDG_RUNTIME_DIR": str(home), "SFUMATO_LOG": "sfumato::app=trace"}
        started = time.perf_counter()
        self.process = subprocess.Popen([program], env=env, stderr=self.log.open("w"))
        while not (window := xdotool("search", "--onlyvisible", "--name", "Sfumato")):
            time.sleep(0.005)
        self.opened_in = time.perf_counter() - started
        self.window = window.split()[0]

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def frames(self):
        """When each frame began that the log tells of, and the milliseconds that the one before took to lay out and draw."""
        text = re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text())
        found = re.findall(r"^(\S+)Z .*milliseconds=([\d.]+)", text, re.MULTILINE)
        return [(datetime.datetime.fromisoformat(at).timestamp(), float(cost)) for at, cost in found]

    def sweep(self):
        """Moves the pointer over the canvas; milliseconds between frames, and milliseconds that each took."""
        before = len(self.frames())
        words = []
        for move in range(MOVES):
            words += ["mousemove", 500 + 2 * move, 300 + move % 50, "sleep", 0.012]
        xdotool(*words)
        frames = self.frames()[before:]
        apart = [(after[0] - first[0]) * 1e3 for first, after in zip(frames, frames[1:])]
        return apart, [cost for _, cost in frames]


def told(numbers):
    ordered = sorted(numbers)
    return f"median {statistics.median(ordered):.1f} ms, 99th percentile {ordered[int(len(ordered) * 0.99)]:.1f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] + ".")
    parser.add_argument("program", nargs="?", default="target/release/sfumato")
    parser.add_argument("--size", default="1280x800")
    given = parser.parse_args()
    display = Display(given.size)
    with tempfile.TemporaryDirectory() as home:
        window = Window(given.program, Path(home))
        width, height = given.size.split("x")
        xdotool("windowsize", window.window, width, height, "windowmove", window.window, 0, 0, "windowfocus", window.window)
        time.sleep(3)
        print(f"from start to visible window: {window.opened_in:.2f} s")
        used, frames = window.cpu_seconds(), len(window.frames())
        time.sleep(10)
        print(f"idle for 10 s: {window.cpu_seconds() - used:.2f} s of processor time, {len(window.frames()) - frames} frames")
        for what, pictures in [("nothing else", 0), ("pictures are painted", 30)]:
            for _ in range(pictures):
                xdotool("key", "ctrl+Return")
            apart, costs = window.sweep()
            print(f"pointer moves, {what}: {len(costs)} frames; apart {told(apart)}; laid out and drawn in {told(costs)}")
        print(f"resident: {window.resident_mib():.0f} MiB")
        window.process.terminate()
        window.process.wait()
    display.process.terminate()


main()
