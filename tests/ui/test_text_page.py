"""Text on the page: drawn wide and narrow, continuations as a table, and whatever a text says stays text."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_page import Addresses, _seen, chromium  # noqa: F401  a fixture

import outcross
from outcross.api import Result
from outcross.measures import continuations

HOSTILE = (
    "<script>window.__pwned=1</script>",
    "<script>document.body.append(document.createElement('iframe'))</script>",
    "</script><script>document.body.append(document.createElement('iframe'))</script>",
    "<img/src=x/onerror=document.body.append(document.createElement('object'))>",
    "<svg/onload=document.body.append(document.createElement('object'))>x",
    "<a/href=https://example.com>away</a>",
    "</td></table></div><iframe>",
    "<!--",
    "&lt;b&gt;",
    "a{{7*7}}b{%raw%}c",
    "'\"><b>x",
    "https://example.com/" + "long" * 60,  # what cannot be broken must not widen the page
)
SMALL = ("generations=3", "chains=2", "samples=120", "floor=2", "snapshots.chains=1")


def ran(folder: Path, settings: tuple[str, ...]) -> Result:
    return outcross.run("lm", [*SMALL, *settings], out=folder, workers=1)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Python's reference, every word of whose text is the page's own."""
    return ran(tmp_path_factory.mktemp("plain"), ("source.block=32", "source.measured=40"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A text of the user's, half of whose words are markup."""
    folder = tmp_path_factory.mktemp("hostile")
    words = [*HOSTILE, *(f"w{i}" for i in range(len(HOSTILE), 60))]
    share = 1.0 / np.arange(1, len(words) + 1)
    picked = np.random.default_rng(0).choice(len(words), size=(90, 30), p=share / share.sum())
    (folder / "own.txt").write_text("\n\n".join(" ".join(words[k] for k in row) for row in picked), encoding="utf-8")
    source = f"source={{kind: text, path: '{folder / 'own.txt'}', block: 16, measured: 40}}"
    return ran(folder, (source,))


def read(result: Result) -> str:
    return (result.directory / "report.html").read_text(encoding="utf-8")


def said(result: Result) -> list[tuple[str, str]]:
    """Prompts and what generation 0 made of them."""
    return continuations.read(result.frame.reader.arrays((0, 0), 0, "measure/continuations")[""])


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (380, True)])
@pytest.mark.parametrize("name", ["plain", "hostile"])
def test_a_run_on_text_is_drawn(
    chromium: str,  # noqa: F811
    request: pytest.FixtureRequest,
    tmp_path: Path,
    name: str,
    width: int,
    dark: bool,
) -> None:
    result: Result = request.getfixturevalue(name)
    seen: dict[str, Any] = _seen(chromium, tmp_path, result.directory / "report.html", width, dark)
    assert seen["undrawn"] == []
    assert seen["marks"] == seen["charts"] >= 10
    assert seen["needs"] <= seen["width"]
    assert [(round(ratio, 2), text) for ratio, text in seen["texts"] if ratio < 4.5] == []
    assert seen["loaded"] == [], "nothing is fetched"
    assert seen["foreign"] == [], "no element that a text asks for"
    assert seen["injected"] is False
    shown = "".join("".join(text.split()) for _, text in seen["texts"])  # a word that may break is in pieces
    assert ".Thesameprompt,continuedby" in shown
    assert "".join(said(result)[0][1][:40].split()) in shown, "the table of continuations shows"


def test_continuations_are_a_table_with_the_prompt_as_its_caption(plain: Result) -> None:
    text = read(plain)
    figure = re.search(r"<figure[^>]*>\s*<h3>\d+\. The same prompt, continued.*?</figure>", text, re.DOTALL)
    assert figure
    rows = re.findall(r"<tr><th scope=\"row\"[^>]*>(.*?)</th>", figure[0])
    assert rows == ["replace"] * 3 + ["mix10"] * 3
    bare = unescape(re.sub(r"<wbr>|\u200b|\u00ad", "", figure[0]))
    prompt, made = said(plain)[0]
    assert prompt[:200] in bare
    assert made[:200] in bare
    assert "<details open>" in figure[0]


def test_a_page_with_text_fetches_nothing(plain: Result, hostile: Result) -> None:
    for result in (plain, hostile):
        assert Addresses(read(result)).external == []


def test_what_a_text_says_stays_text(plain: Result, hostile: Result) -> None:
    text = read(hostile)
    assert "window.__pwned" in unescape(text), "the text is there"
    for word in HOSTILE[:7]:
        assert word not in text
    assert "7*7" in text
    assert "a49b" not in text
    tags = [sorted(re.findall(r"<(script|iframe|object|img)\b", read(result))) for result in (plain, hostile)]
    assert tags[0] == tags[1], "as many scripts as without such words"


def test_titles_state_what_became_of_text_and_captions_what_they_rest_on(plain: Result) -> None:
    text = read(plain)
    for start in (
        "The perplexity of what is written, to generation 0,",
        "The share of blocks that are too likely",
        "The vocabulary that is left",
        "The number of different words",
    ):
        assert re.search(rf"<h3>\d+\. {start}", text), start
    assert "of text, early collapse is less than 0.45 of the floor" in text
    assert "perplexity: 40 held-out blocks of 32 tokens" in text
    assert "Shumailov et al. 2024, figure 1b and c" in text


def test_figures_on_disk_hold_no_markup_of_a_text(hostile: Result) -> None:
    for name in ("perplexity", "perplexity-3d", "rare-words", "type-token"):
        svg = (hostile.directory / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        assert "currentColor" not in svg
        assert "var(--" not in svg
        assert "<script" not in svg
