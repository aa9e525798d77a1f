"""What each generation makes of the same prompt: for the terminal, for programs, and as a table on the page."""

from __future__ import annotations

from typing import Any, NamedTuple

from outcross.measures.continuations import read
from outcross.report.charts import thinned
from outcross.report.frames import Frame
from outcross.report.parts import Figure
from outcross.report.tables import Table
from outcross.sources.coding import UNKNOWN

PAPER = (0, 1, 3, 5, 7, 9)  # generations whose text the paper shows
_CELLS, _LONG = 9, 400  # cells, and characters of a text, in the table


class Sample(NamedTuple):
    """What chain 0 of a cell made of a prompt in one generation."""

    arm: str
    generation: int
    text: str

    def json(self) -> dict[str, Any]:
        """The stable machine-readable form."""
        return self._asdict()


def continuations(frame: Frame) -> list[tuple[str, list[Sample]]]:
    """Each prompt with its continuations by chain 0 of every cell: the paper's generations and the last."""
    found: dict[str, list[Sample]] = {}
    for number, cell in enumerate(frame.cells):
        there = {g: a for g in frame.experiment.snapshot_generations() if (a := _taken(frame, number, g)) is not None}
        shown = [g for g in there if g in PAPER or g == max(there)]
        for g in shown if len(shown) > 1 else thinned(sorted(there), len(PAPER)):
            for prompt, text in read(there[g]):
                found.setdefault(prompt, []).append(Sample(cell.label, g, text))
    return list(found.items())


def _taken(frame: Frame, cell: int, generation: int) -> Any:
    return frame.reader.arrays((cell, 0), generation, "measure/continuations").get("")


def figure(frame: Frame) -> Figure | None:
    """The first prompt, as a table; None where there is no text."""
    found = continuations(frame)
    if not found:
        return None
    prompt, said = found[0]
    arms = {cell.label for cell in frame.cells[:_CELLS]}
    rows = [(s.arm, f"{s.generation:,}", _cut(s.text)) for s in said if s.arm in arms]
    lacking = "Words that the vocabulary lacks are <unk>. " if UNKNOWN in prompt or UNKNOWN in str(rows) else ""
    caption = (
        f"What chain 0 of each arm makes of one prompt: \N{LEFT DOUBLE QUOTATION MARK}{_cut(prompt)}"
        f"\N{RIGHT DOUBLE QUOTATION MARK} {lacking}outcross show --samples has other prompts too. "
        "After Shumailov et al. 2024, example 1; the prompt is text of Wikipedia (CC BY-SA)."
    )
    head = ("cell", "generation", "continuation")
    return Figure("The same prompt, continued by each generation", caption, [], Table(head, rows, 3), "none")


def _cut(text: str) -> str:
    text = " ".join(text.split("\n"))
    return text if len(text) <= _LONG else f"{text[:_LONG]} ..."
