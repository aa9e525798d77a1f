"""Sources of categories: a column, and the words of a text; split once for good, drawn as rows or as counts."""

import gzip
import json
import lzma
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outcross.core.errors import InputError
from outcross.core.rng import Purpose, Streams
from outcross.core.statistics import Counts
from outcross.sources.column import Source as Column
from outcross.sources.finite_categories import FiniteCategories
from outcross.sources.parse import RARE, in_documents, tokenise
from outcross.sources.tables import read_categories, read_words
from outcross.sources.tokens import Source as Tokens

CODES = np.repeat(np.arange(4, dtype=np.int32), [10, 20, 30, 40])
NAMES = ("a", "b", "c", "d")


def stream(seed, shard=0):
    return Streams.of(seed, 0).stream(0, Purpose.SOURCE, shard)


def codes_of(corpus):
    return corpus.items[:, 0].astype(int)


def csv(folder, column, name="t.csv"):
    path = folder / name
    path.write_text("\n".join(["kind,n", *(f"{v},{i}" for i, v in enumerate(column)), ""]))
    return str(path)


# ---- the shared base ----


def test_a_split_of_rows_is_whole_and_the_same_for_every_seed():
    source = FiniteCategories("t", "kind", CODES, NAMES)
    parts = [source.draw(source.rows, stream(0)), source.validation(999), source.reference(999)]
    assert [len(p) for p in parts] == [70, 10, 20]
    together = np.concatenate([codes_of(p) for p in parts])
    assert np.bincount(together).tolist() == [10, 20, 30, 40]
    again = FiniteCategories("t", "kind", CODES, NAMES)
    assert again.reference(999).digest == parts[2].digest
    assert source.reference_rows == 20
    np.testing.assert_allclose(source.frequencies, np.bincount(codes_of(parts[2]), minlength=4) / 20)
    assert (source.categories, source.labels, source.columns, source.items) == (4, NAMES, ("kind",), "categories")


def test_counts_are_the_law_of_rows_and_rows_are_different():
    source = FiniteCategories("t", "kind", CODES, NAMES)
    every = Counts.of(source.draw(source.rows, stream(0)), 4).counts
    assert np.array_equal(source.statistics(Counts, source.rows, stream(0)).counts, every)
    n, repeats = 25, 4000
    by_counts = np.stack([source.statistics(Counts, n, stream(3, i)).counts for i in range(repeats)])
    by_rows = np.stack([Counts.of(source.draw(n, stream(4, i)), 4).counts for i in range(repeats)])
    share = every / every.sum()
    sd = np.sqrt(n * share * (1 - share) * (1 - (n - 1) / (source.rows - 1)))  # without replacement
    for counts in (by_counts, by_rows):
        assert (counts.sum(axis=1) == n).all()
        assert np.all(np.abs(counts.mean(axis=0) - n * share) < 4 * sd / np.sqrt(repeats))
        assert np.all(np.abs(counts.std(axis=0) / sd - 1) < 0.06)


def test_no_document_lies_in_two_parts():
    lengths = np.random.default_rng(0).integers(1, 9, size=50)
    codes = np.repeat(np.arange(50, dtype=np.int32), lengths)  # each document is one word of its own, repeated
    source = FiniteCategories("t", "word", codes, tuple(map(str, range(50))), np.r_[0, np.cumsum(lengths)])
    parts = [
        set(codes_of(p)) for p in (source.draw(source.rows, stream(0)), source.validation(999), source.reference(999))
    ]
    assert [len(p) for p in parts] == [35, 5, 10]
    assert set.union(*parts) == set(range(50))
    assert source.rows == lengths[sorted(parts[0])].sum()


