"""The English text of Python's own language reference, which comes with Python: nothing to download.

It changes with every release of Python, so runs of different releases are different runs.
"""

from __future__ import annotations

from outcross.sources.passages import Passages, Settings, in_parts
from outcross.sources.tokens import reference


class Source(Passages):
    """Paragraphs of the reference. The settings are those of the source `text`."""

    def __init__(
        self, tokens: str = "words", least: int = 2, vocabulary: int = 8192, block: int = 64, measured: int = 4096
    ) -> None:
        documents = ["\n".join(lines) for lines in reference("paragraph")]
        settings = Settings(tokens, least, vocabulary, block, measured).checked()
        super().__init__("Python's language reference", in_parts("pydoc", documents), settings)
