"""Text in blocks of tokens: the coding, the split, the blocks, the cache; the user's files and WikiText-2."""

from __future__ import annotations

import gzip
import itertools
import json
import lzma
import re
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outcross.core.errors import InputError, ResourceError
from outcross.core.rng import FIXED, Purpose
from outcross.runs import runner
from outcross.runs.spec import load
from outcross.sources import parse, wikitext2
from outcross.sources.coding import END, UNKNOWN, Pieces, Words
from outcross.sources.finite import split
from outcross.sources.parse import tokenise
from outcross.sources.passages import Documents, Passages, Settings, in_parts
from outcross.sources.pydoc import Source as Pydoc
from outcross.sources.tables import read_documents
from outcross.sources.text import Source as Text
from outcross.sources.wikitext2 import Source as WikiText2
from shared import shared

COMMON = [f"word{i}" for i in range(30)]
PICKED = np.random.default_rng(0).integers(0, 30, (60, 20))
DOCS = [f"doc{i:03d}; " + " ".join(COMMON[k] for k in row) for i, row in enumerate(PICKED)]
TEXT = "\n\n".join(DOCS) + "\n"


def source(documents=DOCS, **settings):
    """Documents of text as a source, without a file."""
    return Passages("some text", in_parts("some text", documents), Settings(**{"block": 8, **settings}))


def file(path, content=TEXT, **settings):
    """A file of the user's as a source, after that content lay in it."""
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Text(str(path), **{"block": 8, "least": 1, **settings})


