"""Named random streams: every number drawn is fixed by (seed, chain, generation, purpose, shard).

Nothing carries random state from one generation to the next, so a resumed chain needs none, a new measure cannot
shift training, and two policies with one seed see the same real rows, initialisations and noise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_APART = 0x9E3779B97F4A7C15  # odd, so that numbered keys do not meet before 2^64 of them


class Purpose(IntEnum):
    """What a stream is for. Numbers are never re-used: a new purpose gets a new one."""

    SOURCE = 1  # the original real rows
    FIT = 2  # initialisation inside a fit
    SAMPLE = 3  # rows drawn from the model
    ANCHOR = 4  # which original rows are re-drawn
    FRESH = 5  # new real rows
    PREVIOUS = 6  # which rows of the previous pool stay
    SUBSAMPLE = 7  # which rows of the pool are fitted
    MEASURE = 8  # everything that measures
    FLOOR = 9  # real rows of the noise floor
    FLOOR_FIT = 10  # their fits
    REFERENCE = 11  # the held-out reference of a known law
    VALIDATION = 12  # the held-out validation rows of a known law
    SPLIT = 13  # train / validation / reference of finite data
    CLASSIFIER = 14  # training of the classifier that measures see images with
    PROMPTS = 15  # which blocks of text a model continues
    STAGE = 16  # what stages do to rows
    TEACHER = 17  # the real rows of a teacher
    AUXILIARY = 18  # a second model, trained on a model's own rows: those rows, its fit, the choice by validation data
    FLOOR_AUXILIARY = 19  # the same of models of the noise floor


def _key(name: str) -> int:
    """The 64 bits that a name stands for."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


class Stream(NamedTuple):
    """One named random stream."""

    key: int  # 64 bits, from (seed, chain)
    generation: int
    purpose: int
    shard: int = 0

    def generator(self) -> np.random.Generator:
        """A numpy generator at the start of this stream."""
        counter = [0, 0, self.generation, (int(self.purpose) << 32) | self.shard]
        return np.random.Generator(np.random.Philox(key=self.key, counter=counter))

    def words(self) -> NDArray[np.uint64]:
        """Key and counter words (4,) for the compiled generators of `core.compiled`."""
        low = 0xFFFFFFFF
        tag = (int(self.purpose) << 16) | self.shard
        return np.array([self.key & low, self.key >> 32, self.generation, tag], dtype=np.uint64)

    def part(self, name: str) -> Stream:
        """The same place under a key of its own: for a named part of whoever draws, which may use all shards itself."""
        return self._replace(key=_key(f"outcross/{self.key}/part/{name}"))

    def another(self, number: int) -> Stream:
        """The stream of this name with a number, 0 being this one: for what is asked for again and again."""
        return self._replace(key=(self.key + number * _APART) % (1 << 64))

    def fates(self, contents: Iterable[bytes]) -> NDArray[np.float64]:
        """Two numbers in [0, 1) for each content (n, 2): the same ones under this name, whatever comes beside it.

        The first 16 bytes of its BLAKE2b hash, keyed by the stream.
        """
        key = b"".join(int(part).to_bytes(8, "big") for part in self)
        words = b"".join(hashlib.blake2b(content, digest_size=16, key=key).digest() for content in contents)
        bits = np.frombuffer(words, "<u8").reshape(-1, 2) >> np.uint64(11)
        return bits.astype(np.float64) * 2.0**-53

    def seed(self) -> int:
        """A 31-bit seed, for programs and libraries that take one number."""
        return int(self.generator().integers(2**31))


class Streams(NamedTuple):
    """The streams of one chain."""

    key: int

    @classmethod
    def of(cls, seed: int, chain: int) -> Streams:
        """Streams of a chain number under a seed; arms share them, which pairs the arms."""
        return cls(_key(f"outcross/{seed}/{chain}"))

    def stream(self, generation: int, purpose: Purpose, shard: int = 0) -> Stream:
        """The stream of one purpose in one generation."""
        return Stream(self.key, generation, purpose, shard)


FIXED = Streams.of(0, -1)  # streams that no seed moves: splits and references are the same in every run
