"""Write the diffusers folder that ships: averaged weights of a run, halved, with its VAE.

The folder is complete at every moment: it is written aside and renamed.

    python export.py --work DIR --name objects-decayed [--vae DIR/runs/decoder/vae] --to DIR/export/bozzetto
"""

import argparse
from pathlib import Path

import torch

from bozzetto import load_vae, new_text_encoder, new_unet, write_folder
from common import Prompts


def networks_of(work, name, vae=None):
    """The averaged U-Net and text encoder of a run, and the autoencoder."""
    state = torch.load(work / "runs" / name / "state.pt", weights_only=False)
    unet = new_unet(**state["design"])
    text = new_text_encoder(Prompts(work / "ckpt/tokenizer").size)
    parameters = [*unet.parameters(), *text.parameters()]
    with torch.no_grad():
        for parameter, mean in zip(parameters, state["average"], strict=True):
            parameter.copy_(mean)
    return unet.eval(), text.eval(), load_vae(vae or work / "ckpt/vae")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--name", required=True, help="the run")
    options.add_argument("--vae", type=Path, help="folder of the autoencoder; WORK/ckpt/vae if not given")
    options.add_argument("--to", type=Path, required=True)
    given = options.parse_args()
    given.to.parent.mkdir(parents=True, exist_ok=True)
    write_folder(given.to, *networks_of(given.work, given.name, given.vae), given.work / "ckpt/tokenizer")
    size = sum(path.stat().st_size for path in given.to.rglob("*") if path.is_file())
    print(f"{given.to}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
