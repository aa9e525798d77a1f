"""The page of a run: one self-contained HTML file, made from the store alone. It loads nothing from anywhere.

Verdict first, then figures, then tables, then the evidence. Whatever comes from an experiment is escaped, and the
page's own policy lets no script run but the two it was written with.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from outcross.report import agreement, bands, charts, figures, findings, tables
from outcross.report.charts import Axes, Look, Spec
from outcross.report.curves import CURVES, LEVELS, SHORT, Curves
from outcross.report.frames import Frame
from outcross.report.tables import Table
from outcross.report.verdict import Course, Verdict, courses, verdicts
from outcross.runs.store import io_error, write_atomically
from outcross.theory.live import Level

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

NAME = "report.html"
_HERE = files("outcross.report")


class Panel(NamedTuple):
    """One chart of a figure."""

    heading: str
    alternative: str  # what a reader who cannot see it is told
    spec: Spec


class Figure(NamedTuple):
    """A figure: its finding, its charts or its drawing, what the caption states, and its numbers as a table."""

    title: str
    caption: str
    panels: list[Panel]
    table: Table
    legend: str = "cells"  # which legend: cells, phases, or none
    levels: tuple[str, ...] = ()
    drawing: str = ""


_OBSERVED = 6  # cells whose extinction is drawn
_EDGE = "What is 0 or too small lies on the lower edge of the logarithmic axis."


def write(directory: Path) -> Path:
    """Make the report of a run and return its path. Raises ResourceError if it cannot be written."""
    frame = Frame(directory)
    try:
        text = render(frame)
    finally:
        frame.close()
    path = directory / NAME
    try:
        write_atomically(path, text.encode())
    except OSError as e:
        raise io_error(e, path) from e
    return path


def render(frame: Frame) -> str:
    """The page as text."""
    page = _Page(frame)
    text: str = _environment().get_template("page.html").render(page=page, frame=frame)
    return text


class _Page:
    """What the template asks for."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.looks = charts.looks(frame)
        self.shown = self.looks[: charts.DRAWN]

    @cached_property
    def verdicts(self) -> list[Verdict]:
        return verdicts(self.frame)

    @cached_property
    def courses(self) -> list[list[Course]]:
        return [courses(self.frame, k.cell) for k in self.looks]

    @property
    def headline(self) -> str:
        told = findings.headline(self.frame, [(self.looks[v.cell].label, v.phase) for v in self.verdicts])
        return told if self.frame.theory.holds is not False else f"{told}; the run leaves theory"

    @property
    def policies(self) -> list[str]:
        return [findings.policy(c) for c in self.frame.cells]

    @property
    def progress(self) -> str:
        """How far the run is."""
        e = self.frame.experiment
        total = e.chains * len(self.frame.cells)
        over = sum(status != "running" for _, status, _ in self.frame.chains.values())
        state = "Finished" if over == total else "Under way"
        cells = f" in {len(self.frame.cells):,} cells" if len(self.frame.cells) > 1 else ""
        return f"{state}: {over:,} of {total:,} chains{cells} are at their end, {e.generations:,} generations each."

    @property
    def events(self) -> Table:
        return tables.events(self.frame, self.verdicts, self.courses)

    @cached_property
    def figures(self) -> list[Figure]:
        """Every figure that this run has numbers for."""
        curves = (self._curves(c) for c in CURVES)
        found = [self._densities(), self._agreement(), self._extinction(), *curves, self._phases()]
        return [f for f in found if f is not None]

    def _densities(self) -> Figure | None:
        rows = figures.rows(self.frame, self.looks)
        if not rows:
            return None
        title = figures.title(rows)
        return Figure(
            title, figures.caption(self.frame, rows), [], figures.table(rows), "none", drawing=figures.densities(rows)
        )

    @property
    def theory(self) -> str:
        """The check against theory in one line."""
        return self.frame.theory.sentence

    def _agreement(self) -> Figure | None:
        """Levels inside their predicted bands, and every z."""
        found = self.frame.theory
        if not found.predictions:
            return None
        by_quantity: dict[str, list[tuple[Look, list[Level]]]] = {}
        for look in self.shown:
            if look.cell in found.cells:
                for name, levels in found.cells[look.cell].levels.items():
                    by_quantity.setdefault(name, []).append((look, levels))
        title = agreement.title(found)
        panels = [
            Panel(
                SHORT.get(name, name),
                f"Observed means inside their predicted bands, against generation. {title}.",
                bands.levels(
                    self.frame,
                    checks,
                    LEVELS.get(name, findings.unit_of(self.frame, name) or "relative to the truth"),
                    found.limit,
                ),
            )
            for name, checks in by_quantity.items()
        ]
        panels.append(
            Panel(
                "z of every prediction",
                f"z-scores against generation. {title}.",
                bands.scores(self.frame, self.shown, found),
            )
        )
        table = agreement.table(self.frame, found)
        return Figure(
            title,
            f"{agreement.caption(self.frame, found)} {self._left_out()}".strip(),
            panels,
            table,
            levels=("theory", "limit"),
        )

    def _extinction(self) -> Figure | None:
        """The tail observatory: extinction by rarity beside neutral drift."""
        found = agreement.fates(self.frame, self.shown[:_OBSERVED])
        if not found:
            return None
        title = agreement.fate_title(found, self.frame.theory.limit)
        panels = [
            Panel(
                one.look.label,
                f"Share of categories lost by first copies, against generation. {title}.",
                bands.extinction(self.frame, one.bins),
            )
            for one in found
        ]
        text = agreement.fate_caption(self.frame, found)
        if len(self.looks) > _OBSERVED:
            text += f" The first {_OBSERVED} of {len(self.looks)} cells."
        return Figure(title, text, panels, agreement.fate_table(found), "none")

    def _curves(self, curves: Curves) -> Figure | None:
        there = {s.measure for s in self.frame.summaries}
        chief = findings.deciding(self.frame, curves.measures[:1] + curves.instead)
        wanted = curves.measures if chief == curves.measures[0] else curves.instead + curves.measures
        measures = [m for m in wanted if m in there]
        if not measures:
            return None
        panels = [p for m in measures if (p := self._panel(m, curves.kind))]
        title = findings.title(
            self.frame, curves.noun, findings.deciding(self.frame, measures), range(len(self.looks)), curves.share
        )
        edge = any(charts.touches_edge(self.frame, m) for m in measures) and curves.kind == "log"
        caption = [
            findings.method(self.frame) if panels else "",
            curves.note,
            self._left_out(),
            _EDGE if edge else "",
            f"After {curves.cite}.",
        ]
        return Figure(
            title,
            " ".join(filter(None, caption)),
            panels,
            tables.under(self.frame, measures, self.shown),
            levels=self._level_names(measures),
        )

    def _panel(self, measure: str, kind: Literal["log", "sqrt"]) -> Panel | None:
        q = self.frame.quantities.get(measure)
        heading, unit = SHORT.get(measure, measure), findings.unit_of(self.frame, measure)
        axes = Axes(
            unit or ("relative to the truth" if q and q.unit == "ratio" else q.unit if q else ""),
            kind,
            q.null if q else None,
            tuple(
                sorted({m for k in self.shown if (m := findings.margin_of(self.frame, measure, k.cell)) is not None})
            ),
        )
        spec = charts.series(self.frame, measure, self.shown, axes)
        if spec is None:
            return None
        told = findings.title(self.frame, heading, measure, range(len(self.looks)))
        return Panel(heading, f"Line chart against generation. {told}.", spec)

    def _left_out(self) -> str:
        if len(self.shown) == len(self.looks):
            return ""
        return f"{len(self.shown)} of {len(self.looks)} cells are drawn; the tables below hold all."

    def _level_names(self, measures: Sequence[str]) -> tuple[str, ...]:
        """Which levels the legend explains."""
        named = ["floor"] if any((k.cell, m) in self.frame.floors for k in self.looks for m in measures) else []
        nulls = [q.null for m in measures if (q := self.frame.quantities.get(m))]
        named += ["truth"] if any(n is not None and n > 0.0 for n in nulls) else []
        named += ["margin"] if any(findings.margin_of(self.frame, m, 0) is not None for m in measures) else []
        return tuple(named)

    def _phases(self) -> Figure | None:
        panels, rows = [], []
        for look, verdict in zip(self.shown, self.verdicts, strict=False):
            spec = charts.phases(self.frame, look.cell, self.courses[look.cell])
            if spec is not None:
                told = f"Stacked areas against generation: share of chains in each phase. {look.label}: {verdict.why}."
                panels.append(Panel(look.label, told, spec))
                rows += tables.phases(self.frame, look.cell, self.courses[look.cell])
        if not panels:
            return None
        head = ("cell", "generation", "none", "early", "late", "inconclusive", "ended")
        caption = [
            f"Each chain's phase by the margins above, at every record; n = {findings.sizes(self.frame)} rows a "
            f"generation, {self.frame.experiment.chains:,} chains a cell; shares are of the chains that came "
            "so far or were given up before; the table of the verdict has their intervals at the end. Between records "
            "areas run straight.",
            self._left_out(),
            f"Phases after {findings.PAPER}.",
        ]
        return Figure(
            findings.phases(self.frame, self.verdicts),
            " ".join(filter(None, caption)),
            panels,
            Table(head, rows),
            "phases",
        )

    @property
    def finals(self) -> list[Table]:
        return tables.finals(self.frame)

    @property
    def snapshots(self) -> Table | None:
        return tables.snapshots(self.frame)

    @property
    def ended(self) -> Table | None:
        return tables.ended(self.frame)

    @property
    def citations(self) -> Table:
        return tables.citations(self.frame)

    @property
    def experiment(self) -> str:
        """The experiment file, as written beside the page."""
        return _beside(self.frame, "experiment.yaml") or self.frame.experiment.yaml()

    @property
    def environment(self) -> str:
        return _beside(self.frame, "environment.json") or "not recorded"

    @property
    def digest(self) -> str:
        return self.frame.reader.meta("digest") or ""

    @property
    def notice(self) -> str:
        return _read("static/NOTICE")

    @property
    def config(self) -> Spec:
        return charts.config()

    @cached_property
    def scripts(self) -> list[Markup]:
        """The code of the page, if it has anything to draw: the Vega bundle and what starts it."""
        from markupsafe import Markup

        if not any(f.panels for f in self.figures):
            return []
        bundle = gzip.decompress((_HERE / "static/vega.js.gz").read_bytes()).decode()
        return [Markup(_script_safe(s)) for s in (bundle, _read("static/charts.js"))]

    @property
    def policy(self) -> str:
        """What the page may do: run its own scripts, known by their digests; load nothing."""
        digests = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in self.scripts)
        allowed = " ".join(f"'sha256-{d}'" for d in digests)
        # Vega compiles the expressions of its charts, hence unsafe-eval; they are this package's own
        scripts = f"script-src {allowed} 'unsafe-eval'; " if allowed else ""
        rest = "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
        return f"default-src 'none'; {scripts}{rest}"


def _beside(frame: Frame, name: str) -> str:
    path = frame.directory / name
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _script_safe(code: str) -> str:
    """Code that cannot end the element it stands in; the same code, as `/` may be escaped within strings."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _json(value: Any) -> Markup:
    """JSON for a data block: no NaN, and nothing that could end the block."""
    from markupsafe import Markup

    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _breakable(text: str) -> Markup:
    """Text, escaped, that may break after an underscore: long names would break anywhere otherwise."""
    from markupsafe import Markup, escape

    return escape(text).replace("_", Markup("_<wbr>"))


def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FunctionLoader(lambda name: _read(f"templates/{name}")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # a drawing is this package's own, its text escaped
    environment.filters |= {"json": _json, "drawing": Markup, "breakable": _breakable}
    return environment
