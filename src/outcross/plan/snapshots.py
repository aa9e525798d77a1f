"""Snapshots of anyone's data as a series: real rows, then what each generation of models made.

The real rows are generation 0, the first snapshot, which a model of them made, is generation 1, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from outcross.core import policies
from outcross.core.contracts import Generation
from outcross.core.errors import InputError, require
from outcross.core.rng import FIXED
from outcross.core.schedules import MOST, Samples
from outcross.measures import categories, moments, tails
from outcross.measures.context import Array, Context, Reference
from outcross.plan.calibrated import Series
from outcross.plan.chain import Anchor
from outcross.plan.effective import Setup
from outcross.sources.tables import read_categories, read_rows

_COLUMN = "all columns have to be; of categories, name one with --column"
_LEVELS = {"tail_99": 0.01, "tail_95": 0.05}


class _Rows:
    """A snapshot in place of a model: what it makes are its own rows."""

    def __init__(self, items: Array, probabilities: Array | None = None) -> None:
        self.items, self.probabilities = items, probabilities

    def sample(self, n: int, rng: Any) -> Array:
        """The rows of the snapshot, however many are asked for."""
        return self.items

    def state(self) -> dict[str, Array]:
        """Its rows."""
        return {"items": self.items}


def snapshots(
    paths: Sequence[Path],
    measure: str,
    column: str | None = None,
    rows: int | None = None,
    real: float = 0.0,
    anchor: Anchor = "redrawn",
) -> Series:
    """Ratios of snapshots to the real rows, the first of the paths.

    measure: `variance` or `tail` of numeric columns, `diversity` of the categories of one column. rows: of every
    training set; those of the first snapshot by default. real: share of real rows in it. Raises InputError for tables
    that are not comparable, fewer than two snapshots, or a measure that they do not have.
    """
    require(len(paths) >= 3, f"{len(paths)} files: give the real rows and two snapshots or more, oldest first")
    require(0.0 <= real <= 1.0, f"real is a share from 0 to 1, got {real:g}")
    found, sizes, quantity = _numbers(paths, measure) if column is None else _categories(paths, measure, column)
    policy = policies.mix(real, anchor) if real else policies.replace()
    n = sizes[1] if rows is None else rows
    require(2 <= n <= MOST, f"rows is 2 to 1e12, got {n:,}")
    setup = Setup(policy, Samples(n), "numbers" if column is None else "categories")
    read = np.array([1.0, *found])[:, None]
    require(bool(np.isfinite(read).all()), "a snapshot has too few rows, or the real rows do, to have a tail")
    middle = "median" if measure == "tail" else "mean"
    return Series(setup, tuple(range(len(read))), read, max(sizes[0] / n, 1.0), middle, True, _LEVELS.get(quantity))  # type: ignore[arg-type]


def _numbers(paths: Sequence[Path], measure: str) -> tuple[list[float], list[int], str]:
    """Readings of snapshots of numeric columns, rows of every file, and which quantity it is."""
    require(measure in ("variance", "tail"), f"numeric columns have a variance and a tail, not {measure!r}")
    tables = [_table(path) for path in paths]
    names = tables[0][1]
    for path, (_, other) in zip(paths[1:], tables[1:], strict=True):
        if sorted(other) != sorted(names):
            odd = sorted({*names} ^ {*other})
            raise InputError(f"{path} and {paths[0]} do not have the same columns: {', '.join(odd[:5])}")
    items = [rows[:, [other.index(name) for name in names]] for rows, other in tables]
    reference = Reference(items[0], None)
    require(reference.flat is None, f"{paths[0]}: {reference.flat}")
    take = moments.moments if measure == "variance" else tails.tails
    told = [take(*_looked(reference, _Rows(rows))) for rows in items[1:]]
    wanted = ["variance_ratio"] if measure == "variance" else list(_LEVELS)
    for quantity in wanted:
        values = [_value(t[quantity]) for t in told]
        if np.isfinite(values).all():
            break
    return values, [len(rows) for rows in items], quantity


def _table(path: Path) -> tuple[Array, tuple[str, ...]]:
    try:
        return read_rows(path)
    except InputError as e:
        raise InputError(str(e).replace("choose numeric columns with source.columns=[...]", _COLUMN)) from e


def _categories(paths: Sequence[Path], measure: str, column: str) -> tuple[list[float], list[int], str]:
    """The same for the categories of a column."""
    require(measure in ("diversity", "variance"), f"categories have a diversity, not {measure!r}")
    read = [read_categories(path, column) for path in paths]
    labels = {name: i for i, name in enumerate(sorted({name for _, names in read for name in names}))}
    shares = []
    for codes, names in read:
        place = np.array([labels[name] for name in names])
        shares.append(np.bincount(place[codes], minlength=len(labels)) / len(codes))
    require(int(np.count_nonzero(shares[0])) > 1, f"{paths[0]}: one category has no diversity to lose")
    truth = categories.heterozygosity(shares[0])
    values = [categories.heterozygosity(p) / truth for p in shares[1:]]
    return values, [len(codes) for codes, _ in read], "heterozygosity_ratio"


def _looked(reference: Reference, model: _Rows) -> tuple[Generation, Context]:
    return Generation(0, None, model), Context(reference, model, model, FIXED, 0)


def _value(reading: Any) -> float:
    return float(getattr(reading, "value", reading))
