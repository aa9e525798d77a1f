"""Models out of a run: the state of one generation of one chain, with the learner that reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from outcross.core.contracts import Model, State
from outcross.core.errors import require
from outcross.runs import plugins
from outcross.runs.cells import Cell
from outcross.runs.runner import open_run
from outcross.runs.spec import Experiment
from outcross.runs.store import Reader
from outcross.runs.worker import source_of
from outcross.sources.coding import digest


class Kept(NamedTuple):
    """A model as a run keeps it: the node of its learner, its state, where it comes from, and the cell it is of."""

    learner: dict[str, Any]
    state: State
    told: str
    cell: Cell

    def model(self) -> Model:
        """The model itself."""
        made: Model = plugins.make("families", self.learner, "learner").load(self.state)
        return made

    def safetensors(self) -> bytes:
        """The state as a safetensors file that the family `stored` reads, with its learner as metadata."""
        from safetensors.numpy import save

        # an array that is a view of another would be written as the other's bytes
        arrays = {name: array.copy(order="C") for name, array in self.state.items()}
        return save(arrays, {"learner": json.dumps(self.learner), "run": self.told, **self._tokens()})

    def _tokens(self) -> dict[str, str]:
        """What the tokens of a model of text stand for, so that no other text is taken for its own."""
        if getattr(plugins.make("families", self.learner, "learner"), "items", "numbers") != "text":
            return {}
        return {"tokens": digest(source_of(self.cell)[0].coding)}

    def folder(self, to: Path) -> None:
        """Write a model of causal_lm with its tokenizer, whole or not at all, as learner.model and source.tokens read.

        Raises InputError for a folder that is there, another family, and tokens that no tokenizer makes.
        """
        from outcross.families.neural.pretrained import beside

        require(not to.exists(), f"{to} is there already: name a new folder")
        require(to.parent.is_dir(), f"{to}: there is no folder {to.parent}")
        model: Any = self.model()
        other = f"a folder holds models of the family causal_lm, this one is {self.learner['kind']}"
        require(hasattr(model, "save"), f"{other}: use FILE.safetensors")
        coding = source_of(self.cell)[0].coding
        learned = f"{coding.told} are no tokenizer that transformers reads: use source.tokens=bpe, or a model's"
        require(hasattr(coding, "save"), learned)
        with beside(to) as made:
            model.save(made)
            coding.save(made)


def kept(directory: Path, arm: str | None = None, chain: int | None = None, generation: int | None = None) -> Kept:
    """A model of a run, by the label of its arm (needed where there are several), its chain (the first one that has a
    state) and its generation (the last one kept). Raises InputError, listing what there is, where there is none.
    """
    reader, experiment = open_run(directory)
    try:
        number, cell = _cell(experiment, arm)
        there = {c: found for k, c in sorted(reader.chains()) if k == number and (found := reader.states((k, c)))}
        require(bool(there), f"{directory}: no chain of arm {cell.label} has come to a model yet")
        which = next(iter(there)) if chain is None else chain
        require(which in there, f"chain {which} of arm {cell.label} has no state; those with one: {_listed(there)}")
        t = there[which][-1] if generation is None else generation
        have = _listed(there[which])
        require(t in there[which], f"generation {t} was not kept; kept: {have}; a run with keep=all keeps all")
        return _read(reader, cell, (number, which), t, experiment.name)
    finally:
        reader.close()


def _cell(experiment: Experiment, arm: str | None) -> tuple[int, Cell]:
    cells = experiment.settled
    labels = [cell.label for cell in cells]
    require(arm is not None or len(cells) == 1, f"which arm? --arm is one of {', '.join(labels)}")
    found = [k for k, cell in enumerate(cells) if arm in (None, cell.label)]
    require(len(found) == 1, f"no arm {arm!r}; {plugins.nearest(str(arm), labels)}")
    return found[0], cells[found[0]]


def _read(reader: Reader, cell: Cell, key: tuple[int, int], t: int, name: str) -> Kept:
    taught = t == 0 and cell.teacher is not None
    learner = cell.teacher["learner"] if taught and cell.teacher is not None else cell.learner
    state = reader.checkpoint(key, t, with_pool=False).state
    return Kept(learner, state, f"{name}, arm {cell.label}, chain {key[1]}, generation {t}", cell)


def _listed(numbers: Any) -> str:
    return ", ".join(map(str, numbers))
