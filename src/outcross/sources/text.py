"""A text of the user's in blocks of tokens: .txt, .jsonl or .parquet."""

from __future__ import annotations

import os
from pathlib import Path

from outcross.core.errors import require
from outcross.sources.passages import Passages, Settings, in_parts
from outcross.sources.tables import read_documents
from outcross.sources.tokens import Unit


class Source(Passages):
    """path: a UTF-8 .txt, or .jsonl or .parquet with the text under `column`; the first two also as .gz, .xz or .zst.

    documents: what belongs together and is never split: each `line`, each `paragraph` between blank lines, or all from
    a `heading` to the next (`= Title =`, `# Title`); each record of .jsonl or row of .parquet.

    tokens: `words`, those that occur at least `least` times in what can be drawn, others are `<unk>`; `bpe`, a
    `vocabulary` of byte-pair pieces learned there; or a pretrained model, named as in learner.model, for its tokenizer.
    block: tokens in a row. measured: held-out blocks that measures look at, and blocks of each model, at most.
    """

    def __init__(
        self,
        path: str,
        documents: Unit = "paragraph",
        column: str = "text",
        tokens: str = "words",
        least: int = 2,
        vocabulary: int = 8192,
        block: int = 64,
        measured: int = 4096,
    ) -> None:
        require(
            documents in ("line", "paragraph", "heading"), f"documents is line, paragraph or heading: {documents!r}"
        )
        settings = Settings(tokens, least, vocabulary, block, measured).checked()
        found = read_documents(Path(os.path.expanduser(path)), documents, column)
        super().__init__(path, in_parts(path, found), settings)
