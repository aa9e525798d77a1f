"""Groups that a run lost: judged across chains, since one chain's share of a small group is mostly chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Reading
from outcross.core.stats import Interval, median_interval
from outcross.report.frames import Frame
from outcross.runs.records import Key

MEASURED, SHARES = "group_worst", "measure/group_shares"
RULE = (
    "a group is lost when the interval of its median share across chains lies wholly below {group} of that at "
    "generation 0, and a cell that loses one has early collapse at least, whatever its averages say"
)


class Left(NamedTuple):
    """What is left of the share of a group: median over chains, relative to that at generation 0."""

    group: str
    share: Interval

    def json(self) -> dict[str, Any]:
        """The machine-readable form."""
        return {"group": self.group, "left": self.share.value, "low": self.share.low, "high": self.share.high}

    @property
    def sentence(self) -> str:
        """The group and what is left of it."""
        value, low, high = (f"{v:.2g}" for v in self.share)
        return f"{self.group} ({value} of its share left, {low} to {high})"


def measured(frame: Frame, cell: int) -> bool:
    """Whether the shares of groups were taken in a cell."""
    return any(MEASURED in named for (c, _), at in frame.by_chain.items() if c == cell for named in at.values())


def lost(frame: Frame, cell: int) -> tuple[Left, ...]:
    """The groups that a cell lost, worst first.

    Lost is one whose median share over chains has a 95 % interval wholly below `margins.group` of that at generation 0,
    when chains are at their last record. That at generation 0 counts with the lower end of its own interval, so that
    neither a group which the family never fits nor chance in it is taken for a loss. Of fewer chains than give an
    interval nothing is said. One look at the end, not one a record: nothing has to persist.
    """
    if not measured(frame, cell):
        return ()
    margin, names = frame.experiment.margin.group, frame.groups(cell)
    chains = [(key, _records(at)) for key, at in sorted(frame.by_chain.items()) if key[0] == cell]
    first = _medians(frame, [(key, 0) for key, at in chains if at[:1] == [0]])
    last = _medians(frame, [(key, at[-1]) for key, at in chains if at])
    found = [
        Left(names[k] if k < len(names) else f"group {k}", Interval(*(v / base.value for v in now)))
        for k, (base, now) in enumerate(zip(first, last, strict=False))
        if now.high < margin * base.low
    ]
    return tuple(sorted(found, key=lambda left: left.share.value))


def _records(at: dict[int, dict[str, Reading]]) -> list[int]:
    """Generations of a chain at which the shares of its groups were taken."""
    return [g for g, named in sorted(at.items()) if MEASURED in named]


def _medians(frame: Frame, where: Sequence[tuple[Key, int]]) -> list[Interval]:
    """Median share of each group over chains, at a generation of each."""
    shares: list[NDArray[np.float64]] = [frame.reader.arrays(*at, SHARES)[""] for at in where]
    return [median_interval(of_one) for of_one in np.transpose(shares)] if shares else []
