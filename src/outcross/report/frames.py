"""Frames: a run's numbers as tidy rows, summarised across chains, beside the real-against-real floor."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Quantity, Reading
from outcross.core.errors import InputError
from outcross.core.stats import median_interval
from outcross.measures.phase import Floor
from outcross.runs import plugins, worker
from outcross.runs.cells import Cell
from outcross.runs.records import Key, Row
from outcross.runs.runner import open_run
from outcross.runs.spec import Experiment
from outcross.runs.store import Reader

if TYPE_CHECKING:
    from outcross.report.theory import Verification

# sources made from the experiment alone, without reading a file
_PURE = ("categorical", "exponential_family", "linear", "mixture", "normal", "tabular", "zipf")


class Summary(NamedTuple):
    """One quantity of one cell at one generation, across chains."""

    cell: int
    generation: int
    measure: str
    value: float  # median over chains
    low: float  # 95 % interval of the median
    high: float
    spread_low: float  # 10th and 90th percentile of the chains
    spread_high: float
    floor_low: float  # 5th and 95th percentile of models fitted on fresh real rows
    floor_high: float
    chains: int  # with a number
    missing: int  # without one
    why: str | None  # the commonest reason

    @property
    def numbers(self) -> tuple[float, ...]:
        """Everything that is drawn of it."""
        return (
            self.value,
            self.low,
            self.high,
            self.spread_low,
            self.spread_high,
            self.floor_low,
            self.floor_high,
        )


class Frame:
    """Everything read off one run, at the state it is in now."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.reader: Reader
        self.experiment: Experiment
        self.reader, self.experiment = open_run(directory)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Arms at each point of the sweep."""
        return self.experiment.settled

    @cached_property
    def quantities(self) -> dict[str, Quantity]:
        """What each measured name is."""
        return {name: q for m in plugins.measures("default") for name, q in m.quantities.items()} | {
            name: q for m in plugins.measures(self.experiment.measures) for name, q in m.quantities.items()
        }

    @cached_property
    def rows(self) -> list[Row]:
        """Every measured number."""
        return self.reader.metrics()

    @cached_property
    def chains(self) -> dict[Key, tuple[int, str, str | None]]:
        """Generation, status and reason of each chain."""
        return self.reader.chains()

    @cached_property
    def by_chain(self) -> dict[Key, dict[int, dict[str, Reading]]]:
        """Readings by chain, generation and name."""
        found: dict[Key, dict[int, dict[str, Reading]]] = defaultdict(lambda: defaultdict(dict))
        for r in self.rows:
            found[r.cell, r.chain][r.generation][r.measure] = Reading(r.value, r.low, r.high, r.why)
        return found

    @cached_property
    def floors(self) -> dict[tuple[int, str], NDArray[np.float64]]:
        """The floor of a quantity in a cell: one value a replicate."""
        found: dict[tuple[int, str], list[float]] = defaultdict(list)
        for cell, _, name, reading in self.reader.floor():
            if np.isfinite(reading.value):
                found[cell, name].append(reading.value)
        return {key: np.array(values) for key, values in found.items()}

    def floor_of(self, cell: int) -> dict[str, Floor]:
        """What models of real rows read in a cell, by quantity; without a floor, those of the chains themselves."""
        if self.experiment.floor == 0:
            return self._first_of(cell)
        return {name: Floor.of(values) for (c, name), values in self.floors.items() if c == cell}

    def _first_of(self, cell: int) -> dict[str, Floor]:
        """What generation 0 of the chains reads, by quantity."""
        names = {name for c, name in self._series if c == cell}
        read = {
            name: [named[0][name].value for (c, _), named in self.by_chain.items() if c == cell and name in named[0]]
            for name in names
        }
        there = {name: np.array([v for v in values if np.isfinite(v)]) for name, values in read.items()}
        return {name: Floor.of(values) for name, values in there.items() if len(values)}

    @cached_property
    def summaries(self) -> list[Summary]:
        """Every quantity at every recorded generation, across chains."""
        groups: dict[tuple[int, int, str], list[Row]] = defaultdict(list)
        for r in self.rows:
            groups[r.cell, r.generation, r.measure].append(r)
        return [self._summary(*key, rows) for key, rows in sorted(groups.items())]

    def _summary(self, cell: int, generation: int, measure: str, rows: list[Row]) -> Summary:
        values = np.array([r.value for r in rows])
        there = values[np.isfinite(values)]
        middle = median_interval(there)
        spread = np.quantile(there, [0.1, 0.9]) if len(there) else (np.nan, np.nan)
        floor = self.floors.get((cell, measure))
        edges = np.quantile(floor, [0.05, 0.95]) if floor is not None else (np.nan, np.nan)
        reasons = [r.why for r in rows if r.why]
        why = max(set(reasons), key=reasons.count) if reasons else None
        return Summary(
            cell,
            generation,
            measure,
            *middle,
            float(spread[0]),
            float(spread[1]),
            float(edges[0]),
            float(edges[1]),
            len(there),
            len(values) - len(there),
            why,
        )

    @cached_property
    def theory(self) -> Verification:
        """What theory predicts of the run, beside what was observed."""
        from outcross.report.theory import verification  # which reads frames

        return verification(self)

    def rows_of(self, cell: Cell) -> int | None:
        """Rows of generation 0, as the run settled them; None for a run that has not begun."""
        start = cell.samples["start"]
        if not isinstance(start, str):
            return int(start)
        told = self.reader.meta("rows")
        return None if told is None else int(json.loads(told)[self.cells.index(cell)])

    def series(self, cell: int, measure: str) -> list[Summary]:
        """One quantity of one cell over generations."""
        return self._series.get((cell, measure), [])

    @cached_property
    def _series(self) -> dict[tuple[int, str], list[Summary]]:
        found: dict[tuple[int, str], list[Summary]] = defaultdict(list)
        for s in self.summaries:
            found[s.cell, s.measure].append(s)
        return dict(found)

    def tidy(self) -> Iterator[dict[str, Any]]:
        """Every measured number with its cell written out: for tables and exports."""
        for r in self.rows:
            cell = self.cells[r.cell]
            quantity = self.quantities.get(r.measure)
            yield {
                "arm": cell.arm,
                "cell": cell.label,
                "chain": r.chain,
                "generation": r.generation,
                "measure": r.measure,
                "unit": quantity.unit if quantity else "",
                "value": r.value,
                "low": r.low,
                "high": r.high,
                "why": r.why,
            }

    def seen(self, items: str) -> list[str]:
        """Through what rows were seen: `images` through which classifier, `text` by which way to take perplexity."""
        return list(dict.fromkeys(told for told, _ in self._seen(items)))

    def _seen(self, items: str) -> list[tuple[str, list[str]]]:
        """The same for each cell, and the names of its classes; none where rows are something else."""
        return [(told, names) for told, names in json.loads(self.reader.meta(items) or "[]")]

    def classes(self, cell: int) -> list[str]:
        """Names of the classes of a cell's images; none where they are not known."""
        seen = self._seen("images")
        return seen[cell][1] if seen else []

    def groups(self, cell: int) -> list[str]:
        """Names of the groups of a cell's rows, by their numbers; none where they are not known."""
        found: list[list[str]] = json.loads(self.reader.meta("groups") or "[]")
        return found[cell] if found else []

    def density(self, key: Key, generation: int) -> dict[str, NDArray[Any]]:
        """The density picture of a chain at a snapshot: `density_map` and `density_range`; empty if none was taken."""
        return self.reader.arrays(key, generation, "measure/density_")

    def close(self) -> None:
        """Close the store."""
        self.reader.close()


def source_of(cell: Cell) -> tuple[Any, Any] | None:
    """Source and reference of a cell where the experiment alone gives them: a report reads no other file."""
    if cell.source.get("kind") not in _PURE:
        return None
    try:
        return worker.source_of(cell)
    except InputError:
        return None


def finite(value: float) -> float | None:
    """A number for JSON, which has no NaN."""
    return float(value) if np.isfinite(value) else None
