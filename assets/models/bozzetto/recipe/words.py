"""Write the words that captions are made of, which are the words that mean something to Bozzetto: words.txt.

A program that reads it can say which words of a prompt the model cannot know. English words stand alone, Chinese
phrases as captions have them.

    python words.py --stage stages/objects-6.toml --to DIR/export/bozzetto/words.txt
"""

import argparse
import re
import tomllib
from pathlib import Path

from backgrounds import COLOURS
from common import RECIPE
from scene import COLOUR_BACKGROUND_EN, COLOUR_BACKGROUND_ZH, PLACES, STYLES, plural

ENGLISH = ["a an and next to two three"]
CHINESE = ["的", "在", "和", "与", "旁边是", "旁边", "一个", "两个", "三个"]


def taught(scene):
    """English and Chinese, in order, of the stage's things, styles and places."""
    concepts = tomllib.loads((RECIPE / "concepts.toml").read_text())["concept"]
    concepts = [concept for concept in concepts if concept["tier"] <= scene["tier"]]
    texts = ENGLISH + CHINESE + COLOUR_BACKGROUND_EN + COLOUR_BACKGROUND_ZH
    for concept in concepts:
        texts += concept["en"] + [plural(name) for name in concept["en"]] + concept["zh"]
    for english, (chinese, short, _) in COLOURS.items():
        texts += [english, chinese, short]
    for english, chinese in [*PLACES.values(), *(STYLES[style] for style in scene["styles"])]:
        texts += english + chinese
    words, phrases = set(), set()
    for text in texts:
        words.update(re.findall(r"[a-z0-9]+", re.sub(r"\{\d?\}", " ", text).lower()))
        for phrase in re.findall(r"[\u4e00-\u9fff]+", text):
            phrases.add(phrase)
            phrases.add(phrase.removeprefix("在").removesuffix("的"))
    return sorted(words) + sorted(filter(None, phrases))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--stage", type=Path, required=True)
    options.add_argument("--to", type=Path, required=True)
    given = options.parse_args()
    words = taught(tomllib.loads(given.stage.read_text())["scene"])
    given.to.write_text("# The words that Bozzetto was taught; written by recipe/words.py.\n" + "\n".join(words) + "\n")
    print(len(words), "words")


if __name__ == "__main__":
    main()
