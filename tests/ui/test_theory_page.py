"""Theory and the tail observatory on the page: drawn where an oracle covers the run, said where none does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from test_page import HOSTILE, QUOTED, _seen, chromium  # noqa: F401  a fixture

import outcross
from outcross.api import Result
from outcross.core.rng import Stream
from outcross.core.statistics import Counts
from outcross.families.categorical import CategoricalModel

ARMS = {HOSTILE: {"policy": {"kind": "replace"}}, QUOTED: {"policy": {"kind": "mix", "real": 0.2, "anchor": "fresh"}}}
CATEGORIES = [
    "source.kind=zipf", "source.categories=800", "learner.kind=categorical", "samples=4000", "generations=60",
    "chains=8", "floor=4", f"arms={json.dumps(ARMS)}",
]  # fmt: skip


@pytest.fixture(scope="module")
def categories(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return outcross.run("gmm", CATEGORIES, out=tmp_path_factory.mktemp("categories"), workers=1)


def read(result: Result) -> str:
    return (result.directory / "report.html").read_text(encoding="utf-8")


def charts(text: str) -> list[dict[str, object]]:
    return [json.loads(m) for m in re.findall(r'id="chart-\d+-\d+">(.*?)</script>', text)]


def section(text: str, name: str = "theory") -> str:
    found = re.search(rf'<section id="{name}">.*?</section>', text, re.DOTALL)
    assert found, f"no section {name}"
    return found[0]


def _dashed(layer: object) -> bool:
    return isinstance(layer, dict) and layer["mark"].get("strokeDash") == [5, 3]


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (380, True)])
def test_a_run_on_categories_is_drawn(
    chromium: str,  # noqa: F811
    categories: Result,
    tmp_path: Path,
    width: int,
    dark: bool,
) -> None:
    seen = _seen(chromium, tmp_path, categories.directory / "report.html", width, dark)
    assert seen["undrawn"] == []
    assert seen["marks"] == seen["charts"] >= 9
    assert seen["needs"] <= seen["width"]
    assert [(round(ratio, 2), text) for ratio, text in seen["texts"] if ratio < 4.5] == []


def test_theory_is_a_dashed_line_in_a_band_beside_every_z(categories: Result) -> None:
    text = read(categories)
    assert f"All {len(categories.theory.predictions)} predictions of theory hold" in text
    assert categories.theory.sentence.removeprefix("theory: ") in section(text)
    dashed = [c for c in charts(text) if any(_dashed(layer) for layer in c.get("layer", []))]
    assert len(dashed) == 3  # the levels of both arms in one, extinction in two
    assert any({"z", "q"} <= set(row) for c in charts(text) for rows in c["datasets"].values() for row in rows)


def test_rare_categories_die_as_chance_has_it_and_slower_with_real_data(categories: Result) -> None:
    title = next(t for t in re.findall(r"<h3>\d+\. (.*?)</h3>", read(categories)) if "rare categories are lost" in t)
    assert "as chance alone loses them" in title
    assert "slower than chance, as real data come back" in title
    assert "Where real data come back, the dashed lines say what would be lost without them" in read(categories)
    assert "<img src=x" not in read(categories)


def test_numeric_figures_stay_off_a_page_of_categories(categories: Result) -> None:
    titles = re.findall(r"<h3>\d+\. (.*?)</h3>", read(categories))
    assert not any(
        word in title for title in titles for word in ("Density", "Tail mass", "Generalised", "has no number")
    )
    assert any("Heterozygosity" in title for title in titles)
    verdict = section(read(categories), "verdict")
    assert "rare mass halved" in verdict
    assert "heterozygosity below 0.5" in verdict
    assert "generalised variance" not in verdict
    assert "models fitted on real rows)" in verdict
    assert "shape" not in verdict


def test_numbers_are_not_told_in_words_of_categories(tmp_path: Path) -> None:
    settings = ["chains=2", "generations=5", "floor=0", "samples=100"]
    verdict = section(read(outcross.run("gmm", settings, out=tmp_path, workers=1)), "verdict")
    assert "variance halved" in verdict
    assert "categories" not in verdict
    assert "e-1" not in verdict, "what is rounding is 0"
    assert "the chains' own generation 0" in verdict


def test_a_run_that_no_oracle_covers_says_so_and_draws_none(tmp_path: Path) -> None:
    settings = ["chains=2", "generations=5", "floor=0", "samples=100", "measures=[moments,distance]"]
    result = outcross.run("gmm", settings, out=tmp_path, workers=1)
    assert "No oracle covers this run" in section(read(result))
    assert "<figure" not in section(read(result))
    assert result.json()["theory"] == []
    assert result.json()["theory_ok"] is None


def test_a_run_with_too_few_chains_is_not_called_uncovered(tmp_path: Path) -> None:
    few = [*CATEGORIES, "chains=1", "generations=5", "measures=[categories]"]
    result = outcross.run("gmm", few, out=tmp_path, workers=1)
    assert "Nothing can be tested here; it takes 8 chains" in section(read(result))
    assert "<figure" not in section(read(result))


def test_the_legend_of_theory_names_only_cells_that_an_oracle_covers(tmp_path: Path) -> None:
    settings = ["source.kind=linear", "learner.kind=regression", "chains=8", "generations=10", "floor=0"]
    text = section(read(outcross.run("gmm", settings, out=tmp_path, workers=1)))
    legend = re.findall(r"<circle.*?</svg>(.*?)</li>", text)
    assert legend == ["replace"]
    assert "No oracle covers mix10." in text


def test_pools_that_grow_are_not_held_to_a_law_of_pools_of_one_size(tmp_path: Path) -> None:
    arms = json.dumps({"replace": {"policy": {"kind": "replace"}}})
    settings = [*CATEGORIES, "samples={start: 2000, growth: linear}", "generations=20", f"arms={arms}"]
    result = outcross.run("gmm", settings, out=tmp_path, workers=1)
    assert result.theory.holds
    assert {p.oracle for _, p in result.theory.predictions} == {"D1"}
    assert "with no law of chance to compare with" in read(result)


def test_a_run_that_leaves_theory_says_so_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = CategoricalModel.statistics

    def sharpened(self: CategoricalModel, n: int, rng: Stream) -> Counts:
        weights = self.counts.astype(float) ** 1.1
        return honest(CategoricalModel((weights / weights.sum() * 1e9).round().astype(int)), n, rng)

    monkeypatch.setattr(CategoricalModel, "statistics", sharpened)
    result = outcross.run("gmm", CATEGORIES, out=tmp_path, workers=1)
    text = read(result)
    assert "the run leaves theory</h1>" in text
    assert 'class="theory left"' in section(text)
    assert "The run leaves theory at generation" in section(text)
    badges = re.findall(r"<strong>(.*?)</strong>.*?(?:badge (left)|</p>)", section(text, "verdict"), re.DOTALL)
    assert [bool(left) for _, left in badges] == [bool(result.theory.fault(c)) for c in range(2)]
    assert "faster than chance" in text
    assert "LEAVES THEORY" in str(result)