def test_more_than_there_are_too_few_and_one_category_are_errors():
    source = FiniteCategories("t", "kind", CODES, NAMES)
    for draw in (source.draw, lambda n, rng: source.statistics(Counts, n, rng)):
        with pytest.raises(InputError, match="70 rows can be drawn .* 71 were asked for: use samples=70"):
            draw(71, stream(0))
    with pytest.raises(InputError, match="9 rows; at least 10"):
        FiniteCategories("t", "kind", CODES[:9], NAMES)
    with pytest.raises(InputError, match="9 documents; at least 10"):
        FiniteCategories("t", "kind", CODES, NAMES, np.arange(0, 100, 11))
    with pytest.raises(InputError, match="every value is 'a'; with one category there is nothing to lose"):
        FiniteCategories("t", "kind", CODES, ("a",))


def test_the_fingerprint_is_of_values_names_and_documents():
    first = FiniteCategories("t", "kind", CODES, NAMES).fingerprint()
    assert FiniteCategories("u", "kind", CODES.copy(), NAMES).fingerprint() == first
    others = [
        FiniteCategories("t", "kind", CODES[::-1], NAMES),
        FiniteCategories("t", "type", CODES, NAMES),
        FiniteCategories("t", "kind", CODES, ("a", "b", "c", "e")),
        FiniteCategories("t", "kind", CODES, NAMES, np.arange(0, 101, 2)),
        FiniteCategories("t", "kind", CODES, NAMES, np.arange(0, 101, 5)),
    ]
    assert len({first, *(o.fingerprint() for o in others)}) == 6
    assert FiniteCategories("t", "kind", CODES, ("a", "b", "c", "\ud800")).fingerprint() != first


# ---- a column ----

VALUES = ["red"] * 12 + ["blue"] * 7 + ["green, light"] * 3


@pytest.mark.parametrize(
    "column",
    [
        pa.array(VALUES),
        pa.array(VALUES, pa.large_string()),
        pa.array(VALUES).dictionary_encode(),
    ],
)
def test_strings_and_dictionaries_are_their_values(tmp_path, column):
    pq.write_table(pa.table({"kind": column}), tmp_path / "t.parquet")
    codes, labels = read_categories(tmp_path / "t.parquet", "kind")
    assert labels == ("blue", "green, light", "red")
    assert [labels[c] for c in codes] == VALUES


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        (pa.array([3, 1, 1, 20] * 5), ("1", "20", "3")),
        (pa.array([3, 1, 1, 20] * 5, pa.uint8()).dictionary_encode(), ("1", "20", "3")),
        (pa.array([True, False] * 10), ("false", "true")),
        (pa.array([0.5, 1.0, 0.5] * 7), ("0.5", "1")),
        (pa.array([18000, 18001] * 10, pa.date32()), ("2019-04-14", "2019-04-15")),
    ],
)
def test_numbers_booleans_and_dates_are_strings(tmp_path, column, labels):
    pq.write_table(pa.table({"kind": column}), tmp_path / "t.parquet")
    assert read_categories(tmp_path / "t.parquet", "kind")[1] == labels


def test_a_csv_column_and_its_gaps(tmp_path):
    path = csv(tmp_path, ["x", "y", "x", ""] * 5)
    with pytest.raises(InputError, match="5 missing values in column 'kind', the first in row 4; .*missing=drop"):
        Column(path, "kind")
    source = Column(path, "kind", missing="drop")
    assert source.labels == ("x", "y")
    assert (source.rows, source.reference_rows) == (11, 3)


