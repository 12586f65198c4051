"""Train the contrastive pair of the folder `clip`: does a picture fit a caption?

Exactly transformers' CLIPModel, small: pictures of 128 px in patches of 16, captions of the same tokenizer.
Trained on composed scenes (scene.py; the combinations that the U-Net's training leaves out are left out
here as well) with symmetric InfoNCE. Every picture comes with three that differ in one word (colour, number, ground,
thing, order). Part of them go through the autoencoder, with --painter also through one step of that U-Net from a
noisy state, so that painted pictures are nothing new. The text tower is its own; only its token table starts
from another text encoder's (--words), by PCA.

    python clip_train.py train --work DIR --stage stages/clip.toml --max-cpu 400 --words MODEL --painter MODEL
    python clip_train.py export --work DIR --stage stages/clip.toml --to DIR/export/clip
    python clip_train.py measure --work DIR --clip DIR/export/clip [--model DIR/export/bozzetto] [--seeds 8]

`train` goes on where it stopped; its rate falls to zero over --max-cpu. `measure` reports how often the right caption
is the best of 100 for composed pictures of combinations left out, and the other way round; with --model, what the judge
says of the best of several painted pictures.
"""

import argparse
import dataclasses
import io
import json
import random
import shutil
import signal
import tomllib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, interpolate, normalize
from transformers import CLIPConfig, CLIPModel

from backgrounds import COLOURS
from bozzetto import encode, load_text_encoder, load_unet, load_vae, new_schedule
from common import RECIPE, TOKENS, Prompts, append_row, be_polite, cpu_seconds, save_atomically, to_array, to_tensor
from muon import MuonAdam
from scene import PAINTS, PLACES, Plan, Scenes

CAPTIONS = 4


def new_clip(model, vocabulary):
    tower = {"hidden_size": model["width"], "intermediate_size": 4 * model["width"], "projection_dim": model["projection"]}
    tower |= {"num_attention_heads": model["heads"], "hidden_act": "quick_gelu"}
    text = tower | {"vocab_size": vocabulary, "max_position_embeddings": TOKENS, "num_hidden_layers": model["text_layers"]}
    text |= {"bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1, "pad_token_id": vocabulary - 1}
    vision = tower | {"image_size": model["side"], "patch_size": model["patch"], "num_hidden_layers": model["vision_layers"]}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=model["projection"])
    return CLIPModel._from_config(config, attn_implementation="eager")


def preprocessor(side):
    """What brings any picture to what the vision tower expects (transformers' CLIPImageProcessor)."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": side},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }


def start_words(clip, folder):
    """The token table from another text encoder's: its directions of greatest variance."""
    theirs = load_text_encoder(folder).get_input_embeddings().weight.detach().float()
    theirs = theirs - theirs.mean(0)
    ours = clip.text_model.get_input_embeddings().weight
    directions = torch.linalg.svd(theirs, full_matrices=False).Vh[: ours.shape[1]]
    projected = theirs @ directions.T
    with torch.no_grad():
        ours.copy_(projected * 0.02 / projected.std())


def image_features(clip, pictures):
    pooled = clip.vision_model(pixel_values=pictures).pooler_output
    return normalize(clip.visual_projection(pooled).float(), dim=-1)


def text_features(clip, ids):
    pooled = clip.text_model(input_ids=ids).pooler_output
    return normalize(clip.text_projection(pooled).float(), dim=-1)


class Groups:
    """Plans in groups: one of the scenes' own and others that differ from it in one word."""

    def __init__(self, scenes):
        self.scenes, self.rng = scenes, scenes.rng

    def draw(self, count):
        plans = [self.scenes.plan()]
        for _ in range(200):
            if len(plans) == count:
                return plans
            other = self._changed(plans[0])
            if other and not other.held_out(self.scenes.names) and self.key(other) not in map(self.key, plans):
                plans.append(other)
        return self.draw(count)

    def key(self, plan):
        """Equal for plans whose pictures show the same."""
        colour = None if self.scenes.natural(plan) else plan.colour
        return tuple(plan.concepts), plan.ground, colour, plan.count

    def _changed(self, plan):
        rng, scenes = self.rng, self.scenes
        what = rng.choice(["colour", "colour", "count", "ground", "thing", "order"])
        if what == "ground":
            return dataclasses.replace(plan, ground=rng.choice([*COLOURS, *PLACES]))
        if what == "thing":
            concepts = plan.concepts[:]
            concepts[rng.randrange(len(concepts))] = rng.choice(scenes.pool)
            if len(set(concepts)) < len(concepts) or plan.colour and not scenes._sprite(concepts[0], plan.style, plan.colour):
                return None
            return dataclasses.replace(plan, concepts=concepts)
        if len(plan.concepts) == 2:
            return dataclasses.replace(plan, concepts=plan.concepts[::-1]) if what == "order" else None
        if what == "count":
            return dataclasses.replace(plan, count=rng.choice([1, 2, 3]), colour=None)
        if what == "colour" and plan.count == 1:
            colour = rng.choice([None, *PAINTS])
            if colour == plan.ground or colour and not scenes._sprite(plan.concepts[0], plan.style, colour):
                return None
            return dataclasses.replace(plan, colour=colour)
        return None


