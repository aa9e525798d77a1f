"""The report in a browser: charts drawn, nothing fetched, hostile names harmless, readable small and in the dark."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import outcross

HOSTILE = "<img src=x onerror=alert(1)>"
QUOTED = "\"'></script><script>alert(2)</script>{{7*7}}"
ARMS = {HOSTILE: {"policy": {"kind": "replace"}}, QUOTED: {"policy": {"kind": "mix", "real": 0.1}}}
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --allow-file-access-from-files --virtual-time-budget=8000 "
    "--window-size=1300,1000"
).split()
DARK = "--blink-settings=preferredColorScheme=0"
MEGABYTE = 1 << 20
DAMAGED: dict[str, Callable[[str], str]] = {
    "a byte of the bundle": lambda text: text.replace("vegaEmbed=", "vegaEmbad=", 1),
    "the whole bundle": lambda text: re.sub(r"<script>(?!//).*?</script>", "<script></script>", text, flags=re.DOTALL),
    "its digest in the policy": lambda text: re.sub(r"(script-src \S*?sha256-)....", r"\1AAAA", text, count=1),
}

Look = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def chromium() -> str:
    """The browser; where there is none these tests are skipped, but not in CI."""
    found = shutil.which("chromium")
    if found is None:
        lacking = "no `chromium` on the path: the page cannot be shown; `apt-get install chromium` gets it"
        if os.environ.get("CI") == "true":
            pytest.fail(lacking)
        pytest.skip(lacking)
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small run, whose arms have hostile names."""
    small = ("chains=4", "generations=60", "samples=200", "floor=4", "snapshots.chains=1", f"arms={json.dumps(ARMS)}")
    result = outcross.run("gmm", small, out=tmp_path_factory.mktemp("runs"), workers=1)
    return result.directory / "report.html"


@pytest.fixture(scope="module")
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def look(chromium: str, page: Path, tmp_path_factory: pytest.TempPathFactory) -> Look:
    """`look(width, dark, text)`: what the page, or a changed copy of it, looks like; each is loaded once."""
    folder = tmp_path_factory.mktemp("browser")
    known: dict[tuple[int, bool, str | None], dict[str, Any]] = {}

    def show(width: int = 1200, dark: bool = False, text: str | None = None) -> dict[str, Any]:
        key = (width, dark, text)
        if key not in known:
            shown = page
            if text is not None:
                shown = folder / "copy.html"
                shown.write_text(text, encoding="utf-8")
            known[key] = _seen(chromium, folder, shown, width, dark)
        return known[key]

    return show


