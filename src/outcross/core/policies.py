"""The blend algebra and its named policies.

p(i+1) = alpha p_theta(i+1) + beta p(i) + gamma p(0) (Shumailov et al. 2024): a share each of rows from the new model
(`synthetic`), the previous pool (`previous`), the original real rows (`original`, the same ones or re-drawn) and real
rows never seen (`fresh`). Every share is a number or a schedule over generations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from outcross.core.contracts import Rows
from outcross.core.errors import InputError, require
from outcross.core.schedules import Logistic

Share = float | Sequence[float]
Anchor = Literal["fixed", "redrawn"]


def at(schedule: Share, generation: int) -> float:
    """Value of a schedule for the pool of `generation` (from 1); the last value of a list holds for ever."""
    if isinstance(schedule, int | float):
        return float(schedule)
    return float(schedule[min(generation - 1, len(schedule) - 1)])


def _values(schedule: Share) -> tuple[float, ...]:
    return (float(schedule),) if isinstance(schedule, int | float) else tuple(schedule)


def apportioned(shares: Sequence[float], total: int) -> list[int]:
    """Whole numbers with this total in shares that sum to 1: largest remainders, of equal ones the first."""
    exact = [s * total for s in shares]
    counts = [int(e + 1e-9) for e in exact]
    by_remainder = sorted(range(len(shares)), key=lambda j: counts[j] - exact[j])
    for j in by_remainder[: total - sum(counts)]:
        counts[j] += 1
    return counts


@dataclass(frozen=True)
class Blend:
    """A policy in free form. Raises InputError unless the shares are non-negative and sum to 1 in every generation.

    keep_all: the previous pool stays whole and the shares blend what is added to it (accumulation).
    budget: rows of the pool that are fitted, drawn anew each generation, as a multiple of `samples`; None fits all.
    """

    synthetic: Share = 1.0
    previous: Share = 0.0
    original: Share = 0.0
    fresh: Share = 0.0
    budget: Share | None = None
    anchor: Anchor = "redrawn"
    keep_all: bool = False

    def __post_init__(self) -> None:
        parts = {"synthetic": self.synthetic, "previous": self.previous, "original": self.original, "fresh": self.fresh}
        for name, share in parts.items():
            if not isinstance(share, int | float):
                require(len(share) > 0, f"{name}: a schedule needs at least one value")
                object.__setattr__(self, name, tuple(share))  # hashable, as plans are cached by policy
        for g in range(1, 1 + max(1 if isinstance(s, int | float) else len(s) for s in parts.values())):
            shares = {name: at(s, g) for name, s in parts.items()}
            for name, value in shares.items():
                require(0.0 <= value <= 1.0, f"{name} is a share in [0, 1], got {value:g}")
            whole = sum(shares.values())
            require(abs(whole - 1.0) < 1e-9, f"the shares of generation {g} sum to {whole:g}: they must sum to 1")
        require(self.anchor in ("fixed", "redrawn"), f"anchor is fixed or redrawn, got {self.anchor!r}")
        if self.budget is not None:
            least = self.budget if isinstance(self.budget, int | float) else min(self.budget, default=0.0)
            if not isinstance(self.budget, int | float):
                object.__setattr__(self, "budget", tuple(self.budget))
            require(least > 0.0, f"budget is a positive multiple of samples, got {least:g}")

    def rows(self, generation: int, samples: int, pool: int) -> Rows:
        """Exact row counts of the next pool, which always sum to `samples`."""
        shares = [at(s, generation) for s in (self.synthetic, self.previous, self.original, self.fresh)]
        counts = apportioned(shares, samples)
        if self.keep_all:
            counts[1] += pool
        return Rows(*counts)

    def budget_rows(self, generation: int, samples: int) -> int | None:
        """Rows fitted out of the pool, or None for all."""
        return None if self.budget is None else max(1, round(at(self.budget, generation) * samples))

    @property
    def needs_rows(self) -> bool:
        """Whether a pool takes a random part of some rows: of the previous pool, of the original ones, or a budget."""
        if self.budget is not None or any(_values(self.previous)):
            return True
        return any(_values(self.original)) and (self.anchor == "redrawn" or len(set(_values(self.original))) > 1)

    @property
    def needs_pool(self) -> bool:
        """Whether the next pool takes rows of the previous one."""
        return self.keep_all or self.previous != 0.0


def replace() -> Blend:
    """Each generation trains on the rows of the one before alone: (alpha, beta, gamma) = (1, 0, 0)."""
    return Blend()


def mix(real: Share = 0.1, anchor: Literal["fixed", "redrawn", "fresh"] = "redrawn") -> Blend:
    """A share `real` of every training set is real data, its size constant.

    anchor: `fixed` keeps the same rows, `redrawn` takes a new random subset of the original ones each generation (the
    paper's 10 %), `fresh` takes real rows never seen before. Three different laws (oracles M2, M3, M4).
    """
    share = [float(real)] if isinstance(real, int | float) else [float(r) for r in real]
    for r in share:
        if not 0.0 <= r <= 1.0:
            raise InputError(f"real is a share in [0, 1], got {r:g}")
    rest = [1.0 - r for r in share]
    if anchor == "fresh":
        return Blend(synthetic=rest, fresh=share)
    return Blend(synthetic=rest, original=share, anchor=anchor)


def accumulate() -> Blend:
    """Every row ever made is kept and fitted (Gerstgrasser et al. 2024)."""
    return Blend(keep_all=True)


def accumulate_subsample() -> Blend:
    """Every row is kept, and a random `samples` of them are fitted each generation (Kazdan et al. 2024)."""
    return Blend(keep_all=True, budget=1.0)


def web(share: Share | dict[str, Any] = 0.5, budget: Share | None = None) -> Blend:
    """The web: `samples` rows are published in every period and stay; a share is generated, the rest fresh real rows.

    share: of the generated rows among those published: a number, an observed list (one a period, the last holds for
    ever), or a curve, `{curve: logistic, start: 0.01, end: 0.9, middle: 10, width: 3}`.
    budget: rows of the web that a crawl takes, drawn anew in every period, as a multiple of `samples`; None takes all.
    """
    made = _shares("share", share)
    return Blend(synthetic=made, fresh=[1.0 - s for s in made], budget=budget, keep_all=True)


def _curve(name: str, given: Mapping[str, Any]) -> Logistic:
    """The curve that a mapping describes. Raises InputError, with the name, where there is none."""
    known = [f.name for f in fields(Logistic)]
    strange = [key for key in given if key not in known]
    require(not strange, f"unknown key '{name}.{', '.join(map(str, strange))}'; known: {', '.join(known)}")
    kinds = [type(v) for k, v in given.items() if k != "curve"]
    require(all(k in (int, float) for k in kinds), f"{name}: start, end, middle and width of a curve are numbers")
    try:
        return Logistic(**given)
    except InputError as e:
        raise InputError(f"{name}.{e}") from e


def _shares(name: str, given: Any) -> tuple[float, ...]:
    """A share, one a period or a curve as one a period. Raises InputError, with the name, of what lies out of range."""
    if isinstance(given, Mapping):
        return _curve(name, given).values()
    shares = _values(given)
    for s in shares:
        require(0.0 <= s <= 1.0, f"{name} is a share in [0, 1], got {s:g}")
    require(len(shares) > 0, f"{name}: a schedule needs at least one value")
    return shares


POLICIES = {
    "accumulate": accumulate,
    "accumulate_subsample": accumulate_subsample,
    "blend": Blend,
    "mix": mix,
    "replace": replace,
    "web": web,
}
