#!/usr/bin/env python3
"""Times the window on a display in memory: `window.py [PATH_OF_SFUMATO] [--size WxH]`. Needs what packaging/test.sh installs.

Prints how long it takes to open, what it uses while nothing happens, and how far frames lie apart while the pointer moves over it,
first alone and then while pictures are painted. Then, on a canvas of 4096x4096, how long after the pointer's event a stroke is there in
the display's memory. Drawing is software's here, on the same processors as everything else.
"""

import argparse
import ctypes
import datetime
import mmap
import os
import re
import statistics
import struct
import subprocess
import tempfile
import threading
import time
import zlib
from pathlib import Path

MOVES = 200


class Display:
    """A display in memory, which can be looked at without asking it."""

    def __init__(self, size, folder):
        command = ["Xvfb", "-displayfd", "1", "-screen", "0", f"{size}x24", "-fbdir", folder, "-nolisten", "tcp", "-noreset"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        os.environ["DISPLAY"] = ":" + self.process.stdout.readline().strip()
        os.environ.pop("WAYLAND_DISPLAY", None)
        with (Path(folder) / "Xvfb_screen0").open("rb") as file:
            self.memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # XWDFile.h: numbers of 32 bits, the highest byte first.
        header = struct.unpack(">25I", self.memory[:100])
        self.pixels, self.row = header[0] + 12 * header[19], header[12]
        self.x11, self.test = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
        self.x11.XOpenDisplay.restype = ctypes.c_void_p
        self.connection = ctypes.c_void_p(self.x11.XOpenDisplay(os.environ["DISPLAY"].encode()))

    def pixel(self, x, y):
        at = self.pixels + y * self.row + 4 * x
        return self.memory[at : at + 3]

    def move(self, x, y):
        self.test.XTestFakeMotionEvent(self.connection, -1, x, y, 0)
        self.x11.XFlush(self.connection)

    def button(self, is_down):
        self.test.XTestFakeButtonEvent(self.connection, 1, is_down, 0)
        self.x11.XFlush(self.connection)


def xdotool(*words):
    return subprocess.run(["xdotool", *map(str, words)], capture_output=True, text=True).stdout.strip()


class Window:
    def __init__(self, program, home, *files):
        self.log = home / "log"
        env = os.environ | {"SFUMATO_HOME": str(home), "XDG_RUNTIME_DIR": str(home), "SFUMATO_LOG": "sfumato::app=trace"}
        started = time.perf_counter()
        self.process = subprocess.Popen([program, *files], env=env, stderr=self.log.open("w"))
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


    def strokes(self, display, size):
        """Strokes over the canvas; the milliseconds after each move until the paint is there where it went."""
        width, height = size
        times = []
        for row in range(10):
            y = height // 2 - 180 + 36 * row
            at = width // 2 - 240
            display.move(at, y)
            time.sleep(0.2)
            display.button(True)
            time.sleep(0.2)
            for _ in range(12):
                at += 40
                # Beyond what was painted, and within what will be, also where the stroke lags behind.
                place = (at - 16, y - 6)
                before = display.pixel(*place)
                began = time.perf_counter()
                display.move(at, y)
                while display.pixel(*place) == before and time.perf_counter() - began < 1:
                    time.sleep(0.0002)
                times.append((time.perf_counter() - began) * 1e3)
                time.sleep(0.02)
            display.button(False)
            time.sleep(0.2)
        return times


def white(path, side):
    """A PNG of white paper."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\xff" * side) * side)
    header = struct.pack(">2I5B", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def paint(program, home, ends):
    """Paints one picture after the other until it is told to end, giving way as the window's engine does."""
    while not ends.is_set():
        command = ["chrt", "--idle", "0", program, "paint", "red apple", "--steps", "100", "--out", home / "apple.png"]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def told(numbers):
    ordered = sorted(numbers)
    at = lambda share: ordered[int(len(ordered) * share)]
    return f"median {statistics.median(ordered):.1f} ms, 90th percentile {at(0.9):.1f} ms, 99th {at(0.99):.1f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] + ".")
    parser.add_argument("program", nargs="?", default="target/release/sfumato")
    parser.add_argument("--size", default="1280x800")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, tempfile.TemporaryDirectory() as memory:
        display = Display(given.size, memory)
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
        # A home of its own: pictures that still wait are painted on there.
        home = Path(home) / "strokes"
        home.mkdir()
        paper = home / "paper.png"
        white(paper, 4096)
        window = Window(given.program, home, paper)
        xdotool("windowsize", window.window, width, height, "windowmove", window.window, 0, 0, "windowfocus", window.window)
        time.sleep(4)
        xdotool("key", "b", *["bracketright"] * 14)
        for what in ["nothing else", "pictures are painted"]:
            ends = threading.Event()
            if what != "nothing else":
                threading.Thread(target=paint, args=(given.program, home, ends)).start()
            times = window.strokes(display, (int(width), int(height)))
            ends.set()
            print(f"a stroke on 4096x4096, {what}: there after {told(times)}")
        window.process.terminate()
        window.process.wait()
        display.process.terminate()


main()
