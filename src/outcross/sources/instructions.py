"""Instructions with their answers, each a row: a question brought to one length, then the beginning of its answer.

A row is (Ouyang et al. 2022; Taori et al. 2023) what a model is asked and what it should say; learners keep the first
and learn the second (`learner.question`). Without a file: what Python's standard library says of itself. That changes
with every release of Python, so runs of different releases are different runs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.sources.coding import Coding, Pretrained
from outcross.sources.finite import LEAST
from outcross.sources.parted import Parted
from outcross.sources.passages import Settings, in_parts, learned, spread
from outcross.sources.standard_library import library
from outcross.sources.tables import read_pairs

Pair = tuple[str, str]
NAME = "Python's standard library"


class Source(Parted):
    """path: a .jsonl, also packed as .gz, .xz or .zst, or a .parquet with the columns `instruction` and `answer` (names
    of columns; Alpaca's answers are under `output`); rows that lack one are left out. Without a path: functions,
    classes and methods of Python's standard library, asked for what they do, and their documentation.

    question: tokens of the asked; a model's own way to be asked where `tokens` names one that has it. Shorter ones
    begin with marks of an end, longer ones are left out. answer: tokens of an answer, its mark of an end among them;
    the rest of longer ones is cut off, shorter ones are left out, and so is an answer that came before.

    tokens, least, vocabulary: as of the source `text`. measured: held-out rows that measures look at, at most.
    """

    items: ClassVar[str] = "text"

    def __init__(
        self,
        path: str | None = None,
        instruction: str = "instruction",
        answer_column: str = "answer",
        question: int = 48,
        answer: int = 32,
        tokens: str = "words",
        least: int = 2,
        vocabulary: int = 8192,
        measured: int = 4096,
    ) -> None:
        require(question >= 1, f"question is 1 token or more, got {question}")
        require(answer >= 1, f"answer is 1 token or more, got {answer}")
        settings = Settings(tokens, least, vocabulary, question + answer, measured).checked()
        pairs = library() if path is None else read_pairs(Path(os.path.expanduser(path)), (instruction, answer_column))
        self.question, self._answer, self._pairs = question, answer, len(pairs)
        documents = in_parts(path or NAME, _joined(pairs))
        self.coding: Coding = learned([_marked(*_apart(text)) for text in documents.train], settings)
        parts = self._parted([[_apart(text) for text in part] for part in documents[:3]])
        self._told(path or NAME, parts)
        train, validation, reference = (Corpus.text(part, self.coding.size) for part in parts)
        held = reference.take(spread(len(reference), settings))
        super().__init__(path or NAME, (train, validation, held), f"pairs of {question} and {answer} tokens")

    @property
    def vocabulary(self) -> int:
        """How many different tokens there can be."""
        return self.coding.size

    @property
    def about(self) -> str:
        """How many pairs there are and are not."""
        return f"; {self._kept:,} of {self._pairs:,} pairs of question and answer have the lengths asked for"

    def fingerprint(self) -> str:
        """SHA-256 of the rows of all parts and what their tokens stand for: other data, other run."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        h = hashlib.sha256(f"{self.coding.size} {self.question}".encode())
        for token in range(self.coding.size):
            h.update(self.coding.decode([token]).encode() + b"\0")
        for part in self._parts:
            h.update(part.items.tobytes() + b"\0")
        return h.hexdigest()

    def _parted(self, parts: Sequence[Sequence[Pair]]) -> list[Any]:
        """The rows of each part (n, block); an answer is in one of them, and once."""
        seen: set[tuple[int, ...]] = set()
        found = [list(self._rows(part, seen)) for part in parts]
        self._kept = sum(map(len, found))
        return [np.array(rows, np.int32).reshape(len(rows), self.question + self._answer) for rows in found]

    def _rows(self, pairs: Sequence[Pair], seen: set[tuple[int, ...]]) -> Iterator[list[int]]:
        end, bare = self.coding.end, self.coding.bare
        for question, answer in pairs:
            asked, said = bare(_asked(self.coding, question)), (*bare(answer), end)[: self._answer]
            if len(asked) <= self.question and len(said) == self._answer and said not in seen:
                seen.add(said)
                yield [*[end] * (self.question - len(asked)), *asked, *said]

    def _told(self, name: str, parts: Sequence[Any]) -> None:
        """Raise InputError where too few pairs are left."""
        lengths = f"questions of up to {self.question} tokens and different answers of {self._answer} or more"
        use = "give more pairs, a longer source.question, or a shorter source.answer"
        for part, due, found in zip(("drawn", "validated", "held out"), (LEAST, 1, 2), parts, strict=True):
            told = f"{name}: {len(found)} pairs with {lengths} can be {part}, {due} or more are needed: {use}"
            require(len(found) >= due, told)


_BETWEEN = "\0"  # of a question and its answer: no text that is read holds it


def _joined(pairs: Sequence[Pair]) -> list[str]:
    return [_BETWEEN.join(pair) for pair in pairs]


def _apart(text: str) -> Pair:
    question, _, answer = text.partition(_BETWEEN)
    return question, answer


def _asked(coding: Coding, question: str) -> str:
    """A question as its reader is used to being asked, or plainly marked."""
    chat = coding.chat(question) if isinstance(coding, Pretrained) else None
    return _marked(question) if chat is None else chat


def _marked(question: str, answer: str = "") -> str:
    return f"Question: {question}\nAnswer:" + (f" {answer}" if answer else "")
