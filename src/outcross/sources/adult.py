"""Adult (UCI census income, Becker and Kohavi 1996): 32,561 people to draw from, 16,281 of the test file held out.

Rows are numbers; the label of a row is its group, by one column of categories: who is lost first?
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.core.rng import FIXED, Purpose
from outcross.sources.fetch import Published, read
from outcross.sources.parted import Parted
from outcross.sources.tables import chosen

VALIDATION = 2000  # of the test file: the reference is the rest
_HOST = "https://archive.ics.uci.edu/ml/machine-learning-databases/adult"
_NAMES = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race",
    "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income",
)  # fmt: skip
NUMBERS = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")
Group = Literal[
    "race", "sex", "income", "workclass", "education", "marital_status", "occupation", "relationship", "native_country"
]


def _file(name: str, size: int, content: str) -> Published:
    return Published(f"tabular/adult/{name}", size, content, (f"{_HOST}/{name}",), content)


FILES = (
    _file("adult.data", 3_974_305, "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d"),
    _file("adult.test", 2_003_153, "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05"),
)


@lru_cache(maxsize=1)
def _people(folder: str | None) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Training and test rows by column, as text; the test file begins with a remark and ends its incomes with a dot."""
    place = None if folder is None else Path(os.path.expanduser(folder))
    texts = (read(f, place).decode("ascii").splitlines() for f in FILES)
    rows = (csv.reader((line for line in text if "," in line), skipinitialspace=True) for text in texts)
    train, test = ([dict(zip(_NAMES, (v.rstrip(".") for v in row), strict=True)) for row in part] for part in rows)
    return train, test


class Source(Parted):
    """group: the column whose values are the groups. columns: which numbers, of age, fnlwgt, education_num,
    capital_gain, capital_loss and hours_per_week. path: the folder with adult.data and adult.test, plain, .gz or .xz;
    by default they are looked for in $OUTCROSS_DATA and the cache, then downloaded.
    """

    def __init__(
        self,
        group: Group = "race",
        columns: Sequence[str] = ("age", "education_num", "hours_per_week"),
        path: str | None = None,
    ) -> None:
        wanted = chosen(columns) or []
        for name in wanted:
            require(name in NUMBERS, f"columns of numbers are {', '.join(NUMBERS)}, got {name!r}")
        train, test = _people(path)
        self.classes = tuple(sorted({row[group] for row in (*train, *test)}))
        drawn, held = (self._corpus(rows, wanted, group) for rows in (train, test))
        order = FIXED.stream(0, Purpose.SPLIT).generator().permutation(len(held))
        parts = drawn, held.take(order[:VALIDATION]), held.take(order[VALIDATION:])
        super().__init__("adult", parts, "people")
        self.columns = tuple(wanted)

    def _corpus(self, rows: list[dict[str, str]], columns: list[str], group: str) -> Corpus:
        code = {name: k for k, name in enumerate(self.classes)}
        items = np.array([[float(row[c]) for c in columns] for row in rows])
        return Corpus.of(items, 0, np.array([code[row[group]] for row in rows]))

    def fingerprint(self) -> str:
        """SHA-256 of the rows and groups: other data, other run."""
        told = repr((self.columns, self.classes)) + "".join(part.digest for part in self._parts)
        return hashlib.sha256(told.encode()).hexdigest()
