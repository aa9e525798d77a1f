"""Passages: real text in blocks of tokens. What every source of text shares.

Documents become tokens, each closed by a mark of its end; those of a part (drawn, validation, reference) are laid end
to end and cut into blocks of one length, the rest left out (Shumailov et al. 2024, code). So all rows are equally
long, and no document lies in two parts.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.corpus import Corpus
from outcross.core.errors import InputError, require
from outcross.families.neural.pretrained import NAMED
from outcross.sources.coding import Coding, Pieces, Pretrained, Split, Words
from outcross.sources.fetch import cache
from outcross.sources.finite import LEAST, split
from outcross.sources.parse import tokenise
from outcross.sources.parted import Parted

SHORTEST, LONGEST = 2, 8192  # tokens in a block


class Documents(NamedTuple):
    """The documents of each part, and which of the reference belong together, if not each on its own."""

    train: Sequence[str]
    validation: Sequence[str]
    reference: Sequence[str]
    articles: NDArray[np.int32] | None = None


class Settings(NamedTuple):
    """How text becomes rows.

    tokens: `words`, those that occur at least `least` times in what can be drawn, others are `<unk>`; `bpe`, a
    `vocabulary` of byte-pair pieces learned there; or a pretrained model, named as in learner.model, for its tokenizer.
    block: tokens in a row. measured: held-out blocks that measures look at, and blocks of each model, at most.
    """

    tokens: str = "words"
    least: int = 1
    vocabulary: int = 8192
    block: int = 64
    measured: int = 4096

    def checked(self) -> Settings:
        """The same. Raises InputError for a value that is not allowed."""
        known = self.tokens in ("words", "bpe", *NAMED) or any(mark in self.tokens for mark in "/.")
        known = known or os.path.isdir(self.tokens)
        require(known, f"tokens is words, bpe, or a model ({', '.join(NAMED)}, a folder, owner/name): {self.tokens!r}")
        require(self.least >= 1, f"least is 1 or more, got {self.least}")
        require(SHORTEST <= self.block <= LONGEST, f"block is {SHORTEST} to {LONGEST} tokens, got {self.block}")
        require(self.measured >= 2, f"measured is 2 blocks or more, got {self.measured}")
        return self


class Passages(Parted):
    """A source of blocks of tokens (n, block) int32; the reference is labelled by the article that each begins in."""

    items: ClassVar[str] = "text"

    def __init__(self, name: str, documents: Documents, settings: Settings, apart: Split = tokenise) -> None:
        self.coding, streams = _coded(documents, settings, apart)
        blocks, labels = zip(*(_blocks(stream, settings.block) for stream in streams), strict=True)
        for part, due, found in zip(("drawn", "validated", "held out"), (LEAST, 1, 2), blocks, strict=True):
            require(
                len(found) >= due,
                f"{name}: {len(found)} blocks of {settings.block} tokens can be {part}, {due} or more are needed: "
                "give more text, or a shorter block",
            )
        held = labels[2] if documents.articles is None else documents.articles[labels[2]]
        train, validation = (Corpus.text(b, self.coding.size) for b in blocks[:2])
        reference = Corpus.text(blocks[2], self.coding.size, label=held).take(spread(len(held), settings))
        super().__init__(name, (train, validation, reference), f"blocks of {settings.block} tokens")
        self._streams = streams

    @property
    def vocabulary(self) -> int:
        """How many different tokens there can be."""
        return self.coding.size

    def fingerprint(self) -> str:
        """SHA-256 of the tokens of all parts and what they stand for: other data, other run."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        h = hashlib.sha256(str(self.coding.size).encode())
        for token in range(self.coding.size):
            h.update(self.coding.decode([token]).encode() + b"\0")
        for stream in self._streams:
            h.update(stream.tokens.tobytes() + b"\0")
        return h.hexdigest()


