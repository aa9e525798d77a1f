"""A model that is there already, whatever a pool holds: one that `outcross export RUN FILE.safetensors` wrote.

As `teacher.learner` it lets any run teach another learner; as a student it is the one that is left untouched.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcross.core.contracts import Model, State, node
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError, ResourceError, one_line, require
from outcross.core.rng import Stream
from outcross.sources.coding import Coding, digest


@dataclass(frozen=True)
class Learner:
    """path: a .safetensors file with the state of a model. learner: the family that it is of, with its settings."""

    path: str
    learner: Any = node("families")

    def __getattr__(self, name: str) -> Any:
        # what a family may offer besides a fit (items, prompts, reads): as the learner inside has it
        if name.startswith("_") or name in ("learner", *_ABOUT_FITS):
            raise AttributeError(name)
        return getattr(self.learner, name)

    def fingerprint(self) -> str:
        """SHA-256 of the file: another model, another run. Raises InputError where it holds no model of the family."""
        content = _content(self.path)
        self._model(content)
        return hashlib.sha256(content).hexdigest()

    def reads(self, coding: Coding) -> None:
        """Raise InputError where the model was made on tokens that stand for other text than these."""
        own = _metadata(self.path, _content(self.path)).get("tokens")
        other = f"{self.path}: its tokens stand for other text than those of the source ({coding.told})"
        require(own in (None, digest(coding)), f"{other}: use the source of the run that it comes from")
        if hasattr(self.learner, "reads"):
            self.learner.reads(coding)

    def fit(self, pool: Any, rng: Stream, previous: Model | None = None) -> Model:
        """The model, whatever the pool. Raises InputError where its rows are not such as the pool's."""
        model = self._model(_content(self.path))
        known, rows = getattr(model, "vocabulary", None), getattr(pool, "vocabulary", None)
        told = f"{self.path}: a model of {known} different tokens, the pool has {rows}"
        require(known == rows, f"{told}: use the source of the run that it comes from")
        if isinstance(pool, Corpus) and not getattr(model, "prompted", False):
            shape = model.sample(1, rng).shape[1:]
            require(shape == pool.shape, f"{self.path}: its rows are {_by(shape)}, those of the pool {_by(pool.shape)}")
        return model

    def _model(self, content: bytes) -> Model:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        self._check_settings(content)
        try:
            return self.load(load(content))
        except (SafetensorError, KeyError, ValueError, RuntimeError, IndexError, TypeError) as e:
            kind = type(self.learner).__module__.rpartition(".")[2]
            why = one_line(str(e))[:120]
            raise InputError(f"{self.path}: holds no model of the family {kind} with these settings ({why})") from e

    def _check_settings(self, content: bytes) -> None:
        """Raise InputError where a plain setting is not the one that the model was made with."""
        for name, value in json.loads(_metadata(self.path, content).get("learner", "{}")).items():
            given = getattr(self.learner, name, value)
            plain = isinstance(value, str | int | float) and isinstance(given, str | int | float)
            told = f"learner.{name}: the model in {self.path} was made with {value!r}, got {given!r}; give the same"
            require(not plain or given == value, told)

    def load(self, state: State) -> Model:
        """The model whose state this is."""
        found: Model = self.learner.load(state)
        return found


_ABOUT_FITS = ("statistics", "evolve", "streams", "trial", "least", "validates", "trains_by", "remedies", "init")


def _metadata(path: str, content: bytes) -> dict[str, str]:
    """What the file tells of its model: safetensors begin with the length of their header, which is JSON."""
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return dict(header.get("__metadata__", {}))
    except (ValueError, AttributeError, RecursionError) as e:
        raise InputError(f"{path}: not a safetensors file; `outcross export RUN FILE.safetensors` writes one") from e


def _content(path: str) -> bytes:
    file = Path(os.path.expanduser(path))
    require(file.is_file(), f"{path}: no such file; `outcross export RUN FILE.safetensors` writes one")
    try:
        return file.read_bytes()
    except OSError as e:
        raise ResourceError(f"{path}: cannot be read ({e})") from e


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
