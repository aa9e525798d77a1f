"""outcross tails: are the rare items of a corpus lost faster than chance?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from outcross.cli.options import Debug, Json, print_json

if TYPE_CHECKING:
    from outcross.measures.chance import Documents
    from outcross.measures.rarity import Rarity

EXITS = {"kept": 0, "lost": 1, "inconclusive": 6}
_SHOWN = 20  # items named on the terminal

Unit = Literal["auto", "line", "paragraph", "heading"]
Origin = Literal["either", "here", "elsewhere"]


def command(
    real: Annotated[Path, typer.Argument(help="The real text, CSV or Parquet.", show_default=False)],
    snapshot: Annotated[Path, typer.Argument(help="What is judged against it, of the same kind.", show_default=False)],
    column: Annotated[
        str | None,
        typer.Option("--column", "-c", help="The column of categories; of .jsonl, the key of the text."),
    ] = None,
    documents: Annotated[
        Unit,
        typer.Option(help="What belongs together in a text, and is drawn together; auto: headings, else paragraphs."),
    ] = "auto",
    block: Annotated[int, typer.Option(help="Rows in a row of a table that belong together.", min=1)] = 1,
    missing: Annotated[Literal["error", "drop"], typer.Option(help="What to do with empty cells.")] = "error",
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Fold upper case into lower.")] = False,
    generations: Annotated[
        int, typer.Option("--generations", "-g", help="How often chance may have drawn the text anew.", min=1)
    ] = 1,
    origin: Annotated[
        Origin,
        typer.Option(help="What the snapshot's model was trained on: this real text (here), another, or unknown."),
    ] = "either",
    alpha: Annotated[float, typer.Option(help="False alarms allowed.")] = 0.05,
    resamples: Annotated[int, typer.Option(help="Times that chance is drawn.", min=1)] = 499,
    seed: Annotated[int, typer.Option(help="Seed of the split and of chance.")] = 0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Judge whether rare words or categories are lost faster than chance loses them.

    Exits with 0 when no more is lost than by chance, 1 when more is, 6 when there is too little to tell.
    """
    from outcross.measures.rarity import rarity

    judged, found, labels, unit = _read(real, snapshot, column, documents, block, missing, lowercase)
    settings = {"generations": generations, "alpha": alpha, "resamples": resamples, "seed": seed}
    result = rarity(judged, found, labels, origin=origin, **settings)  # type: ignore[arg-type]
    if json:
        print_json(_tree(result, unit))
    else:
        _print(result, unit)
    raise typer.Exit(EXITS[result.verdict])


def _read(
    real: Path, snapshot: Path, column: str | None, documents: Unit, block: int, missing: str, lowercase: bool
) -> tuple[Documents, Any, tuple[str, ...], str]:
    """Real documents, counts of the snapshot (K,), the K names of both, and what a document is."""
    import numpy as np

    from outcross.core.errors import require
    from outcross.measures.chance import Documents
    from outcross.sources.tables import is_text, read_categories, read_words

    for path in (real, snapshot):
        require(not path.is_dir(), f"{path} is a folder; a text, CSV or Parquet file is expected")
        require(path.exists(), f"{path}: No such file")
    text = is_text(real)
    require(is_text(snapshot) == text, f"{real} and {snapshot}: one is a text and one a table; compare like with like")
    if text:
        words, unit = _words(real, documents, lowercase, column or "text")
        other = read_words(snapshot, "line", lowercase, 1, column or "text")
        labels, codes, more = _together(words.codes, words.labels, other.codes, other.labels)
        judged = Documents.of(codes, words.offsets, len(labels))
    else:
        require(column is not None, f"{real}: say which column holds the categories, with --column NAME")
        codes, names = read_categories(real, str(column), missing)
        drawn, other_names = read_categories(snapshot, str(column), missing)
        labels, codes, more = _together(codes, names, drawn, other_names)
        judged, unit = Documents.rows(codes, len(labels), block), "row" if block == 1 else f"block of {block} rows"
    return judged, np.bincount(more, minlength=len(labels)), labels, unit


def _words(path: Path, documents: Unit, lowercase: bool, column: str) -> tuple[Any, str]:
    """The words of the real text and what its documents are: by headings where there are enough, if left to us."""
    from outcross.measures.rarity import DOCUMENTS
    from outcross.sources.tables import read_words

    if ".jsonl" in path.suffixes:
        return read_words(path, "line", lowercase, 1, column), "record"
    if documents != "auto":
        return read_words(path, documents, lowercase, 1, column), documents
    words = read_words(path, "heading", lowercase, 1, column)
    if len(words.offsets) > DOCUMENTS:
        return words, "heading"
    return read_words(path, "paragraph", lowercase, 1, column), "paragraph"


def _together(
    codes: Any, names: tuple[str, ...], other: Any, others: tuple[str, ...]
) -> tuple[tuple[str, ...], Any, Any]:
    """Both sides as codes of the names that either has."""
    import numpy as np

    labels = tuple(sorted({*names, *others}))
    place = {name: i for i, name in enumerate(labels)}
    old, new = (np.array([place[n] for n in side], dtype=np.int64) for side in (names, others))
    return labels, old[codes], new[other]


def _tree(result: Rarity, unit: str) -> dict[str, object]:
    from dataclasses import asdict

    def plain(row: object) -> dict[str, object]:
        return {k: None if v != v else v for k, v in asdict(row).items()}  # type: ignore[call-overload]

    return {
        "verdict": result.verdict,
        "exit": EXITS[result.verdict],
        "why": result.why,
        "unit": unit,
        **result.facts,
        "bins": [plain(b) for b in result.bins],
        "named": [plain(i) for i in result.named],
    }


def _sizes(facts: dict[str, int | float], unit: str) -> str:
    """How much was compared with how much, in words."""
    found, real, documents = (facts[name] for name in ("snapshot_tokens", "real_tokens", "real_documents"))
    if unit == "row":
        return f"{found:,} rows against {real:,} real ones"
    if unit.startswith("block"):
        return f"{found:,} rows against {real:,} real ones in {documents:,} {unit.replace('block', 'blocks', 1)}"
    return f"{found:,} tokens against {real:,} real ones in {documents:,} documents (each a {unit})"


def _print(result: Rarity, unit: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    from outcross.cli.progress import console
    from outcross.cli.show import number, span
    from outcross.core.errors import one_line

    print(one_line(result.why))
    if not result.bins:
        return
    table = Table(box=None, pad_edge=False, title_justify="left")
    table.title = f"{_sizes(result.facts, unit)}; copies in half of them"
    for name in ("copies", "items", "kept", "95 %", "p", "loss seen", "gone (chance, most)"):
        table.add_column(name, justify="left" if name == "95 %" else "right", no_wrap=True)
    for b in result.bins:
        tested = b.p == b.p
        seen = "" if not tested else "none" if b.detectable != b.detectable else f"{b.detectable:.0%}"
        gone = f"{b.extinct:,} ({b.extinct_chance:,.0f})" if tested else f"{b.extinct:,}"
        table.add_row(b.copies, f"{b.items:,}", number(b.ratio), span(b.low, b.high), number(b.p), seen, gone)
    console(stderr=False).print(table)
    for item in result.named[:_SHOWN]:
        name = one_line(item.name)
        shown = name if len(name) <= 40 else f"{name[:40]} ..."
        console(stderr=False).print(
            escape(f"{shown}: {item.found:,} found, {item.expected:,.0f} expected (p {item.p:.2g})")
        )
    if len(result.named) > _SHOWN:
        print(f"... and {len(result.named) - _SHOWN:,} more")
