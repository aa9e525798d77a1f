"""The words of a text. They come in documents, and no document lies in two parts of the split.

Words are what stands between white space; each of . , ; : ! ? ( ) [ ] { } " at either end of one is a word of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from outcross.core.errors import require
from outcross.sources.finite_categories import FiniteCategories
from outcross.sources.parse import encode, in_documents
from outcross.sources.tables import Words, read_words

Unit = Literal["line", "paragraph", "heading"]


class Source(FiniteCategories):
    """path: a UTF-8 .txt, or .jsonl with the text under `column`, also packed as .gz, .xz or .zst.

    Without a path it is the English text of Python's own language reference, which comes with Python.

    documents: what belongs together: each `line`, each `paragraph` between blank lines, or all from a `heading` to the
    next (`= Title =`, `# Title`; a topic of the language reference); in .jsonl it is each record. lowercase: fold upper
    into lower case. least: words rarer than this in the whole text become the one category `<rare>`.
    """

    def __init__(
        self,
        path: str | None = None,
        documents: Unit = "paragraph",
        lowercase: bool = False,
        least: int = 1,
        column: str = "text",
    ) -> None:
        require(least >= 1, f"least is 1 or more, got {least}")
        require(documents in get_args(Unit), f"documents are one of {', '.join(get_args(Unit))}, got {documents!r}")
        if path is None:
            words = embedded(documents, lowercase, least)
        else:
            words = read_words(Path(os.path.expanduser(path)), documents, lowercase, least, column)
        super().__init__(path or "Python's language reference", "word", words.codes, words.labels, words.offsets)


def embedded(documents: Unit = "paragraph", lowercase: bool = False, least: int = 1) -> Words:
    """The words of Python's language reference (`pydoc_data.topics`), in documents."""
    labels, (codes, offsets) = encode(reference(documents), lowercase, least)
    return Words(codes, offsets, tuple(labels))


def reference(unit: Unit) -> Iterator[list[str]]:
    """The documents of Python's language reference, each as its lines."""
    from pydoc_data.topics import topics

    for name in sorted(topics):
        lines = topics[name].splitlines()
        yield from ([lines] if unit == "heading" else in_documents(lines, unit))
