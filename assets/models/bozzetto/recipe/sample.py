"""Paint prompts with an exported folder: one row a prompt, one column a seed, nothing picked.

    python sample.py --model DIR/export/bozzetto --to sheet.png --seeds 0,1,2,3 [--steps 20] [PROMPT ...]
"""

import argparse
import time
from pathlib import Path

import torch

from bozzetto import load_text_encoder, load_unet, load_vae, paint
from common import RECIPE, Prompts, contact_sheet, to_array
from upscaler import enlarge, load_upscaler


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", type=Path, required=True)
    options.add_argument("--unet", type=Path, help="folder of another U-Net for the same words and latents")
    options.add_argument("--to", type=Path, required=True)
    options.add_argument("--seeds", default="0,1,2,3")
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--guidance", type=float, default=3.5)
    options.add_argument("--columns", type=int, default=8)
    options.add_argument("--upscaler", type=Path, help="enlarge the pictures four times by this .safetensors file")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("prompts", nargs="*", help="prompts.txt if none is given")
    given = options.parse_args()
    torch.set_num_threads(given.threads)

    unet = load_unet(given.unet or given.model).float().eval()
    text = load_text_encoder(given.model).float().eval()
    vae = load_vae(given.model / "vae").float()
    prompts = Prompts(given.model / "tokenizer")
    seeds = [int(part) for part in given.seeds.split(",")]
    wanted = given.prompts or (RECIPE / "prompts.txt").read_text().split("\n")[:-1]
    texts = [prompt for prompt in wanted for _ in seeds]

    start = time.process_time()
    painted = paint(unet, text, vae, prompts, texts, given.steps, given.guidance, seeds * len(wanted))
    print(f"{(time.process_time() - start) / len(texts):.2f} CPU-s a picture")
    if given.upscaler:
        painted = enlarge(load_upscaler(given.upscaler), painted)
    contact_sheet(to_array(painted), given.columns).save(given.to)


if __name__ == "__main__":
    main()