class _Stream(NamedTuple):
    """The tokens of a part end to end, and where each document begins (documents + 1,)."""

    tokens: NDArray[np.int32]
    starts: NDArray[np.int64]


def learned(documents: Sequence[str], settings: Settings, apart: Split = tokenise) -> Any:
    """The coding that the settings ask for; words and pieces are learned on these documents."""
    if settings.tokens == "words":
        return Words.learned(documents, settings.least, apart)
    if settings.tokens == "bpe":
        return Pieces.learned(documents, settings.vocabulary)
    return Pretrained(settings.tokens)


def _coded(documents: Documents, settings: Settings, apart: Split) -> tuple[Coding, list[_Stream]]:
    """The coding learned on what can be drawn, and the tokens of every part; pieces, which are slow, from the cache."""
    parts = documents[:3]
    if settings.tokens == "words":
        coding = learned(parts[0], settings, apart)
        return coding, [_stream(coding, part) for part in parts]
    given = None if settings.tokens == "bpe" else Pretrained(settings.tokens)
    h = hashlib.sha256((f"bpe {settings.vocabulary}" if given is None else given.json).encode())
    for part in parts:
        h.update(b"\1" + b"\0".join(d.encode() for d in part))
    kept = cache() / "text" / f"{h.hexdigest()}.npz"
    # whatever a damaged archive raises, it is made anew
    with suppress(Exception), open(kept, "rb") as file, np.load(file, allow_pickle=False) as found:
        streams = [_Stream(found[f"tokens{k}"], found[f"starts{k}"]) for k in range(3)]
        return given or Pieces(bytes(found["coding"]).decode()), streams
    pieces = given or learned(parts[0], settings)
    streams = [_stream(pieces, part) for part in parts]
    named: dict[str, Any] = {f"{n}{k}": a for k, s in enumerate(streams) for n, a in s._asdict().items()}
    _keep(kept, coding=np.frombuffer(pieces.json.encode(), np.uint8), **named)
    return pieces, streams


def _keep(path: Any, **arrays: Any) -> None:
    """Write arrays into the cache, whole or not at all; a cache that cannot be written is none."""
    import os

    temporary = path.with_name(f".{path.name}.{os.getpid()}.npz")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(temporary, **arrays)
        os.replace(temporary, path)


def _stream(coding: Coding, documents: Sequence[str]) -> _Stream:
    found = [np.array(ids, dtype=np.int32) for ids in coding.encode(documents)]
    starts = np.concatenate([[0], np.cumsum([len(ids) for ids in found], dtype=np.int64)]).astype(np.int64)
    return _Stream(np.concatenate(found) if found else np.empty(0, np.int32), starts)


def _blocks(stream: _Stream, block: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Blocks (n, block), and the document that each begins in."""
    n = len(stream.tokens) // block
    begins = np.searchsorted(stream.starts, np.arange(n) * block, side="right") - 1
    return stream.tokens[: n * block].reshape(n, block), begins


def spread(n: int, settings: Settings) -> NDArray[np.int64]:
    """At most `measured` of n blocks, from all over the text."""
    return np.unique(np.linspace(0, n - 1, min(n, settings.measured)).astype(np.int64))


def in_parts(name: str, documents: Sequence[str]) -> Documents:
    """Documents that come without a split of their own, split like every finite table, each part in their order."""
    if len(documents) < LEAST:
        raise InputError(
            f"{name}: {len(documents)} documents; at least {LEAST} are needed to hold a reference out; what belongs "
            "together is a choice: documents=line, paragraph or heading"
        )
    train, validation, reference = ([documents[i] for i in np.sort(part)] for part in split(len(documents)))
    return Documents(train, validation, reference)


def articles(lines: Sequence[str], opens: Any) -> NDArray[np.int32]:
    """Which article each line belongs to: `opens(line)` begins a new one."""
    return np.array(list(itertools.accumulate(int(opens(line)) for line in lines)), dtype=np.int32)