@pytest.mark.parametrize(
    ("values", "column", "says"),
    [
        (["x", "y"] * 9, "type", "no column 'type'; there are kind, n"),
        (["x"] * 20, "kind", "every value is 'x'"),
        (["x", "y"] * 4, "kind", "8 rows; at least 10"),
        ([f"{i / 7:.4f}" for i in range(40)], "kind", "looks continuous: 40 different numbers in 40 rows"),
        ([""] * 40, "kind", "40 missing values"),
    ],
)
def test_a_column_that_cannot_be_used_says_why(tmp_path, values, column, says):
    with pytest.raises(InputError, match=says):
        Column(csv(tmp_path, values), column)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pa.array(np.random.default_rng(0).standard_normal(50)), "looks continuous"),
        (pa.array([[1]] * 20), "holds list<.*not categories"),
        (pa.array([b"x", b"y"] * 10), "holds binary, not categories"),
        (pa.nulls(20), "holds null"),
        (pa.array([None] * 20, pa.string()), "20 missing"),
        (pa.array([None, "x"] * 10).dictionary_encode(), "10 missing"),
        (pa.array([float("nan"), 1.0, 2.0] * 10), "10 missing"),
    ],
)
def test_a_parquet_column_that_cannot_be_used_says_why(tmp_path, column, says):
    pq.write_table(pa.table({"kind": column}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=says):
        read_categories(tmp_path / "t.parquet", "kind")


def test_many_categories_are_many_and_too_many_are_refused(tmp_path):
    pq.write_table(pa.table({"id": np.arange(3000)}), tmp_path / "t.parquet")
    assert len(read_categories(tmp_path / "t.parquet", "id")[1]) == 3000
    pq.write_table(pa.table({"id": np.arange((1 << 20) + 1)}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="more than 1,048,576 categories"):
        read_categories(tmp_path / "t.parquet", "id")


# ---- words ----


def test_words_are_told_apart_as_stated():
    text = '(as in "U.S.", 3.5 @-@ inch) <unk> don\'t ... «é»'
    assert tokenise(text) == [
        "(", "as", "in", '"', "U.S", ".", '"', ",", "3.5", "@-@", "inch", ")", "<unk>", "don't", ".", ".", ".", "«é»",
    ]  # fmt: skip
    assert tokenise(" \t\n") == []


def test_lines_become_documents():
    lines = [" = A = \n", "\n", "one\n", "two\n", " \n", "  # no heading\n", " = = B = = \n", "# C\n", "four"]
    assert len(list(in_documents(lines, "line"))) == 7
    assert [len(d) for d in in_documents(lines, "paragraph")] == [1, 2, 4]
    assert [d[0].strip() for d in in_documents(lines, "heading")] == ["= A =", "# C"]


TEXT = "\n\n".join(f"the cat number {i} sat." for i in range(30))


@pytest.mark.parametrize("suffix", ["txt", "txt.gz", "txt.xz", "txt.zst", "jsonl", "jsonl.gz"])
def test_a_text_is_the_same_however_it_is_packed(tmp_path, suffix):
    content = TEXT if "txt" in suffix else "\n".join(json.dumps({"text": p, "id": 1}) for p in TEXT.split("\n\n"))
    raw = content.encode()
    packed = {"gz": gzip.compress, "xz": lzma.compress, "zst": lambda b: pa.compress(b, "zstd", asbytes=True)}
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(packed.get(suffix.rpartition(".")[2], lambda b: b)(raw))
    words = read_words(path)
    assert len(words.offsets) == 31
    assert [words.labels[c] for c in words.codes[words.offsets[3] : words.offsets[4]]] == tokenise(
        "the cat number 3 sat."
    )
    assert list(words.labels) == sorted(words.labels)


def test_rare_words_are_merged_and_case_is_folded_when_asked(tmp_path):
    (tmp_path / "t.txt").write_text(TEXT + "\n\nThe end")
    assert {"The", "the", "7"} <= set(read_words(tmp_path / "t.txt").labels)
    words = read_words(tmp_path / "t.txt", lowercase=True, least=2)
    assert words.labels == (".", "cat", "number", "sat", "the", RARE)
    assert np.bincount(words.codes).tolist() == [30, 30, 30, 30, 31, 31]
    with pytest.raises(InputError, match="every value is '<rare>'"):
        Tokens(str(tmp_path / "t.txt"), least=1000)
    with pytest.raises(InputError, match="least is 1 or more, got 0"):
        Tokens(least=0)
    with pytest.raises(InputError, match="documents are one of line, paragraph, heading, got 'file'"):
        Tokens(documents="file")


def test_the_embedded_text_needs_no_file_and_its_documents_stay_whole():
    source = Tokens()
    assert source.columns == ("word",)
    assert source.categories > 5000
    assert source.rows > 50_000
    by_topic = Tokens(documents="heading")
    assert by_topic.categories == source.categories
    assert by_topic.fingerprint() != source.fingerprint()
    assert abs(source.frequencies.sum() - 1) < 1e-12
    assert (source.frequencies == 0).any()


# ---- hostile files: refused in one line ----


def _jsonl(*records):
    return "\n".join(r if isinstance(r, str) else json.dumps(r) for r in records).encode()


ZEROS = bytes(200 << 20)
HOSTILE = {  # name -> suffix, content, what the refusal names
    "gz-truncated": ("txt.gz", gzip.compress(TEXT.encode())[:-20], "cannot be read: EOFError"),
    "gz-that-is-none": ("txt.gz", TEXT.encode(), "cannot be read: BadGzipFile"),
    "xz-truncated": ("txt.xz", lzma.compress(TEXT.encode())[:-20], "cannot be read"),
    "xz-that-is-none": ("txt.xz", TEXT.encode(), "cannot be read: LZMAError"),
    "zst-that-is-none": ("txt.zst", TEXT.encode(), "cannot be read"),
    "binary": ("txt", random.Random(0).randbytes(100_000), "is no UTF-8 text"),
    "nul-bytes": ("txt", b"one\ntwo\0three", "line 2 holds NUL"),
    "latin-1": ("txt", "caf\xe9 au lait\n".encode("latin-1"), "is no UTF-8 text (line 1: "),
    "utf-16": ("txt", TEXT.encode("utf-16"), "no UTF-8"),
    "empty": ("txt", b"", "no words"),
    "blank": ("txt", b" \n \n", "no words"),
    "one-document": ("txt", b"one two three", "1 documents; at least 10"),
    "huge-line": ("txt", b"ab " * (23 << 20), "line 1 is longer than 64 million bytes"),
    "gz-bomb": ("txt.gz", gzip.compress((b"a" * (1 << 20) + b"\n") * 80, 6), "unpacks to more than 200 times its size"),
    "xz-bomb": ("txt.xz", lzma.compress(ZEROS), "holds NUL|longer than|unpacks to more"),
    "jsonl-missing-key": ("jsonl", _jsonl({"text": "a"}, {"body": "b"}), "line 2 has no key 'text'; there are body"),
    "jsonl-number": ("jsonl", _jsonl({"text": 5}), "line 1: 'text' holds int, not text"),
    "jsonl-list": ("jsonl", _jsonl([1, 2]), "line 1 is no JSON object"),
    "jsonl-broken": ("jsonl", _jsonl({"text": "a"}, '{"text": '), "line 2 is no JSON"),
    "jsonl-deep": ("jsonl", b"[" * 500_000, "line 1 is no JSON: nested too deeply"),
    "of-no-known-kind": ("docx", b"PK", "unknown kind of file '.docx'; known: .txt, .jsonl"),
    "packed-unknown": ("csv.gz", b"PK", "unknown kind of file '.csv'"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_refused_in_one_line(name, tmp_path):
    suffix, content, named = HOSTILE[name]
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        Tokens(str(path))
    said = str(refusal.value)
    assert said.startswith(str(path))
    assert said.isprintable(), said
    assert any(n in said for n in named.split("|")), said


@pytest.mark.parametrize("seed", range(6))
def test_flipped_bits_never_crash_the_reader_of_texts(seed, tmp_path):
    chance = random.Random(seed)
    pack = {"txt": lambda b: b, "txt.gz": gzip.compress, "txt.xz": lzma.compress}
    suffix = chance.choice(list(pack))
    broken = bytearray(pack[suffix](TEXT.encode()))
    for _ in range(chance.choice([1, 4, 40])):
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(broken)
    try:
        words = read_words(path)
        assert words.offsets[-1] == len(words.codes)
        assert words.codes.max() < len(words.labels)
    except InputError as e:
        assert str(path) in str(e)  # noqa: PT017  either outcome is right


def test_words_with_lone_surrogates_are_words(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_bytes(_jsonl(*({"text": f"\ud800 word {i}"} for i in range(20))))
    source = Tokens(str(path))
    assert "\ud800" in source.labels
    assert len(source.fingerprint()) == 64