def _seen(chromium: str, folder: Path, page: Path, width: int, dark: bool) -> dict[str, Any]:
    probe = folder / "probe.html"
    template = Path(__file__).with_name("probe.html").read_text(encoding="utf-8")
    probe.write_text(template.replace("WISH", json.dumps({"page": page.as_uri(), "width": width})), encoding="utf-8")
    words = [chromium, *FLAGS, *([DARK] if dark else []), f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run([*words, probe.as_uri()], capture_output=True, timeout=60, check=True)
    facts = re.search(r'<pre id="facts">(.*?)</pre>', done.stdout.decode(), re.DOTALL)
    assert facts, f"the page did not load: {done.stderr.decode()[-500:]}"
    found: dict[str, Any] = json.loads(unescape(facts[1]))
    assert "error" not in found, found["error"]
    return found


class Addresses(HTMLParser):
    """Whatever in a page is an address that a browser would load or follow."""

    ATTRIBUTES = ("src", "srcset", "href", "xlink:href", "action", "formaction", "data", "poster", "background")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        named = {name: value or "" for name, value in attrs}
        self.found += [value for name, value in named.items() if name in self.ATTRIBUTES]
        if named.get("http-equiv", "").lower() == "refresh":
            self.found.append(named.get("content", ""))
        for value in (v for v in named.values() if "url(" in v):
            self._css(value)

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            self._css(data)

    def _css(self, text: str) -> None:
        self.found += [u.strip(" \"'") for u in re.findall(r"url\(([^)]*)\)", text)]
        self.found += re.findall(r"@import[^;]*", text)

    @property
    def external(self) -> list[str]:
        return [address for address in self.found if not address.startswith(("#", "data:"))]


def test_every_chart_is_drawn(look: Look) -> None:
    seen = look()
    assert seen["undrawn"] == []
    assert seen["marks"] == seen["charts"] >= 10


def test_every_chart_is_drawn_on_a_narrow_dark_page(look: Look) -> None:
    seen = look(380, dark=True)
    assert seen["undrawn"] == []
    assert seen["marks"] == seen["charts"] >= 10


@pytest.mark.parametrize("what", DAMAGED)
def test_charts_that_a_broken_bundle_leaves_undrawn_are_seen(look: Look, text: str, what: str) -> None:
    copy = DAMAGED[what](text)
    assert copy != text
    seen = look(text=copy)
    assert len(seen["undrawn"]) == seen["charts"] >= 10
    assert all(said.startswith("This chart cannot be drawn here") for said in seen["said"])


def test_one_chart_that_fails_says_so_and_leaves_the_others(look: Look, text: str) -> None:
    broken = re.sub(r'(id="chart-2-1">).*?(</script>)', r"\1{not JSON\2", text, count=1)
    empty = re.sub(r'(id="chart-2-2">.*?"rows":)\[.*?\]', r"\1[]", broken, count=1)
    seen = look(text=empty)
    assert seen["undrawn"] == ["chart-2-1", "chart-2-2"], "the second has axes, but no data"
    assert "cannot be drawn" in seen["said"][0]
    assert "table" in seen["said"][0]


def test_the_page_holds_no_external_address(text: str) -> None:
    addresses = Addresses(text)
    assert len(addresses.found) >= 10, "links within the page and pictures of densities"
    assert addresses.external == []


@pytest.mark.parametrize(
    "planted",
    [
        '<script src="https://example.org/x.js"></script>',
        '<a href="//example.org">x</a>',
        "<style>@import 'https://example.org/x.css';</style>",
        '<p style="background: url(http://example.org/x.png)">x</p>',
        '<meta http-equiv="refresh" content="0; url=https://example.org">',
    ],
)
def test_an_external_address_would_be_found(text: str, planted: str) -> None:
    assert Addresses(text.replace("</main>", f"{planted}</main>")).external != []


def test_the_page_loads_nothing(look: Look) -> None:
    assert look()["loaded"] == []


def test_the_policy_lets_only_the_pages_own_scripts_run(look: Look, text: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy, "no Content-Security-Policy"
    rules = {name: values for name, *values in (rule.split() for rule in unescape(policy[1]).split(";"))}
    assert rules["default-src"] == ["'none'"]
    assert all(v.startswith("'sha256-") or v == "'unsafe-eval'" for v in rules["script-src"])
    assert rules["img-src"] == ["data:"]
    assert not {"connect-src", "font-src", "frame-src", "object-src"} & rules.keys(), "they take the default, none"
    assert look()["injected"] is False
    open_page = text.replace(policy[0], 'name="x" content=""')
    assert look(text=open_page)["injected"] is True, "a script runs where there is no policy"


def test_hostile_names_of_arms_appear_as_text_only(look: Look, text: str) -> None:
    seen = look()
    assert seen["arms"] == [HOSTILE, QUOTED]
    assert seen["foreign"] == []
    assert HOSTILE not in text
    assert QUOTED not in text
    assert any(HOSTILE in name for _, name in seen["alternatives"])


def test_a_tooltip_shows_a_hostile_name_as_text(look: Look) -> None:
    assert HOSTILE in look()["tooltip"]


def test_every_tick_is_labelled_with_its_value(look: Look) -> None:
    ticks = look()["ticks"]
    assert len(ticks) >= 50
    assert [(label, value) for label, value in ticks if _number(label) != pytest.approx(value, rel=0.01)] == []


def _number(label: str) -> float:
    plain = label.replace(",", "").replace("\N{MINUS SIGN}", "-")
    return float(plain.removesuffix(" %")) / 100 if plain.endswith(" %") else float(plain)


def test_the_verdict_comes_before_the_first_figure(look: Look) -> None:
    assert look()["verdictFirst"]


@pytest.mark.parametrize("width", [320, 380, 768])
def test_nothing_overflows_a_narrow_page(look: Look, width: int) -> None:
    seen = look(width, dark=width == 380)
    assert seen["width"] >= width - 20
    assert seen["needs"] <= seen["width"]
    assert not seen["hidden"], "what is cut off would not count"


def test_an_overflow_would_be_seen(look: Look, text: str) -> None:
    wide = text.replace("</main>", '<div style="width: 500px">x</div></main>')
    assert look(380, text=wide)["needs"] > 380


def test_a_dark_page_has_other_colours(look: Look) -> None:
    light, dark = look(), look(dark=True)
    assert (light["paper"], light["ink"]) != (dark["paper"], dark["ink"])
    assert _brightness(light["paper"]) > _brightness(light["ink"])
    assert _brightness(dark["paper"]) < _brightness(dark["ink"])


def _brightness(colour: str) -> int:
    return sum(int(v) for v in re.findall(r"\d+", colour)[:3])


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_text_is_readable(look: Look, dark: bool) -> None:
    seen = look(dark=dark)
    assert len(seen["texts"]) > 500
    assert [(round(ratio, 2), text) for ratio, text in seen["texts"] if ratio < 4.5] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_lines_of_the_first_arms_stand_out(look: Look, dark: bool) -> None:
    lines = look(dark=dark)["lines"]
    assert len(lines) >= 10
    assert min(lines) >= 3.0


def test_every_figure_has_a_text_alternative(look: Look) -> None:
    seen = look()
    alternatives = seen["alternatives"]
    assert len(alternatives) == seen["charts"] + 1, "the charts and the drawing of densities"
    assert {role for role, _ in alternatives} == {"img"}
    told = [name for _, name in alternatives]
    assert len(set(told)) == len(told), "each its own"
    assert all(HOSTILE in name or QUOTED in name for name in told), "each says of which arm"


def test_the_page_is_small(page: Path) -> None:
    assert page.stat().st_size < 3 * MEGABYTE