class Repainter:
    """Pictures as a U-Net would paint them: one step from a noisy state, guided by a caption that fits."""

    def __init__(self, folder, levels):
        self.unet, self.text = load_unet(folder).float().eval(), load_text_encoder(folder).float().eval()
        self.schedule, self.levels = new_schedule(), levels

    def __call__(self, latents, ids):
        steps = torch.randint(*self.levels, (len(latents),))
        noisy = self.schedule.add_noise(latents, torch.randn_like(latents), steps)
        velocity = self.unet(noisy, steps, self.text(input_ids=ids).last_hidden_state).sample
        signal = self.schedule.alphas_cumprod[steps].view(-1, 1, 1, 1)
        return signal.sqrt() * noisy - (1 - signal).sqrt() * velocity.float()


class Pool:
    """Pictures with captions and keys in groups, replaced a few at a time."""

    def __init__(self, stage, scenes, vae, prompts, painter):
        self.config, self.groups = stage["train"], Groups(scenes)
        self.scenes, self.vae, self.prompts, self.painter = scenes, vae, prompts, painter
        self.pictures, self.captions, self.keys = [], [], []

    @torch.no_grad()
    def add(self, count):
        size, rng = self.config["group"], self.scenes.rng
        for _ in range(count // size):
            plans = self.groups.draw(size)
            pictures = to_tensor([self._as_jpeg(self.scenes.render(plan)) for plan in plans])
            ids = torch.stack([self.prompts.batch(self.scenes.captions(plan, CAPTIONS)) for plan in plans])
            chance = rng.random()
            if chance < self.config["repainted"] + self.config["decoded"]:
                latents = self.vae.encode(pictures).latent_dist.mean * self.vae.config.scaling_factor
                if self.painter and chance < self.config["repainted"]:
                    latents = self.painter(latents, ids[:, 0])
                pictures = self.vae.decode(latents / self.vae.config.scaling_factor).sample.float()
            self.pictures.append(torch.from_numpy(to_array(pictures)).permute(0, 3, 1, 2).contiguous())
            self.captions.append(ids.short())
            self.keys.append([hash(self.groups.key(plan)) for plan in plans])
        kept = self.config["kept"] // size
        self.pictures, self.captions, self.keys = self.pictures[-kept:], self.captions[-kept:], self.keys[-kept:]

    def _as_jpeg(self, picture):
        if self.scenes.rng.random() >= self.config["jpeg"]:
            return picture
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=self.scenes.rng.randint(35, 90))
        return Image.open(file)

    def draw(self, count):
        """Pictures N,3,128,128 in [-1, 1], ids of one caption each, keys."""
        rows = torch.randperm(len(self.keys))[: count // self.config["group"]].tolist()
        pictures = torch.cat([self.pictures[row] for row in rows]).float() / 127.5 - 1
        captions = torch.cat([self.captions[row] for row in rows]).long()
        ids = captions[torch.arange(len(captions)), torch.randint(CAPTIONS, (len(captions),))]
        # What follows the first end token decides nothing.
        ids = ids[:, : (ids == self.prompts.end).int().argmax(1).max() + 1]
        return disturbed(pictures), ids, torch.tensor([key for row in rows for key in self.keys[row]])


def disturbed(pictures):
    """Moved, scaled, brighter or darker, some blurred, some noisy."""
    count = len(pictures)
    scale = torch.empty(count).uniform_(0.9, 1.12)
    move = torch.empty(count, 2).uniform_(-0.08, 0.08)
    moves = torch.zeros(count, 2, 3)
    moves[:, 0, 0] = moves[:, 1, 1] = scale
    moves[:, :, 2] = move
    pictures = grid_sample(pictures, affine_grid(moves, pictures.shape, False), padding_mode="border", align_corners=False)
    blurred = slice(0, count // 4)
    small = interpolate(pictures[blurred], scale_factor=random.choice([0.25, 0.375, 0.5, 0.75]), mode="area")
    pictures[blurred] = interpolate(small, size=pictures.shape[-1], mode="bilinear")
    pictures = pictures * torch.empty(count, 1, 1, 1).uniform_(0.85, 1.1) + torch.empty(count, 1, 1, 1).uniform_(-0.08, 0.08)
    noise = 0.1 * torch.rand(count, 1, 1, 1) * (torch.rand(count, 1, 1, 1) < 0.5)
    return (pictures + noise * torch.randn_like(pictures)).clamp(-1, 1)


def contrast(scale, pictures, texts, keys):
    """Symmetric InfoNCE and how often a picture's own caption fits best; other captions of the same content don't count."""
    logits = scale.exp() * pictures @ texts.T
    same = (keys[:, None] == keys[None]) & ~torch.eye(len(keys), dtype=torch.bool)
    logits = logits.masked_fill(same, -1e4)
    goal = torch.arange(len(keys))
    loss = (cross_entropy(logits, goal) + cross_entropy(logits.T, goal)) / 2
    return loss, (logits.argmax(1) == goal).float().mean().item()


def train(given):
    torch.manual_seed(0)
    random.seed(0)
    text = given.stage.read_text()
    stage = tomllib.loads(text)
    config, folder = stage["train"], given.work / "runs/clip"
    precision = getattr(torch, config["precision"])
    prompts, vae = Prompts(given.work / "ckpt/tokenizer"), load_vae(given.work / "ckpt/vae")
    clip = new_clip(stage["model"], prompts.size)
    if given.words:
        start_words(clip, given.words)
    tables = [p for name, p in clip.named_parameters() if "embedding" in name]
    parameters = list(clip.parameters())
    optimiser = MuonAdam(parameters, config["rate"], adam_only=tables, precision=precision)
    average = [parameter.detach().clone() for parameter in parameters]
    step, before, stops = 0, 0.0, 0
    if (folder / "state.pt").exists():
        state = torch.load(folder / "state.pt", weights_only=False)
        clip.load_state_dict(state["clip"])
        optimiser.load_state_dict(state["optimiser"])
        average, step, before, stops = state["average"], state["step"], state["cpu"], state["stops"] + 1
    torch.manual_seed(stops)
    scenes = Scenes(given.work, stage["scene"], seed=21 + 1000 * stops, held_out=False)
    painter = Repainter(given.painter, config["levels"]) if given.painter else None
    pool = Pool(stage, scenes, vae, prompts, painter)
    clock = cpu_seconds()

    def spent():
        return before + cpu_seconds() - clock

    def save():
        state = {"clip": clip.state_dict(), "optimiser": optimiser.state_dict(), "average": average}
        save_atomically(folder / "state.pt", state | {"step": step, "cpu": spent(), "stops": stops, "stage": text})

    def autocast():
        return torch.autocast("cpu", precision, enabled=precision != torch.float32)

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    with autocast():
        pool.add(config["fill"])
    saved, losses, best = spent(), [], []
    while not stop and spent() < given.max_cpu:
        with autocast():
            pool.add(config["fresh"])
            pictures, ids, keys = pool.draw(config["batch"])
            seen, said = image_features(clip, pictures), text_features(clip, ids)
        loss, right = contrast(clip.logit_scale, seen, said, keys)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = config["rate"] * min(1, (step + 1) / config["warm_up"]) * max(0.0, 1 - spent() / given.max_cpu)
        optimiser.step()
        step += 1
        with torch.no_grad():
            clip.logit_scale.clamp_(max=np.log(100))
            torch._foreach_lerp_(average, parameters, 1 - min(config["ema"], (1 + step) / (10 + step)))
        losses.append(loss.item())
        best.append(right)
        if step % 20 == 0:
            row = {"step": step, "cpu_seconds": round(spent()), "loss": f"{np.mean(losses):.3f}"}
            append_row(folder / "curve.csv", row | {"best_of_batch": f"{np.mean(best):.3f}"})
            losses, best = [], []
        if spent() - saved > given.save_every:
            save()
            saved = spent()
    save()


def export(given):
    stage = tomllib.loads(given.stage.read_text())
    state = torch.load(given.work / "runs/clip/state.pt", weights_only=False)
    tokenizer = given.work / "ckpt/tokenizer"
    clip = new_clip(stage["model"], Prompts(tokenizer).size)
    with torch.no_grad():
        for parameter, mean in zip(clip.parameters(), state["average"], strict=True):
            parameter.copy_(mean)
    aside = given.to.with_name(given.to.name + ".writing")
    shutil.rmtree(aside, ignore_errors=True)
    clip.half().save_pretrained(aside)
    settings = json.loads((aside / "config.json").read_text())
    (aside / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    (aside / "preprocessor_config.json").write_text(json.dumps(preprocessor(stage["model"]["side"]), indent=2) + "\n")
    for path in tokenizer.iterdir():
        shutil.copy(path, aside / path.name)
    shutil.rmtree(given.to, ignore_errors=True)
    aside.rename(given.to)
    print(f"{given.to}: {sum(path.stat().st_size for path in given.to.iterdir()) / 1e6:.1f} MB")


class Ranker:
    """An exported folder: how well pictures fit captions."""

    def __init__(self, folder):
        self.clip = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.prompts = Prompts(folder)

    @torch.no_grad()
    def seen(self, pictures):
        return torch.cat([image_features(self.clip, part) for part in pictures.split(64)])

    @torch.no_grad()
    def said(self, texts):
        return text_features(self.clip, self.prompts.batch(texts))


def retrieval(ranker, questions, plans, language):
    """Shares of pictures whose caption, and of captions whose picture, is the best of 100."""
    pictures = ranker.seen(to_tensor([questions.scenes.render(plan) for plan in plans]))
    table = pictures @ ranker.said([questions.caption(plan, language) for plan in plans]).T
    rng, hits = random.Random(5), {False: [], True: []}
    for i in range(len(plans)):
        others = rng.sample([j for j in range(len(plans)) if j != i], 99)
        hits[False].append((table[i, i] > table[i, others].max()).item())
        hits[True].append((table[i, i] > table[others, i].max()).item())
    return hits


def measure(given):
    from judge import LAYOUTS, PAINTED, answers, load_judge
    from measure import KINDS, Painter, Questions, judged

    questions, ranker = Questions(given.work), Ranker(given.clip)
    asked = {kind: questions.held_out(kind, count) for kind, count in KINDS.items()}
    plans = [plan for group in asked.values() for plan in group]
    kinds = [kind for kind, group in asked.items() for _ in group]
    print("| combinations left out | " + " | ".join([*asked, "all"]) + " |")
    print("|---" * (len(asked) + 2) + "|")
    for language in ("en", "zh"):
        for turned, hits in retrieval(ranker, questions, plans, language).items():
            shares = [np.mean([hit for hit, one in zip(hits, kinds) if one == kind]) for kind in asked] + [np.mean(hits)]
            name = f"{'caption → picture' if turned else 'picture → caption'}, {language}"
            print(f"| {name} | " + " | ".join(f"{share:.0%}" for share in shares) + " |", flush=True)
    if not given.model:
        return
    judge, _ = load_judge(given.work)
    painter = Painter(given.model)
    heads = {"colour": (3, PAINTED), "count": (2, LAYOUTS)}
    print("\n| asked for | prompts | seeds | answer | the first | mean of all | best by CLIP | one of them at least |")
    print("|---|---|---|---|---|---|---|---|")
    for kind, (head, _) in heads.items():
        for language in given.languages.split(","):
            chosen = asked[kind][:: given.part]
            texts = [questions.caption(plan, language) for plan in chosen]
            pictures = painter.paint([text for text in texts for _ in range(given.seeds)], given.steps)
            fits = (ranker.seen(pictures).view(len(texts), given.seeds, -1) @ ranker.said(texts)[:, :, None])[..., 0]
            _, logits = judged(judge, pictures)
            truth = torch.tensor([answers(plan) for plan in chosen for _ in range(given.seeds)])
            right = [(one.argmax(1) == t).view(len(texts), -1) for one, t in zip(logits, truth.T)]
            both = right[head] & right[0] & right[1]
            for name, table in ((kind, right[head]), (f"{kind} and thing", both)):
                best = table[torch.arange(len(texts)), fits.argmax(1)].float().mean()
                cells = [table[:, 0].float().mean(), table.float().mean(), best, table.any(1).float().mean()]
                shares = " | ".join(f"{cell:.0%}" for cell in cells)
                print(f"| {kind}, {language} | {len(texts)} | {given.seeds} | {name} | {shares} |", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=["train", "export", "measure"])
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--stage", type=Path, default=RECIPE / "stages/clip.toml")
    options.add_argument("--max-cpu", type=float, default=400, help="CPU seconds of the whole run")
    options.add_argument("--save-every", type=float, default=60, help="CPU seconds")
    options.add_argument("--words", type=Path, help="diffusers folder whose token table to start from")
    options.add_argument("--painter", type=Path, help="diffusers folder whose U-Net repaints part of the pictures")
    options.add_argument("--to", type=Path, help="folder to export to")
    options.add_argument("--clip", type=Path, help="exported folder to measure")
    options.add_argument("--model", type=Path, help="diffusers folder that paints what is ranked")
    options.add_argument("--steps", type=int, default=10)
    options.add_argument("--seeds", type=int, default=8)
    options.add_argument("--part", type=int, default=4, help="paint every so-manieth prompt")
    options.add_argument("--languages", default="en")
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    be_polite()
    torch.set_num_threads(given.threads)
    {"train": train, "export": export, "measure": measure}[given.what](given)


if __name__ == "__main__":
    main()
