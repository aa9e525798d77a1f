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
from dataclasses import asdict
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from outcross.core.errors import InputError
from outcross.measures.phase import Signs
from outcross.report import (
    agreement,
    bands,
    charts,
    figures,
    findings,
    groups,
    labels,
    observatory,
    pictures,
    poison,
    samples,
    shares,
    tables,
    writing,
)
from outcross.report.causes import Attribution
from outcross.report.charts import Axes, Look, Spec
from outcross.report.curves import CURVES, SHORT, Curves
from outcross.report.drawing import on_paper
from outcross.report.frames import Frame
from outcross.report.parts import Figure, Panel
from outcross.report.plates import Plate
from outcross.report.tables import Table
from outcross.report.verdict import Course, Verdict, courses, verdicts
from outcross.runs.causes import is_factorial
from outcross.runs.disk import io_error, write_atomically

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

NAME, DRAWINGS = "report.html", "figures"
_HERE = files("outcross.report")


_EDGE = "What is 0 or too small lies on the lower edge of the logarithmic axis."


def write(directory: Path) -> Path:
    """Make the report of a run, and files of its drawings; returns its path. Raises ResourceError if it cannot."""
    frame = Frame(directory)
    try:
        page = _Page(frame)
        text = page.text
        files = {f"{p.name}.{suffix}": data for p in page.plates for suffix, data in on_paper(p.draw).items()}
    finally:
        frame.close()
    path = directory / NAME
    try:
        if files:
            (directory / DRAWINGS).mkdir(exist_ok=True)
        for name, content in files.items():
            write_atomically(directory / DRAWINGS / name, content)
        write_atomically(path, text.encode())
    except OSError as e:
        raise io_error(e, path) from e
    return path


def render(frame: Frame) -> str:
    """The page as text."""
    return _Page(frame).text


class _Page:
    """What the template asks for."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.looks = charts.looks(frame)
        self.shown = self.looks[: charts.DRAWN]

    @property
    def text(self) -> str:
        """The whole page."""
        text: str = _environment().get_template("page.html").render(page=self, frame=self.frame)
        return text

    @cached_property
    def verdicts(self) -> list[Verdict]:
        return verdicts(self.frame)

    @cached_property
    def courses(self) -> list[list[Course]]:
        return [courses(self.frame, k.cell) for k in self.looks]

    @property
    def headline(self) -> str:
        if self.attribution is not None:
            return self.attribution.sentence()
        told = findings.headline(self.frame, [(self.looks[v.cell].label, v.phase) for v in self.verdicts])
        return told if self.frame.theory.holds is not False else f"{told}; the run leaves theory"

    @property
    def faults(self) -> list[str]:
        """Where each cell leaves theory."""
        return [self.frame.theory.fault(k.cell) for k in self.looks]

    @property
    def theory(self) -> str:
        """The check against theory as a sentence."""
        return agreement.sentence(self.frame)

    @property
    def covered(self) -> list[Look]:
        """The cells that theory says something of, as far as they are drawn."""
        return [k for k in self.shown if k.cell in self.frame.theory.cells]

    @property
    def rare(self) -> list[tuple[int, str]]:
        """Steps of the ramp and the copies that they stand for, from the figure that has a ramp."""
        steps = next((f.levels for f in self.figures if f.legend == "rarity"), ())
        return [(bands.ramp(i, len(steps)), name) for i, name in enumerate(steps)]

    @property
    def kinds(self) -> list[Signs]:
        """The quantities that decide: those of numbers, of categories, or both."""
        return tables.kinds(self.frame)

    @property
    def margins(self) -> list[str]:
        """When a collapse counts, in the words of what was measured."""
        rules = [signs.rule for signs in self.kinds]
        rules += [groups.RULE] if any(v.lost is not None for v in self.verdicts) else []
        return [rule.format(**asdict(self.frame.experiment.margin)) for rule in rules]

    @property
    def halved(self) -> list[str]:
        """Whose halving the table of events tells, in the words of what was measured."""
        return [signs.halved for signs in self.kinds]

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
        rare = observatory.figure(self.frame, self.looks)
        drawn = (plate.figure for plate in self.plates)
        said = samples.figure(self.frame)
        found = (self.agreement, self._densities(), rare, *drawn, said, *curves, self._phases())
        return [f for f in found if f is not None]

    @cached_property
    def plates(self) -> list[Plate]:
        """The drawings of a run on images or on text."""
        taken = [plate for plate in (self.causes, self._poison(), labels.plate(self.frame)) if plate is not None]
        return [*taken, *pictures.plates(self.frame, self.looks), *writing.plates(self.frame, self.looks)]

    def _poison(self) -> Plate | None:
        """Harm and price of every defence, where the run is swept over the share of poison."""
        return None if poison.axis(self.frame) is None else poison.Poisoning(self.frame).plate()

    @cached_property
    def causes(self) -> Plate | None:
        """What each cause takes of the drift, drawn."""
        return None if self.attribution is None else shares.plate(self.attribution)

    @cached_property
    def attribution(self) -> Attribution | None:
        """The drift shared out among causes, where the arms are those of a decomposition."""
        if not is_factorial(self.frame.experiment):
            return None
        try:
            return Attribution(self.frame)
        except InputError:  # nothing has been measured in every arm yet
            return None

    @property
    def shares(self) -> list[Table]:
        """What each cause takes at the last generation, and what causes do together."""
        if self.attribution is None:
            return []
        found = [shares.table(self.attribution), shares.together(self.attribution)]
        return [t for t in found if t.rows]

    @cached_property
    def agreement(self) -> Figure | None:
        """The run beside theory, the first of the figures; None where no oracle covers it."""
        found = agreement.figure(self.frame, self.covered)
        return found and found._replace(caption=f"{found.caption} {self._left_out()}".strip())

    def _densities(self) -> Figure | None:
        rows = figures.rows(self.frame, self.looks)
        if not rows:
            return None
        title = figures.title(rows)
        return Figure(
            title, figures.caption(self.frame, rows), [], figures.table(rows), "none", drawing=figures.densities(rows)
        )

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
