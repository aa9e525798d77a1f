"""Images on the page: drawn in light and dark, wide and narrow, with hostile names of arms, and nothing fetched."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from test_page import HOSTILE, QUOTED, Addresses, _seen, chromium  # noqa: F401  a fixture

import outcross
from outcross.api import Result

ARMS = {HOSTILE: {"policy": {"kind": "replace"}}, QUOTED: {"policy": {"kind": "mix", "real": 0.2}}}
SMALL = ("generations=2", "chains=2", "samples=300", "learner.epochs=5", "floor=2", "snapshots.chains=1")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Result:
    settings = [*SMALL, f"arms={json.dumps(ARMS)}"]
    return outcross.run("vae", settings, out=tmp_path_factory.mktemp("images"), workers=1)


def read(result: Result) -> str:
    return (result.directory / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (380, True)])
def test_a_run_on_images_is_drawn(
    chromium: str,  # noqa: F811
    images: Result,
    tmp_path: Path,
    width: int,
    dark: bool,
) -> None:
    seen = _seen(chromium, tmp_path, images.directory / "report.html", width, dark)
    assert seen["undrawn"] == []
    assert seen["marks"] == seen["charts"] >= 13
    assert seen["needs"] <= seen["width"]
    assert [(round(ratio, 2), text) for ratio, text in seen["texts"] if ratio < 4.5] == []


def test_pictures_come_with_the_page_and_nothing_is_fetched(images: Result) -> None:
    text = read(images)
    assert Addresses(text).external == []
    assert len(re.findall(r"data:image/png;base64", text)) >= 8  # two arms: real, generations 0 and 2; codes; heat maps
    assert "<script>alert(2)" not in text
    assert "<img src=x" not in text


def test_titles_state_what_became_of_images_and_captions_what_they_rest_on(images: Result) -> None:
    text = read(images)
    for start in (
        "Pixel variance ",
        "Coverage of rare styles ",
        "The spread of mu ",
        "Entropy of the predicted classes ",
    ):
        assert re.search(rf"<h3>\d+\. {start}", text), start
    assert "beside held-out real ones; one chain, so without interval. n = 300" in text
    assert "mean over 2 of 2 chains" in text
    assert "of images, early collapse is coverage of rare styles below 0.45" in text
    assert "held-out images right" in text


def test_files_on_disk_are_drawn_in_plain_colours(images: Result) -> None:
    for name in ("samples", "codes", "latent", "classes"):
        svg = (images.directory / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        assert "currentColor" not in svg
        assert "var(--" not in svg
        assert "<script" not in svg
