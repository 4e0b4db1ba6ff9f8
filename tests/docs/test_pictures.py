"""The pictures are made of what the code draws today, for light and dark pages, and load nothing."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.pictures import MADE_FROM, PICTURES, digest, made_from
from scripts.readme import DOCUMENTS

NOTED: Mapping[str, Mapping[str, str]] = json.loads(MADE_FROM.read_text(encoding="utf-8"))
SHOWN = [
    (document, shown)
    for document in DOCUMENTS
    for shown in re.findall(r"<picture>.*?</picture>", document.read_text(encoding="utf-8"), re.DOTALL)
]
LARGEST = 200_000


@pytest.fixture(scope="module")
def sources() -> Mapping[str, str]:
    return made_from()


def test_every_picture_is_made_of_what_is_drawn_today(sources: Mapping[str, str]) -> None:
    stale = [name for name, source in sources.items() if NOTED.get(name, {}).get("made_from") != source]
    assert stale == [], "run .venv/bin/python -m scripts.pictures, and look at them"


def test_the_pictures_that_are_there_are_the_ones_that_were_made(sources: Mapping[str, str]) -> None:
    there = {path.name: digest(path.read_bytes()) for path in PICTURES.iterdir() if path != MADE_FROM}
    assert there == {name: noted["picture"] for name, noted in NOTED.items()}
    assert there.keys() == sources.keys()


def test_a_drawing_is_its_own_source(sources: Mapping[str, str]) -> None:
    """So a change to a recording, to a drawing or to its words changes its digest."""
    drawn = {name for name in sources if name.endswith(".svg")}
    assert {name: NOTED[name]["picture"] for name in drawn} == {name: sources[name] for name in drawn}


@pytest.mark.parametrize("path", sorted(PICTURES.glob("*.[ps][nv]g")), ids=lambda path: path.name)
def test_a_picture_is_small_and_loads_nothing(path: Path) -> None:
    content = path.read_bytes()
    assert len(content) < LARGEST
    if path.suffix == ".svg":
        text = content.decode().replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?:|//|@font-face|@import|<script|<image|href=", text)


@pytest.mark.parametrize(("document", "shown"), SHOWN)
def test_a_picture_has_a_light_and_a_dark_source_and_is_told_in_words(document: Path, shown: str) -> None:
    sources = dict(re.findall(r'prefers-color-scheme: (\w+)\)" srcset="([^"]+)"', shown))
    [(words, fallback)] = re.findall(r'<img alt="([^"]+)" src="([^"]+)"', shown)
    assert sources["light"] == fallback == sources["dark"].replace("-dark.", "-light.")
    assert all((document.parent / path).is_file() for path in sources.values())
    assert len(words.split()) > 10


def test_every_picture_is_shown_somewhere() -> None:
    named = {Path(path).name for _, shown in SHOWN for path in re.findall(r'srcset="([^"]+)"', shown)}
    assert named == NOTED.keys()


def test_the_first_picture_of_the_readme_is_on_its_first_screen() -> None:
    readme = DOCUMENTS[0].read_text(encoding="utf-8")
    assert readme.index("<picture>") < readme.index("<!-- begin counting -->") < readme.index("make demo")
