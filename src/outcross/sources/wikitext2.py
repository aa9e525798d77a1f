"""WikiText-2 (Merity et al. 2016): 2.1 million words of Wikipedia's best articles, with the published split.

`words` is the word-level text, in which words that occur fewer than three times are `<unk>` (33,278 words with the end
of a line). The paper's experiment uses `raw`, the text as it is: perplexities of the two are not comparable.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from outcross.core.errors import InputError, ResourceError
from outcross.sources.fetch import VARIABLE, Published, cache, checked, find, unpacked
from outcross.sources.parse import is_heading
from outcross.sources.passages import Documents, Passages, Settings, articles

Version = Literal["words", "raw"]
LINES = {"train": 36_718, "valid": 3_760, "test": 4_358}
_MOST = 64 << 20  # bytes of a part


def _file(name: str, size: int, content: str) -> Published:
    return Published(f"wikitext-2/{name}.txt", size, content, (), "")


FILES = {
    "train": _file("train", 10_797_148, "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f"),
    "valid": _file("valid", 1_121_681, "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8"),
    "test": _file("test", 1_256_449, "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0"),
}
_HUB, _ROWS = "Salesforce/wikitext", {"train": "train", "valid": "validation", "test": "test"}


def lines(version: Version, part: str, folder: Path | None) -> list[str]:
    """The lines of a part: from the folder, $OUTCROSS_DATA, the cache, or the Hugging Face hub.

    Raises InputError for a file that is not the published one, ResourceError where there is none.
    """
    name = FILES[part].name if version == "words" else f"wikitext-2-raw/{part}.txt"
    found = find(name, folder)
    if found is None:
        return _from_hub(version, part, name)
    content = checked(found, FILES[part]) if version == "words" else unpacked(found, _MOST)
    return _whole(content.decode("utf-8", "replace").split("\n")[:-1], part, str(found))


def _whole(found: list[str], part: str, where: str) -> list[str]:
    if len(found) != LINES[part]:
        raise InputError(f"{where}: {len(found):,} lines, {LINES[part]:,} are due: put the published file there")
    return found


def _from_hub(version: Version, part: str, name: str) -> list[str]:
    """The lines as the hub keeps them: one row each, without the space of a blank one."""
    folder = Path(name).parent
    remedy = f"put {', '.join(f'{p}.txt' for p in LINES)} into {cache() / folder}, or set ${VARIABLE} to the folder of "
    remedy += f"{folder}"
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.utils import logging
    except ImportError as e:
        raise ResourceError(f"WikiText-2 ({version}) is not here: {remedy}; or pip install 'outcross[lm]'") from e
    import pyarrow.parquet as pq

    inside = f"wikitext-2-{'raw-' if version == 'raw' else ''}v1/{_ROWS[part]}-00000-of-00001.parquet"
    logging.set_verbosity_error()  # it would tell of every try
    try:
        path = hf_hub_download(_HUB, inside, repo_type="dataset")
    except Exception as e:  # the hub's client raises what it likes
        raise ResourceError(f"WikiText-2 ({version}) could not be downloaded from the hub: {remedy}") from e
    rows = pq.read_table(path, columns=["text"]).column("text").to_pylist()
    return _whole([row.rstrip("\n") or " " for row in rows], part, f"{_HUB}, {inside}")


def _rows(lines: list[str]) -> list[str]:
    """Raw lines as the rows that the hub hands out and the paper tokenised: with the line feed, blank ones empty."""
    return [f"{line}\n" if line.strip() else "" for line in lines]


class Source(Passages):
    """version: `words`, the word-level text, or `raw`. path: a folder with train.txt, valid.txt and test.txt, plain,
    .gz or .xz; by default they are looked for in $OUTCROSS_DATA, the cache and on the Hugging Face hub. Every line,
    blank ones too, ends with a mark, so the published 2,088,628 words come out. The rest as of the source `text`.
    """

    def __init__(
        self,
        version: Version = "words",
        path: str | None = None,
        tokens: str = "words",
        least: int = 1,
        vocabulary: int = 8192,
        block: int = 64,
        measured: int = 4096,
    ) -> None:
        settings = Settings(tokens, least, vocabulary, block, measured).checked()
        folder = None if path is None else Path(os.path.expanduser(path))
        train, validation, test = (lines(version, part, folder) for part in LINES)
        read = _rows if version == "raw" else list
        documents = Documents(read(train), read(validation), read(test), articles(test, is_heading))
        super().__init__(f"wikitext-2 ({version})", documents, settings, str.split)
