"""Train the tokenizer: CLIP's byte-level BPE, 6144 entries, on the captions and on emoji names.

Han characters are words of their own (as in OpenAI's CLIP tokenizer): otherwise BPE glues whole
phrases into single tokens that share nothing with their parts. tokenizer.json says so with a
Split on Han characters; transformers' CLIPTokenizer ignores that line, so programs must read tokenizer.json
itself or put spaces around Han characters first.

    python tokenizer.py --work DIR
"""

import argparse
import json
import re
import tomllib
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from backgrounds import COLOURS
from common import RECIPE, TOKENS, be_polite
from scene import Scenes

SIZE = 6144
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
HAN = r"\p{Han}"


def space_han(text):
    return re.sub(r"\s+", " ", re.sub(r"([\u3400-\u9fff])", r" \1 ", text)).strip()


def corpus(work):
    """Captions of the widest stage, every emoji's names and keywords in both languages, colours."""
    config = tomllib.loads((RECIPE / "stages/tokenizer.toml").read_text())["scene"]
    scenes = Scenes(work, config, seed=7)
    lines = []
    for _ in range(10_000):
        lines += scenes.draw(captions=6)[1]
    for language in ("en", "zh"):
        data = work / f"npm/node_modules/emojibase-data/{language}/data.json"
        for emoji in json.loads(data.read_text()):
            lines += [emoji["label"].lower()] * 3 + emoji.get("tags", [])
    for english, (chinese, short, _) in COLOURS.items():
        lines += [english, chinese, short] * 50
    return [space_han(line) for line in lines]


def byte_letters():
    """CLIP's printable stand-ins for the 256 bytes, in its order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + n) for n in range(len(others))]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", type=Path, required=True)
    work = options.parse_args().work
    be_polite()

    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix=""))
    bpe.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - 2,
        end_of_word_suffix="</w>",
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=2,
        show_progress=False,
    )
    bpe.train_from_iterator(corpus(work), trainer)

    # CLIP's order: bytes, bytes that end a word, merges, the two marks.
    letters = byte_letters()
    merges = [tuple(merge) for merge in json.loads(bpe.to_str())["model"]["merges"]][: SIZE - 2 - 2 * len(letters)]
    entries = letters + [letter + "</w>" for letter in letters] + [first + second for first, second in merges]
    entries = list(dict.fromkeys(entries)) + [BEGIN, END]
    vocabulary = {entry: number for number, entry in enumerate(entries)}

    folder = work / "ckpt/tokenizer"
    folder.mkdir(parents=True, exist_ok=True)
    fast = CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        bos_token=BEGIN,
        eos_token=END,
        unk_token=END,
        pad_token=END,
        model_max_length=TOKENS,
    )
    fast.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    lines = ["#version: 0.2"] + [" ".join(merge) for merge in merges]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")

    described = json.loads((folder / "tokenizer.json").read_text())
    split = {"type": "Split", "pattern": {"Regex": HAN}, "behavior": "Isolated", "invert": False}
    described["pre_tokenizer"]["pretokenizers"].insert(0, split)
    (folder / "tokenizer.json").write_text(json.dumps(described, ensure_ascii=False))

    ours = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in ("红苹果", "a cat和狗 3D", "蓝色背景上的火箭"):
        assert ours.encode(text).ids == fast(space_han(text))["input_ids"], text
    print(len(vocabulary), "entries,", len(merges), "merges")


if __name__ == "__main__":
    main()
