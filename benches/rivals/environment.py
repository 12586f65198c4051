"""What the race needs besides the source: the rivals, in a virtual environment of their own; the weights; Sfumato, compiled."""

import json
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
PACKAGES = [
    "torch==2.15.0", "diffusers==0.42.1", "transformers==5.23.0", "accelerate", "pillow", "numpy",
    "onnx", "onnxruntime==1.32.0", "openvino==2026.4.1",
]
SD_CPP = "stable-diffusion-cpp-python==0.4.7"
# llamafile's matrix products are off by default and much faster. On x86 for AVX2, not for this very processor: where that has AVX-512, ggml's
# flash attention by tiles is not for heads of 40 numbers (`use_tiled` in ggml-cpu/ops.cpp), and a pass of 512 px took 94 s instead of 15.
SD_CPP_NATIVE = "OFF" if platform.machine() in ("x86_64", "AMD64") else "ON"
SD_CPP_BUILD = f"-DGGML_NATIVE={SD_CPP_NATIVE} -DGGML_LLAMAFILE=ON -DCMAKE_C_FLAGS=-O3 -DCMAKE_CXX_FLAGS=-O3"

# One that was built otherwise before, installed or kept as a wheel, is not taken. (What it needs is among PACKAGES.)
AS_ASKED_NOW = ["--force-reinstall", "--no-deps", "--no-cache-dir"]


def cache():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sfumato-race"


def python_of(folder):
    return Path(folder) / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_venv(folder):
    """Installs the rivals where they are not there yet. What cannot be had is left out, and that is said."""
    python = python_of(folder)
    stamp = Path(folder) / "rivals.json"
    wanted = [*PACKAGES, SD_CPP, SD_CPP_BUILD]
    if stamp.is_file() and json.loads(stamp.read_text())["wanted"] == wanted:
        return
    venv.create(folder, with_pip=True)
    pip = [python, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *PACKAGES, "cmake", "ninja", "scikit-build-core"], check=True)
    log = Path(folder) / "sd-cpp.log"
    paths = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    with log.open("w") as out:
        built = subprocess.run(
            [*pip[:-1], "--no-build-isolation", "--no-binary", SD_CPP.split("==")[0], *AS_ASKED_NOW, SD_CPP],
            env=os.environ | {"CMAKE_ARGS": SD_CPP_BUILD, "PATH": paths}, stdout=out, stderr=out,
        )
    if built.returncode:
        print(f"stable-diffusion.cpp could not be built, so the race goes on without it: {log} says why", file=sys.stderr)
    stamp.write_text(json.dumps({"wanted": wanted, "sd.cpp": built.returncode == 0}))


def has_sd_cpp(folder):
    return json.loads((Path(folder) / "rivals.json").read_text())["sd.cpp"]


def make_weights(python, files):
    shipped = CHECKOUT / "assets/models/bozzetto"
    subprocess.run([python, HERE / "weights.py", files, shipped], check=True)


def build_sfumato():
    """Compiles the program and its worker. Gives the paths of both."""
    command = ["cargo", "build", "--release", "--locked", "--bin", "sfumato", "--example", "race_worker"]
    done = subprocess.run(
        [*command, "--message-format=json-render-diagnostics"], cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True
    )
    messages = (json.loads(line) for line in done.stdout.splitlines())
    made = {m["target"]["name"]: m["executable"] for m in messages if m.get("executable")}
    return made["sfumato"], made["race_worker"]
