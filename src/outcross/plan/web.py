"""A pool that fills with generated rows: real and generated rows are added every period, models are retrained on it.

Expected losses are exact for models whose fit has the mean and variance of its rows: means of pool and models are
linear in what was drawn, so their covariances obey a linear recursion, and the expected second moment of a row does
too (A1 and M1 in one; derived, simulated). True mean 0, variance 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, ValidationError

from outcross.core.errors import InputError, require
from outcross.runs.plugins import explain

Array = NDArray[np.float64]
_MOST = 10**12


def _rows(value: Any) -> Any:
    """One number of rows, or one a period."""
    every = value if isinstance(value, list | tuple) else [value]
    if not every or any(type(v) is not int or not 0 <= v <= _MOST for v in every):
        raise ValueError("rows are a whole number from 0 to 1e12, or a list of such, one a period")
    return value


Rows = Annotated[int | tuple[int, ...], BeforeValidator(_rows)]
CHAINS, SEED = 2000, 0


class Trainer(BaseModel):
    """One of the models: rows that it adds to the pool a period, and every how many periods it is retrained on it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    rows: Rows
    every: StrictInt = Field(1, ge=1)


class Web(BaseModel):
    """A scenario. pool: real rows at the start, on which every model is trained; real: real rows added a period.

    Numbers of rows are one for all periods, or one a period, of which the last holds for ever.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    pool: StrictInt = Field(ge=2, le=_MOST)
    periods: StrictInt = Field(ge=1, le=10_000)
    real: Rows = 0
    models: dict[str, Trainer] = Field(min_length=1, max_length=50)


class Period(NamedTuple):
    """The pool at the end of a period, and what each model loses of the variance: expected, in 95 of 100 chains."""

    period: int
    rows: int
    real: float  # share of the pool
    loss: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]

    def json(self) -> dict[str, Any]:
        """Plain data."""
        return self._asdict()


def parse(tree: Any, origin: str) -> Web:
    """A checked scenario from plain data. Raises InputError with the key's path."""
    require(isinstance(tree, dict), f"{origin}: a scenario is a mapping: pool, periods, real, models")
    try:
        return Web(**tree)
    except ValidationError as e:
        raise InputError(f"{origin}: {explain(e, '', Web)}") from e


def rows_at(rows: int | tuple[int, ...], period: int) -> int:
    """Rows of a period, from 1."""
    return rows if isinstance(rows, int) else rows[min(period, len(rows)) - 1]


def periods(web: Web) -> list[Period]:
    """The pool and the losses at the end of every period, 0 being the start."""
    exact, chains = _Expected(web), _Simulated(web)
    size = real = float(web.pool)
    found = [_period(web, 0, size, real, exact, chains)]
    for period in range(1, web.periods + 1):
        fresh = rows_at(web.real, period)
        made = [rows_at(m.rows, period) for m in web.models.values()]
        exact.add(size, fresh, made)
        chains.add(size, fresh, made)
        size, real = size + fresh + sum(made), real + fresh
        due = [i for i, m in enumerate(web.models.values()) if period % m.every == 0]
        exact.retrain(due)
        chains.retrain(due)
        found.append(_period(web, period, size, real, exact, chains))
    return found


def _period(web: Web, period: int, size: float, real: float, exact: _Expected, chains: _Simulated) -> Period:
    low, high = np.quantile(1.0 - chains.variance[1:], [0.025, 0.975], axis=1)
    loss = 1.0 - exact.variance[1:]
    told = [dict(zip(web.models, map(float, values), strict=True)) for values in (loss, low, high)]
    return Period(period, int(size), real / size, *told)


def passed(found: Sequence[Period], tolerance: float) -> dict[str, int | None]:
    """The first period at whose end each model has lost more than the tolerance, in expectation; None for never."""
    return {name: next((p.period for p in found if p.loss[name] > tolerance), None) for name in found[0].loss}


class _Expected:
    """Expected variances of pool (first) and models, and covariances of their means."""

    def __init__(self, web: Web) -> None:
        k = 1 + len(web.models)
        self.variance = np.full(k, 1.0 - 1.0 / web.pool)
        self.means = np.full((k, k), 1.0 / web.pool)  # all of them have the pool's mean

    def add(self, size: float, fresh: int, made: Sequence[int]) -> None:
        """Rows come into the pool: its mean and its second moment are means over all of them."""
        whole = size + fresh + sum(made)
        weights = np.array([size, *made]) / whole
        share = fresh / whole
        second = weights @ (self.variance + np.diag(self.means)) + share
        across = self.means @ weights
        chance = (weights[1:] @ self.variance[1:] + share) / whole
        spread = weights @ across + chance
        self.means[0, :] = self.means[:, 0] = across
        self.means[0, 0] = spread
        self.variance[0] = second - spread

    def retrain(self, due: Sequence[int]) -> None:
        """Models take on the pool's mean and variance."""
        for i in due:
            self.variance[1 + i] = self.variance[0]
            self.means[1 + i, :] = self.means[0, :]
            self.means[:, 1 + i] = self.means[:, 0]


class _Simulated:
    """Means and ML variances of pool (first) and models in single chains, of the exact law: (1 + models, chains)."""

    def __init__(self, web: Web) -> None:
        self.rng = np.random.default_rng(SEED)
        mean, scatter = self._drawn(web.pool, np.zeros(CHAINS), np.ones(CHAINS))
        self.mean = np.tile(mean, (1 + len(web.models), 1))
        self.variance = np.tile(scatter / web.pool, (1 + len(web.models), 1))

    def _drawn(self, rows: int, mean: Array, variance: Array) -> tuple[Array, Array]:
        """Mean and scatter of so many normal rows, chain by chain."""
        centre = mean + np.sqrt(variance / rows) * self.rng.standard_normal(CHAINS)
        return centre, variance * (self.rng.chisquare(rows - 1.0, CHAINS) if rows > 1 else 0.0)

    def add(self, size: float, fresh: int, made: Sequence[int]) -> None:
        """Rows come into the pool."""
        truth = np.zeros(CHAINS), np.ones(CHAINS)
        models = [(n, self.mean[1 + i], self.variance[1 + i]) for i, n in enumerate(made)]
        parts: list[tuple[float, Array, Array]] = [(size, self.mean[0], size * self.variance[0])]
        parts += [(n, *self._drawn(n, m, v)) for n, m, v in [(fresh, *truth), *models] if n]
        whole = sum(n for n, _, _ in parts)
        mean = sum(n * m for n, m, _ in parts) / whole
        scatter = sum(s + n * (m - mean) ** 2 for n, m, s in parts)
        self.mean[0], self.variance[0] = mean, scatter / whole

    def retrain(self, due: Sequence[int]) -> None:
        """Models take on the pool's mean and variance."""
        for i in due:
            self.mean[1 + i], self.variance[1 + i] = self.mean[0], self.variance[0]
