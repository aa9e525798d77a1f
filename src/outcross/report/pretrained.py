"""A language model out of a run, as a folder that `learner.model` and `source.tokens` read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from outcross.core.errors import InputError, require
from outcross.report.frames import Frame
from outcross.runs import worker
from outcross.runs.spec import build


def save_model(frame: Frame, to: Path, arm: str | None = None, chain: int = 0) -> int:
    """Write the last kept model of a chain with its tokenizer, whole or not at all; returns its generation.

    arm: the first by default. Raises InputError for a folder that is there, an arm or chain that is not, and a model
    that is no causal_lm in the tokens of a tokenizer; CorruptStore for a state that is gone.
    """
    from outcross.families.neural.pretrained import beside

    require(not to.exists(), f"{to} is there already: name a new folder")
    require(to.parent.is_dir(), f"{to}: there is no folder {to.parent}")
    number = _cell(frame, arm)
    model, coding, generation = _last(frame, number, chain)
    with beside(to) as made:
        model.save(made)
        coding.save(made)
    return generation


def _cell(frame: Frame, arm: str | None) -> int:
    """The number of the cell with this label, or the first."""
    labels = [cell.label for cell in frame.cells]
    require(arm is None or arm in labels, f"no arm {arm!r} in this run; there are {', '.join(labels)}")
    return 0 if arm is None else labels.index(arm)


def _last(frame: Frame, number: int, chain: int) -> tuple[Any, Any, int]:
    """The last kept model of a chain, the coding of its tokens, and its generation."""
    cell, key = frame.cells[number], (number, chain)
    kept = frame.reader.states(key)
    if not kept:
        raise InputError(f"no model of {cell.label}, chain {chain}, is kept: chains that have begun count from 0")
    source, _ = worker.source_of(cell)
    state = frame.reader.checkpoint(key, kept[-1], with_pool=False).state
    model = build(cell, source, frame.experiment.seed, chain).load(kept[-1], state)
    kind = cell.learner["kind"] if kept[-1] or cell.teacher is None else cell.teacher["learner"]["kind"]
    require(hasattr(model, "save"), f"a folder holds models of the family causal_lm, this one is {kind}: use .parquet")
    able = hasattr(source.coding, "save")
    require(able, f"{source.coding.told} are no tokenizer that transformers reads: use source.tokens=bpe, or a model's")
    return model, source.coding, kept[-1]
