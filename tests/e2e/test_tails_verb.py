"""`outcross tails`: verdicts, exit codes, JSON, and hostile names and files, as a user meets them."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands import Said, Shell, is_one_line, outcross

LAW = np.arange(1, 301) ** -1.1
LAW /= LAW.sum()
KEYS = {"verdict", "exit", "why", "unit", "bins", "named", "real_tokens", "real_documents", "snapshot_tokens", "items",
        "generations", "resamples", "alpha"}  # fmt: skip


def drawn(n: int, seed: int, power: float = 1.0) -> list[str]:
    p = LAW**power
    return [f"w{i}" for i in np.random.default_rng(seed).choice(len(LAW), size=n, p=p / p.sum())]


def text(words: list[str], each: int = 20) -> str:
    return "\n\n".join(" ".join(words[i : i + each]) for i in range(0, len(words), each))


def tails(shell: Shell, *words: object) -> Said:
    return shell("tails", *words, "--resamples", "99")


@pytest.fixture
def texts(shell: Shell) -> Shell:
    Path("real.txt").write_text(text(drawn(30_000, 0)))
    Path("same.txt").write_text(text(drawn(30_000, 1)))
    Path("cold.txt").write_text(text(drawn(30_000, 2, 1.2)))
    Path("few.txt").write_text(text(drawn(60, 3)))
    return shell


@pytest.mark.parametrize(
    ("snapshot", "code", "verdict", "says"),
    [
        ("same.txt", 0, "kept", "no loss beyond chance: items with "),
        ("cold.txt", 1, "lost", "rare items are lost faster than chance: items with "),
        ("few.txt", 6, "inconclusive", "tokens of snapshot are needed, there are 60"),
    ],
)
def test_the_exit_code_and_the_sentence_are_the_verdict(texts, snapshot, code, verdict, says):
    said = tails(texts, "real.txt", snapshot)
    assert (said.code, said.err) == (code, ""), said
    assert says in said.out.splitlines()[0]
    assert "30,000 real ones in 1,500 documents (each a paragraph)" in said.out
    told = tails(texts, "real.txt", snapshot, "--json")
    assert told.code == code
    tree = told.json
    assert set(tree) == KEYS
    assert (tree["verdict"], tree["exit"], tree["why"]) == (verdict, code, said.out.splitlines()[0])
    assert tree["bins"][0]["least"] == 1
    assert tree["bins"][-1]["p"] is None


def test_a_lost_word_is_named_and_shown(texts):
    words = drawn(30_000, 4)
    Path("gone.txt").write_text(text([w for w in words if w != "w40"]))
    said = tails(texts, "real.txt", "gone.txt")
    assert said.code == 1
    assert "w40: 0 found, " in said.out
    named = tails(texts, "real.txt", "gone.txt", "--json").json["named"]
    assert [n["name"] for n in named] == ["w40"]
    assert named[0]["found"] == 0


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_of_tables_are_compared(shell, suffix):
    for name, seed, power in (("real", 0, 1.0), ("same", 1, 1.0), ("cold", 2, 1.3)):
        rows = drawn(20_000, seed, power)
        if suffix == "csv":
            Path(f"{name}.csv").write_text("\n".join(["kind", *rows, ""]))
        else:
            pq.write_table(pa.table({"kind": rows}), f"{name}.parquet")
    assert tails(shell, f"real.{suffix}", f"same.{suffix}", "--column", "kind").code == 0
    said = tails(shell, f"real.{suffix}", f"cold.{suffix}", "-c", "kind", "--json")
    assert (said.code, said.json["unit"]) == (1, "row")
    said = tails(shell, f"real.{suffix}", f"cold.{suffix}", "-c", "kind", "--block", "5", "--json")
    assert (said.code, said.json["unit"], said.json["real_documents"]) == (1, "block of 5 rows", 4000)


def test_documents_are_headings_where_there_are_enough(shell):
    def articles(seed: int, n: int) -> str:
        words = drawn(400 * n, seed)
        return "\n".join(f"\n = Title {i} = \n\n" + text(words[400 * i : 400 * i + 400]) for i in range(n))

    Path("many.txt").write_text(articles(0, 60))
    Path("few.txt").write_text(articles(1, 20))
    assert tails(shell, "many.txt", "few.txt", "--json").json["unit"] == "heading"
    assert tails(shell, "few.txt", "many.txt", "--json").json["unit"] == "paragraph"
    assert tails(shell, "many.txt", "few.txt", "--documents", "line", "--json").json["unit"] == "line"


def test_packed_texts_and_records_are_the_same_words(texts):
    paragraphs = Path("same.txt").read_text().split("\n\n")
    Path("same.jsonl").write_text("\n".join(json.dumps({"body": p}) for p in paragraphs))
    Path("same.txt.gz").write_bytes(gzip.compress(Path("same.txt").read_bytes()))
    Path("same.txt.xz").write_bytes(lzma.compress(Path("same.txt").read_bytes()))
    plain = tails(texts, "real.txt", "same.txt", "--json").json
    for name, more in (("same.txt.gz", ()), ("same.txt.xz", ()), ("same.jsonl", ("--column", "body"))):
        assert tails(texts, "real.txt", name, *more, "--json").json == plain


def test_the_seed_fixes_everything_and_settings_count(texts):
    first = tails(texts, "real.txt", "same.txt", "--json").json
    assert tails(texts, "real.txt", "same.txt", "--json").json == first
    other = tails(texts, "real.txt", "same.txt", "--seed", "1", "--json").json
    assert other["bins"] != first["bins"]
    here = tails(texts, "real.txt", "same.txt", "--origin", "here", "--generations", "3", "--json").json
    assert here["generations"] == 3
    assert here["bins"][0]["real"] == here["bins"][0]["whole"]
    low = tails(texts, "real.txt", "same.txt", "--lowercase", "--alpha", "0.1", "--json").json
    assert low["alpha"] == 0.1


def test_hostile_names_of_items_stay_on_their_line(shell):
    name = "\x1b[2J[red]\u202e" + "x" * 500
    rows = drawn(20_000, 0)
    Path("real.csv").write_text("\n".join(["kind", *(name if w == "w30" else w for w in rows), ""]))
    Path("gone.csv").write_text("\n".join(["kind", *(w for w in drawn(20_000, 1) if w != "w30"), ""]))
    said = tails(shell, "real.csv", "gone.csv", "--column", "kind")
    assert said.code == 1
    line = next(x for x in said.out.splitlines() if " 0 found, " in x)
    assert line.startswith("\\x1b[2J[red]\\u202exx")
    assert len(line) < 120
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out
    assert tails(shell, "real.csv", "gone.csv", "--column", "kind", "--json").json["named"][0]["name"] == name


BAD = {  # name -> files, further words, what the refusal names
    "missing": ({}, ("none.txt",), "none.txt: No such file"),
    "missing-without-suffix": ({}, ("none",), "none: No such file"),
    "folder": ({}, (".",), ". is a folder; a text, CSV or Parquet file is expected"),
    "text-and-table": ({"t.csv": b"a\n1\n"}, ("t.csv",), "compare like with like"),
    "gz-truncated": ({"s.txt.gz": gzip.compress(b"a b\n" * 99)[:-9]}, ("s.txt.gz",), "cannot be read: EOFError"),
    "binary": ({"s.txt": bytes(range(256)) * 9}, ("s.txt",), "NUL"),
    "nul-bytes": ({"s.txt": b"a\0b"}, ("s.txt",), "NUL"),
    "huge-line": ({"s.txt": b"a " * (33 << 20)}, ("s.txt",), "longer than 64 million"),
    "bomb-gz": ({"s.txt.gz": gzip.compress((b"a" * 1023 + b"\n") * 80_000)}, ("s.txt.gz",), "200 times its size"),
    "bomb-xz": ({"s.txt.xz": lzma.compress((b"a" * 1023 + b"\n") * 80_000)}, ("s.txt.xz",), "200 times its size"),
    "jsonl-without-key": ({"s.jsonl": b'{"body": "a"}\n'}, ("s.jsonl",), "line 1 has no key 'text'; there are body"),
    "empty": ({"s.txt": b""}, ("s.txt",), "no words"),
    "alpha": ({"s.txt": b"a b"}, ("s.txt", "--alpha", "2"), "alpha is between"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_exit_code_2(name, shell):
    files, words, says = BAD[name]
    Path("real.txt").write_text(text(drawn(2000, 0)))
    for file, content in files.items():
        Path(file).write_bytes(content)
    said = tails(shell, "real.txt", *words)
    assert (said.code, is_one_line(said)) == (2, True), said
    assert says in said.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say which column holds the categories, with --column NAME"),
        (("--column", "c"), "no column 'c'; there are kind, x"),
        (("--column", "x"), "looks continuous"),
    ],
)
def test_a_column_that_cannot_be_used_is_refused(words, says, shell):
    Path("t.csv").write_text("kind,x\n" + "".join(f"a{i % 3},{i / 7}\n" for i in range(60)))
    said = tails(shell, "t.csv", "t.csv", *words)
    assert (said.code, is_one_line(said)) == (2, True), said
    assert says in said.err


def test_the_verb_as_a_program(tmp_path):
    (tmp_path / "real.txt").write_text(text(drawn(4000, 0)))
    (tmp_path / "cold.txt").write_text(text(drawn(4000, 1, 2.0)))
    said = outcross("tails", "real.txt", "cold.txt", "--json", cwd=tmp_path)
    assert (said.code, said.err) == (1, "")
    assert said.json["verdict"] == "lost"
