"""The cells of a sweep in lines: those of a line differ along one axis alone, a setting of a stage."""

from __future__ import annotations

from typing import NamedTuple

from outcross.report.frames import Frame


class Along(NamedTuple):
    """Numbers of the cells of one `arm` at one `place` of the other axes, in order of the axis; its value at each."""

    arm: str
    place: str
    cells: list[int]
    values: list[float]

    @property
    def name(self) -> str:
        """Arm and place, for people."""
        return f"{self.arm} {self.place}".strip()


def axis(frame: Frame, kind: str, setting: str) -> str | None:
    """The axis of a sweep that is a setting of stages of a kind, `stages.NAME.share` say; None where there is none."""
    for name in frame.experiment.sweep:
        place, _, rest = name.partition(".")
        stage, _, told = rest.rpartition(".")
        if place == "stages" and told == setting and frame.cells[0].stages[stage]["kind"] == kind:
            return name
    return None


def lines(frame: Frame, along: str) -> list[Along]:
    """One line an arm and point of the other axes, in order."""
    found: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for i, cell in enumerate(frame.cells):
        rest = {k: v for k, v in cell.axes.items() if k != along}
        place = cell._replace(axes=rest).label.removeprefix(cell.arm).strip()
        found.setdefault((cell.arm, place), []).append((float(cell.axes[along]), i))
    return [Along(*key, [i for _, i in sorted(at)], [v for v, _ in sorted(at)]) for key, at in found.items()]