def table(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def everything(one):
    """All blocks of a source, part by part."""
    return one.training, one.validation(10**6), one.reference(10**6)


def same(one, other):
    """Whether two sources are the same, block for block."""
    assert one.fingerprint() == other.fingerprint()
    for a, b in zip(everything(one), everything(other), strict=True):
        assert a.digest == b.digest
    assert [one.coding.decode([t]) for t in range(one.vocabulary)] == [
        other.coding.decode([t]) for t in range(other.vocabulary)
    ]


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache of this test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("outcross.sources.passages.cache", lambda: folder)
    return folder


# ---- coding ----


def test_words_come_back_as_they_were_with_a_mark_at_each_end():
    said = ['He said , " no " ( twice ) .', "", "Émeu 猫 don't re-read"]
    coding = Words.learned(said)
    found = list(coding.encode(said))
    assert [coding.decode(ids) for ids in found] == [f"{d} {END}".strip() for d in said]
    assert all(ids[-1] == coding.end and coding.end not in ids[:-1] for ids in found)
    assert sorted(coding.labels) == sorted({*" ".join(said).split(), END, UNKNOWN})


def test_words_are_numbered_by_how_often_they_occur_and_rare_ones_are_one_mark():
    coding = Words.learned(["b b b a a c", "b a d"], least=2)
    assert coding.labels == ("b", "a", END, UNKNOWN)  # 4, 3, 2 ends, 2 words that occur once; ties by their names
    assert coding.decode(next(iter(coding.encode(["a c e"])))) == f"a {UNKNOWN} {UNKNOWN} {END}"


@pytest.mark.parametrize(
    "text", ["plain words, and more", " spaces  kept \n\tas they are ", "Émeu 猫 \U0001f600 \x00\x1b", ""]
)
def test_byte_pair_pieces_of_any_text_come_back_byte_for_byte(text):
    coding = Pieces.learned(DOCS, 300)
    (ids,) = coding.encode([text])
    assert ids[-1] == coding.end
    assert coding.decode(ids) == text + END
    assert max(ids) < coding.size <= 300
    again = Pieces(coding.json)
    assert (list(again.encode([text]))[0], again.size, again.end) == (ids, coding.size, coding.end)


def test_byte_pair_pieces_are_learned_not_bytes():
    (ids,) = Pieces.learned(DOCS, 400).encode(DOCS[:1])
    assert len(ids) < 0.5 * len(DOCS[0])


# ---- parts ----


def test_the_vocabulary_is_learned_on_what_can_be_drawn_alone():
    documents = [f"only{i} {d}" for i, d in enumerate(DOCS)]
    one = source(documents)
    train, validation, reference = split(len(documents))
    assert {w for w in one.coding.labels if w.startswith("only")} == {f"only{i}" for i in train}
    for part, which in zip(everything(one)[1:], (validation, reference), strict=True):
        said = one.coding.decode(part.items.ravel()).split()
        assert "only" not in " ".join(said)
        assert said.count(UNKNOWN) >= 1.5 * len(which), "two words of each document are in no other"
    assert UNKNOWN not in one.coding.decode(one.training.items.ravel())


def test_words_that_are_rare_in_what_can_be_drawn_are_one_mark_everywhere():
    one = source(least=2)
    assert not any(label.startswith("doc") for label in one.coding.labels)
    for part in everything(one):
        assert UNKNOWN in one.coding.decode(part.items.ravel())


def test_no_document_lies_in_two_parts_and_few_in_none(cache):
    parts = [set(re.findall(r"doc(\d{3});", s)) for s in _said(source(tokens="bpe", vocabulary=300, block=16))]
    for one, other in itertools.combinations(parts, 2):
        assert not one & other
    assert [len(p) for p in parts] == [len(p) for p in split(len(DOCS))]


def _said(one):
    return [one.coding.decode(part.items.ravel()) for part in everything(one)]


@pytest.mark.parametrize("block", [2, 7, 64])
def test_blocks_are_the_text_as_it_runs_and_only_the_last_is_left_out(block):
    one = source(block=block)
    for part, which in zip(everything(one), split(len(DOCS)), strict=True):
        known = set(one.coding.labels)
        told = [w for i in np.sort(which) for w in (*tokenise(DOCS[i]), END)]
        whole = [w if w in known else UNKNOWN for w in told]
        assert part.items.shape == (len(whole) // block, block)
        assert part.items.dtype == np.int32
        assert one.coding.decode(part.items.ravel()).split() == whole[: part.items.size]


def test_a_held_out_block_is_labelled_by_the_document_it_begins_in():
    lengths = [3, 1, 10, 5, 30]
    parts = [" ".join(["a"] * (n - 1)) for n in lengths]
    documents = Documents([" ".join(COMMON * 9)] * 9, ["a b c d e f"] * 3, parts)
    one = Passages("t", documents, Settings(block=4))
    began = np.searchsorted(np.cumsum(lengths), np.arange(sum(lengths) // 4) * 4, side="right")
    assert one.reference(99).label.tolist() == began.tolist()
    by_article = Passages("t", documents._replace(articles=np.array([0, 0, 0, 1, 1], np.int32)), Settings(block=4))
    assert by_article.reference(99).label.tolist() == [int(d > 2) for d in began]


def test_measured_blocks_come_from_all_over_the_held_out_text():
    whole, few = source(measured=10**6).reference(10**6), source(measured=6).reference(10**6)
    assert len(few) == 6
    at = [int(np.flatnonzero((whole.items == row).all(axis=1))[0]) for row in few.items]
    assert (at[0], at[-1]) == (0, len(whole) - 1)
    assert np.ptp(np.diff(at)) <= 1, "evenly spaced"
    assert few.label.tolist() == whole.label[at].tolist()
    assert source(measured=len(whole) + 1).reference(10**6).digest == whole.digest


def test_measured_changes_nothing_that_can_be_drawn():
    assert source(measured=6).training.digest == source().training.digest
    assert source(measured=6).validation(99).digest == source().validation(99).digest


def test_drawn_blocks_are_different_ones_of_the_training_text():
    one = source()
    drawn = one.draw(20, FIXED.stream(0, Purpose.SOURCE))
    at = {int(np.flatnonzero((one.training.items == row).all(axis=1))[0]) for row in drawn.items}
    assert (len(drawn), len(at)) == (20, 20)
    assert (drawn.vocabulary, drawn.shape, set(drawn.born)) == (one.vocabulary, (8,), {0})
    with pytest.raises(InputError, match=f"use samples={one.rows} or less"):
        one.draw(one.rows + 1, FIXED.stream(0, Purpose.SOURCE))


def test_the_fingerprint_tells_other_tokens_and_other_text(cache):
    settings = [{}, {"least": 2}, {"tokens": "bpe", "vocabulary": 300}, {"tokens": "bpe", "vocabulary": 310}]
    prints = [source(**s).fingerprint() for s in settings]
    for i in split(len(DOCS))[0][0], split(len(DOCS))[1][0], split(len(DOCS))[2][0]:  # one document of each part
        prints.append(source([*DOCS[:i], DOCS[i] + " word7", *DOCS[i + 1 :]]).fingerprint())
    renamed = source([d.replace("word", "wort") for d in DOCS])
    assert renamed.training.digest == source().training.digest, "the same numbers"
    prints.append(renamed.fingerprint())
    assert len(set(prints)) == len(prints)
    assert source().fingerprint() == source().fingerprint()


def test_a_run_on_other_blocks_tokens_or_text_is_another_run(tmp_path, cache):
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.txt").write_text(TEXT.replace("word3 ", "other "))

    def place(name, *more):
        of = ["source.kind=text", f"source.path={tmp_path / name}", "source.block=8", "samples=20"]
        return runner.directory_of(load("lm", [*of, *more]), tmp_path)[0]

    bpe = ("source.tokens=bpe", "source.vocabulary=300")
    names = [place("a.txt"), place("b.txt"), place("a.txt", "source.block=9"), place("a.txt", *bpe)]
    names.append(place("a.txt", "source.measured=6"))
    assert len(set(names)) == len(names)
    assert place("a.txt") == names[0]


# ---- pieces in the cache ----

BPE = {"tokens": "bpe", "vocabulary": 300}


def test_pieces_from_the_cache_are_the_same_as_fresh_ones(cache, monkeypatch):
    fresh = source(**BPE)
    (kept,) = (cache / "text").iterdir()
    with monkeypatch.context() as within:
        within.setattr(Pieces, "learned", lambda *_: pytest.fail("learned again"))
        cached = source(**BPE)
    same(fresh, cached)
    kept.unlink()
    same(fresh, source(**BPE))
    assert kept.exists()


def test_other_settings_and_other_text_are_not_taken_from_the_cache(cache):
    source(**BPE)
    source(tokens="bpe", vocabulary=310)
    source([*DOCS[1:], "another document"], **BPE)
    assert len(list((cache / "text").iterdir())) == 3
    source(**BPE, block=9)
    source(**BPE, measured=5)
    assert len(list((cache / "text").iterdir())) == 3, "blocks are cut from the same pieces"


def _encrypted(whole):
    """With the flag of strong encryption in the last entry of the directory."""
    at = whole.rindex(b"PK\x01\x02") + 8
    return whole[:at] + bytes([whole[at] | 0x40]) + whole[at + 1 :]


DAMAGE = {
    "empty": lambda whole: b"",
    "one-byte": lambda whole: whole[:1],
    "cut-in-the-middle": lambda whole: whole[: len(whole) // 2],
    "cut-at-the-end": lambda whole: whole[:-5],
    "another-file": lambda whole: b"not an archive" * 99,
    "only-the-first-letters-of-an-archive": lambda whole: b"PK\x03\x04",
    "a-bit-in-the-middle": lambda whole: whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:],
    "a-flag-in-its-directory": _encrypted,
    "another-archive": lambda whole: _archive(tokens0=np.zeros(3)),
    "a-pickle": lambda whole: b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x01a\x94.",
}


def _archive(**arrays):
    import io

    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_in_the_cache_is_made_anew(cache, damage):
    fresh = source(**BPE)
    (kept,) = (cache / "text").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(DAMAGE[damage](whole))
    assert kept.read_bytes() != whole
    same(fresh, source(**BPE))
    with np.load(kept, allow_pickle=False) as found:
        assert set(found.files) >= {"coding", "tokens0", "tokens1", "tokens2"}
    assert [p.name for p in (cache / "text").iterdir()] == [kept.name], "nothing else is left there"


def test_a_cache_that_cannot_be_written_is_none(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr("outcross.sources.passages.cache", lambda: tmp_path / "file")
    assert source(**BPE).rows > 0


# ---- the user's files ----


def _jsonl(documents=DOCS, key="text"):
    return "".join(json.dumps({"id": i, key: d}) + "\n" for i, d in enumerate(documents))


def _packed(suffix, content):
    if suffix == ".zst":
        out = pa.BufferOutputStream()
        with pa.CompressedOutputStream(out, "zstd") as stream:
            stream.write(content)
        return out.getvalue().to_pybytes()
    return {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[suffix](content)


def test_every_kind_of_file_gives_the_same_rows(tmp_path):
    found = {"parquet": Text(str(table(tmp_path / "a.parquet", text=DOCS)), block=8, least=1)}
    for suffix in ("", ".gz", ".xz", ".zst"):
        for kind, content in (("txt", TEXT), ("jsonl", _jsonl())):
            name = f"a.{kind}{suffix}"
            found[name] = file(tmp_path / name, _packed(suffix, content.encode()))
    assert len(found) == 9
    for one in found.values():
        same(one, found["a.txt"])
    same(found["a.txt"], source())
    assert found["a.txt"].rows > 40


@pytest.mark.parametrize(
    "content",
    [TEXT.replace("\n", "\r\n"), "\ufeff" + TEXT, TEXT.rstrip("\n"), "\n \n" + TEXT.replace("\n\n", "\n\t\n\n")],
    ids=["windows", "byte-order-mark", "no-last-line-end", "blank-lines"],
)  # fmt: skip
def test_how_lines_end_and_how_many_are_blank_changes_nothing(tmp_path, content):
    same(file(tmp_path / "a.txt", content), source())


def test_what_belongs_together_is_said_by_the_user(tmp_path):
    lines = "\n".join(f"= Title {i} =\nline one {i}\n\nline two\n## sub" for i in range(20))
    (tmp_path / "a.txt").write_text(lines)
    counted = {unit: len(read_documents(tmp_path / "a.txt", unit)) for unit in ("line", "paragraph", "heading")}
    assert counted == {"line": 80, "paragraph": 21, "heading": 20}


def test_another_column_is_read_where_it_is_named(tmp_path):
    same(file(tmp_path / "a.jsonl", _jsonl(key="body"), column="body"), source())
    same(file(table(tmp_path / "a.parquet", body=DOCS, text=[""] * len(DOCS)), None, column="body"), source())


def test_text_in_a_dictionary_column_is_text(tmp_path):
    coded = pa.array(DOCS).dictionary_encode()
    same(file(table(tmp_path / "a.parquet", text=coded), None), source())


def _parquet(**columns):
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), out)
    return out.getvalue().to_pybytes()


N = len(DOCS)
REFUSED = {  # name -> name of the file, content, settings, what the refusal says
    "empty": ("a.txt", "", {}, "no words"),
    "blank": ("a.txt", "\n \n\t\n", {}, "no words"),
    "one-line": ("a.txt", "only one line\n", {}, "1 documents; at least 10 are needed"),
    "one-paragraph": ("a.txt", TEXT.replace("\n\n", "\n"), {}, "documents=line"),
    "no-heading": ("a.txt", TEXT, {"documents": "heading"}, "documents=line"),
    "latin-1": ("a.txt", b"Gr\xfc\xdfe\n" + TEXT.encode(), {}, "no UTF-8 text"),
    "latin-1-further-down": ("a.txt", TEXT.encode() + b"\nGr\xfc\xdfe\n", {}, r"line (120|121)\b"),
    "latin-1-in-jsonl": ("a.jsonl", _jsonl().encode() + b'{"text": "\xfc"}\n', {}, r"line (60|61)\b"),
    "utf-16": ("a.txt", TEXT.encode("utf-16"), {}, "no UTF-8 text"),
    "nul": ("a.txt", TEXT + "\na\0b\n", {}, r"line 121\b.*NUL"),
    "shorter-than-a-block": ("a.txt", TEXT, {"block": 3000}, "0 blocks of 3000 tokens can be drawn, 10"),
    "few-blocks": ("a.txt", TEXT, {"block": 150}, r"\d blocks of 150 tokens can be drawn, 10 or more are needed"),
    "missing-field": ("a.jsonl", _jsonl() + '{"body": "a"}\n', {}, f"line {N + 1} has no key 'text'; there are body"),
    "broken-line": ("a.jsonl", _jsonl() + '{"text": \n', {}, f"line {N + 1} is no JSON"),
    "no-object": ("a.jsonl", _jsonl() + '["a"]\n', {}, f"line {N + 1} is no JSON object"),
    "number-in-jsonl": ("a.jsonl", _jsonl() + '{"text": 5}\n', {}, f"line {N + 1}: 'text' holds int, not text"),
    "null-in-jsonl": ("a.jsonl", _jsonl() + '{"text": null}\n', {}, f"line {N + 1}: 'text' holds NoneType, not text"),
    "nested-in-jsonl": ("a.jsonl", _jsonl() + "[" * 99_999 + "\n", {}, "nested too deeply"),
    "empty-jsonl": ("a.jsonl", "\n", {}, "no words"),
    "no-column": ("a.parquet", _parquet(body=DOCS), {}, "no column 'text'; there are body"),
    "missing-value": ("a.parquet", _parquet(text=[*DOCS, None]), {}, f"row {N + 1}: 'text' is missing"),
    "whole-numbers": ("a.parquet", _parquet(text=list(range(400))), {}, "'text' holds int64, not text"),
    "numbers": ("a.parquet", _parquet(text=[0.5] * 400), {}, "'text' holds double, not text"),
    "flags": ("a.parquet", _parquet(text=[True] * 400), {}, "'text' holds bool, not text"),
    "lists": ("a.parquet", _parquet(text=[DOCS]), {}, "'text' holds list<.*>, not text"),
    "no-rows": ("a.parquet", _parquet(text=pa.array([], pa.string())), {}, "no words"),
    "cut-parquet": ("a.parquet", _parquet(text=DOCS)[:-20], {}, "cannot be read"),
    "packed-parquet": ("a.parquet.gz", gzip.compress(_parquet(text=DOCS)), {}, "unknown kind"),
    "cut-gz": ("a.txt.gz", gzip.compress(TEXT.encode())[:-20], {}, "cannot be read"),
    "no-gz": ("a.txt.gz", "no archive", {}, "cannot be read"),
    "no-xz": ("a.txt.xz", "no archive", {}, "cannot be read"),
    "no-zst": ("a.txt.zst", "no archive", {}, "cannot be read"),
    "csv": ("a.csv", TEXT, {}, r"unknown kind of file '\.csv'; known: \.txt, \.jsonl, \.parquet"),
    "no-suffix": ("a", TEXT, {}, "unknown kind"),
    "only-packed": ("a.gz", TEXT, {}, "unknown kind"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_text_that_cannot_be_used_is_refused_in_one_line_that_names_it(tmp_path, name):
    called, content, settings, says = REFUSED[name]
    with pytest.raises(InputError) as e:
        file(tmp_path / called, content, **settings)
    said = str(e.value)
    assert said.startswith(str(tmp_path / called))
    assert re.search(says, said), said
    assert said.isprintable()
    assert len(said) < 300 + len(str(tmp_path))


def test_what_is_no_file_is_named(tmp_path):
    (tmp_path / "folder.txt").mkdir()
    for name, says in (("folder.txt", "not a file"), ("none.txt", "No such file"), ("/dev/zero", "not a file")):
        with pytest.raises(InputError, match=f"{name}: {says}"):
            Text(str(tmp_path / name))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"block": 1}, "block is 2 to 8192 tokens, got 1"),
        ({"block": 8193}, "block is 2 to 8192 tokens, got 8193"),
        ({"least": 0}, "least is 1 or more, got 0"),
        ({"measured": 1}, "measured is 2 blocks or more, got 1"),
        ({"tokens": "letters"}, "tokens is .*words.*bpe.*'letters'"),
        ({"tokens": "bpe", "vocabulary": 256}, "vocabulary is more than the 256 bytes, got 256"),
        ({"tokens": "bpe", "vocabulary": -1}, "vocabulary is more than the 256 bytes, got -1"),
        ({"documents": "chapter"}, "documents is line, paragraph or heading: 'chapter'"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(tmp_path, cache, settings, says):
    with pytest.raises(InputError, match=says) as e:
        file(tmp_path / "a.txt", **settings)
    assert str(e.value).isprintable()


def _answer(capsys, path):
    """The line with which the child refuses, without a child."""
    with pytest.raises(SystemExit) as end:
        parse.answer({"what": "documents", "path": str(path), "documents": "line", "column": "text"})
    assert end.value.code == 2
    return capsys.readouterr().err.strip()


def test_a_line_longer_than_the_limit_is_refused_and_one_as_long_is_not(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(parse, "_LONGEST_LINE", 50)
    (tmp_path / "a.txt").write_text("short\n" + "a" * 50 + "\nshort\n")
    assert _answer(capsys, tmp_path / "a.txt").startswith("line 2 is longer than")
    (tmp_path / "a.txt").write_text("short\n" + "a" * 48 + "\nshort\n")
    _, (text, ends) = parse.answer(
        {"what": "documents", "path": str(tmp_path / "a.txt"), "documents": "line", "column": "text"}
    )
    assert np.diff(ends).tolist() == [5, 48, 5]
    assert text.tobytes() == b"short" + b"a" * 48 + b"short"


def test_a_line_of_70_million_letters_is_refused(tmp_path):
    with pytest.raises(InputError, match="a.txt: line 2 is longer than 64 million bytes"):
        file(tmp_path / "a.txt", b"first\n" + b"ab " * 24_000_000)


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("outcross.sources.child.SMALL", 1 << 20)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"a b c\n\n" * 500_000))
    assert _answer(capsys, tmp_path / "a.txt.gz") == "unpacks to more than 200 times its size"


def test_pythons_own_reference_is_text_that_is_always_there():
    one = Pydoc(block=64)
    assert one.rows > 500
    assert len(one.reference(10**6)) > 100
    assert (one.items, one.shape, one.columns) == ("text", (64,), ())
    assert one.vocabulary == one.coding.size == len(set(one.coding.labels))
    assert one.coding.told == f"{one.vocabulary:,} words"


# ---- WikiText-2 ----


@pytest.fixture(scope="module")
def wikitext():
    return WikiText2(path=str(shared("wikitext-2")), measured=10**6)


def test_wikitext_2_has_the_published_tokens_and_words(wikitext):
    assert [len(stream.tokens) for stream in wikitext._streams] == [2_088_628, 217_646, 245_569]
    assert wikitext.vocabulary == 33_278
    assert [len(part) for part in everything(wikitext)] == [2_088_628 // 64, 217_646 // 64, 245_569 // 64]


def test_wikitext_2_keeps_its_published_split_and_its_articles(wikitext):
    assert wikitext.coding.decode(wikitext.training.items[0]).startswith(f"{END} = Valkyria Chronicles III = {END}")
    assert wikitext.coding.decode(wikitext.validation(1).items[0]).startswith(f"{END} = Homarus gammarus = {END}")
    held = wikitext.reference(10**6)
    assert wikitext.coding.decode(held.items[0]).startswith(f"{END} = Robert <unk> = {END}")
    assert 55 <= len(np.unique(held.label)) <= 65, "the test part has 60 articles"
    assert (np.diff(held.label) >= 0).all()


def _hub(folder, rows):
    """A stand-in for the hub: the file that it would have downloaded, and what was asked of it."""
    asked = []

    def download(repository, name, repo_type):
        asked.append((repository, name, repo_type))
        path = folder / Path(name).name
        pq.write_table(pa.table({"text": rows}), path)
        return str(path)

    return download, asked


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """Neither the shared data nor a cache."""
    monkeypatch.delenv("OUTCROSS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))


def test_the_hubs_wikitext_2_is_the_files(monkeypatch, tmp_path, nowhere):
    folder = shared("wikitext-2")
    lines = wikitext2.lines("words", "valid", folder)
    # as the hub has them: a row a line with its end, blank lines without anything
    download, asked = _hub(tmp_path, [f"{line}\n" if line.strip() else "" for line in lines])
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    found = wikitext2.lines("words", "valid", None)
    assert [line.split() for line in found] == [line.split() for line in lines]
    assert asked == [("Salesforce/wikitext", "wikitext-2-v1/validation-00000-of-00001.parquet", "dataset")]
    assert found == lines, "byte for byte: pieces of bytes and pretrained tokenizers see spaces"


def test_a_hub_that_gives_fewer_lines_is_refused(monkeypatch, tmp_path, nowhere):
    monkeypatch.setattr("huggingface_hub.hf_hub_download", _hub(tmp_path, ["a\n"] * 9)[0])
    with pytest.raises(InputError, match="9 lines, 3,760 are due"):
        wikitext2.lines("raw", "valid", None)


@pytest.mark.parametrize(("version", "folder"), [("words", "wikitext-2"), ("raw", "wikitext-2-raw")])
def test_without_the_hub_it_is_told_where_the_files_are_to_be_put(monkeypatch, tmp_path, nowhere, version, folder):
    def fails(*_, **__):
        raise ConnectionError("no\nnetwork")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fails)
    remedy = (
        f"put train.txt, valid.txt, test.txt into {tmp_path / 'home'}/outcross/{folder}, or set \\$OUTCROSS_DATA to"
    )
    with pytest.raises(ResourceError, match=f"could not be downloaded from the hub: {remedy}") as e:
        WikiText2(version)
    assert str(e.value).isprintable()
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # not installed
    with pytest.raises(ResourceError, match=f"is not here: {remedy}.*pip install 'outcross\\[lm\\]'"):
        WikiText2(version)


def test_files_are_found_where_the_remedy_says(monkeypatch, tmp_path, nowhere):
    real = wikitext2.lines("words", "valid", shared("wikitext-2"))
    place = tmp_path / "home" / "outcross" / "wikitext-2"
    place.mkdir(parents=True)
    (place / "valid.txt").write_text("".join(f"{line}\n" for line in real), newline="")
    assert wikitext2.lines("words", "valid", None) == real


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"too short", "1,121,681 bytes are due, it holds 9, cut short"),
        (b"a" * 1_121_681, "its content has SHA-256 .*put the published file there"),
        (b"a" * 1_121_682, "1,121,681 bytes are due, it holds more"),
    ],
)
def test_other_content_in_the_place_of_wikitext_2_is_refused(tmp_path, content, says):
    (tmp_path / "valid.txt").write_bytes(content)
    with pytest.raises(InputError, match=f"valid.txt: {says}"):
        wikitext2.lines("words", "valid", tmp_path)


def test_raw_text_of_another_length_is_refused(tmp_path):
    (tmp_path / "valid.txt").write_text("a\n" * 12)
    with pytest.raises(InputError, match="valid.txt: 12 lines, 3,760 are due: put the published file there"):
        wikitext2.lines("raw", "valid", tmp_path)


def test_raw_rows_keep_their_line_feed_and_blank_ones_are_empty_as_the_hub_hands_them_out(monkeypatch, tmp_path):
    monkeypatch.setattr(wikitext2, "LINES", {"train": 240, "valid": 60, "test": 120})
    lines = [" ", " = Naïve title = ", " ", " Some raw text , 1 @,@ 234 words . "]
    for part, n in wikitext2.LINES.items():
        (tmp_path / f"{part}.txt").write_text("".join(f"{lines[i % 4]}\n" for i in range(n)), newline="")
    made = WikiText2("raw", str(tmp_path), tokens="bpe", vocabulary=300, block=8)
    text = made.coding.decode(made.training.items.ravel()[:400])
    row = "<eos> = Naïve title = \n<eos><eos> Some raw text , 1 @,@ 234 words . \n<eos>"
    assert text.startswith(row + row)


def test_a_folder_without_wikitext_2_is_told(tmp_path):
    with pytest.raises(InputError, match="holds no train.txt, plain, .gz or .xz"):
        WikiText2(path=str(tmp_path))
