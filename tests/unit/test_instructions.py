"""Instructions with answers: what a row is, what is left out, that no answer lies in two parts, what is refused."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outcross.core.contracts import Generation
from outcross.core.errors import InputError
from outcross.core.rng import Purpose, Streams
from outcross.families.ngram import Learner
from outcross.measures.context import Context, Reference
from outcross.runs.plugins import measures
from outcross.sources.instructions import Source
from outcross.sources.standard_library import library

STREAMS = Streams.of(0, 0)
QUESTION, ANSWER = 9, 5
CHANCE = np.random.default_rng(0)
PAIRS = [(f"ask {k} of them", " ".join(f"w{j}" for j in CHANCE.integers(9, size=7))) for k in range(60)]


def write(path, pairs, columns=("instruction", "answer")):
    records = [dict(zip(columns, pair, strict=True)) for pair in pairs]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    else:
        path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return str(path)


def source(folder, pairs=PAIRS, name="pairs.jsonl", **settings):
    given = {"question": QUESTION, "answer": ANSWER, "least": 1, **settings}
    return Source(write(folder / name, pairs), **given)


def parts(one):
    return one.training.items, one.validation(10**6).items, one.reference(10**6).items


def rows(one):
    return np.concatenate(parts(one))


# ---- what a row is ----


def test_a_row_is_the_question_after_marks_of_an_end_and_the_beginning_of_its_answer(tmp_path):
    one = source(tmp_path)
    assert one.shape == (QUESTION + ANSWER,)
    assert one.question == QUESTION
    said = {f"<eos> Question : {q} Answer :": " ".join(a.split()[:ANSWER]) for q, a in PAIRS}
    for row in one.training.items:
        question, answer = (one.coding.decode(side.tolist()) for side in (row[:QUESTION], row[QUESTION:]))
        assert answer == said[question]


def test_the_mark_of_an_end_is_the_last_token_of_an_answer_that_just_fits(tmp_path):
    short = [(q, a if k else "one two three four") for k, (q, a) in enumerate(PAIRS)]
    found = rows(source(tmp_path, short))
    end = source(tmp_path).coding.end
    assert (found[:, -1] == end).sum() == 1


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (("ask " + "very " * 12 + "long", "a b c d e f"), "a question that is too long"),
        (("ask", "a b c"), "an answer that is too short"),
        (("ask again", PAIRS[0][1]), "an answer that came before"),
        (("ask again", " ".join(PAIRS[0][1].split()[:ANSWER]) + " other end"), "the same beginning of an answer"),
    ],
)
def test_pairs_that_make_no_row_of_their_own_are_left_out_and_counted(pair, why, tmp_path):
    whole, more = source(tmp_path), source(tmp_path, [*PAIRS, pair])
    assert len(rows(more)) == len(rows(whole)), why
    assert f"; {len(rows(more)):,} of 61 pairs of question and answer" in more.about
    assert more.about in Reference.of(more).library.told(QUESTION)


def test_rows_that_lack_a_question_or_an_answer_are_left_out(tmp_path):
    assert len(rows(source(tmp_path, [*PAIRS, ("ask", ""), (" ", "a b c d e f")]))) == len(rows(source(tmp_path)))


def test_no_answer_lies_in_two_parts_nor_twice_in_one(tmp_path):
    twice = [*PAIRS, *((f"{q} again", a) for q, a in PAIRS)]
    answers = [row[QUESTION:].tobytes() for part in parts(source(tmp_path, twice)) for row in part]
    assert len(set(answers)) == len(answers) > 50


def test_parts_are_those_of_all_finite_data_and_the_coding_is_learned_on_what_can_be_drawn(tmp_path):
    one = source(tmp_path, [(q, f"only{k} {a}") for k, (q, a) in enumerate(PAIRS)])
    sizes = [len(part) for part in parts(one)]
    assert sizes[0] == 42
    unknown = one.coding.bare("none-such")[0]
    assert not (parts(one)[0][:, QUESTION] == unknown).any()


@pytest.mark.parametrize("name", ["pairs.parquet", "pairs.jsonl"])
def test_names_of_columns_are_settings(name, tmp_path):
    path = write(tmp_path / name, PAIRS, ("instruction", "output"))
    one = Source(path, answer_column="output", question=QUESTION, answer=ANSWER, least=1)
    assert np.array_equal(rows(one), rows(source(tmp_path, name="other.jsonl")))


def test_a_tokenizer_that_knows_how_it_is_asked_is_asked_so(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["</s>", "<ask>", "<say>", "ask", "of", "them", *(f"w{j}" for j in range(9)), *map(str, range(60))]
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="</s>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    kept = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>")
    kept.chat_template = "{% for m in messages %}<ask> {{ m.content }}{% endfor %} <say>"
    kept.save_pretrained(tmp_path / "tokens")
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "tokens" / name).write_text("{}")
    one = source(tmp_path, tokens=str(tmp_path / "tokens"))
    told = one.coding.decode(one.training.items[0].tolist()).split()
    assert told[: QUESTION - 6] == ["</s>"] * (QUESTION - 6)
    assert (told[QUESTION - 6], told[QUESTION - 5], told[QUESTION - 1]) == ("<ask>", "ask", "<say>")


# ---- the standard library ----


def test_the_standard_library_answers_for_itself_whatever_else_is_imported():
    import logging

    logging.Logger.nonsense = lambda self: None
    logging.Logger.nonsense.__doc__ = "Nothing of Python's."
    try:
        found = library()
    finally:
        del logging.Logger.nonsense
    assert found == library()
    assert len(found) > 1500
    said = dict(found)
    assert said["What does os.path.join do in Python?"].startswith("Join two or more pathname components")
    assert said["What does str.split do in Python?"].startswith("Return a list of the substrings")
    assert "What does logging.Logger.nonsense do in Python?" not in said


def test_without_a_file_there_are_hundreds_of_rows_and_measures_of_text_take_them():
    one = Source(question=24, answer=24, measured=40)
    assert one.rows > 300
    assert one.fingerprint() == Source(question=24, answer=24, measured=40).fingerprint()
    assert one.fingerprint() != Source(question=25, answer=24, measured=40).fingerprint()
    pool = one.draw(60, STREAMS.stream(0, Purpose.SOURCE))
    model = Learner(prompts="original", question=24).fit(pool, STREAMS.stream(0, Purpose.FIT))
    context = Context(Reference.of(one), model, model, STREAMS, 0)
    found: dict[str, object] = {}
    for measure in measures((*(m.name for m in measures()), "real_perplexity")):
        if measure.needs == "text":
            found |= measure.take(Generation(0, pool, model), context)
    assert found["perplexity"].value == found["real_perplexity"].value
    asked, said = json.loads(found["continuations"].tobytes())[0]
    assert asked.endswith("do in Python ? Answer :")
    assert len(said.split()) == 24


# ---- what is refused ----


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"question": 0}, "question is 1 token or more, got 0"),
        ({"answer": 0}, "answer is 1 token or more, got 0"),
        ({"question": 9000}, "block is 2 to 8192 tokens"),
        (
            {"answer": 30},
            "0 pairs with questions of up to 9 tokens and different answers of 30 or more can be",
        ),
        ({"question": 2}, "give more pairs, a longer source.question, or a shorter source.answer"),
        ({"instruction": "input"}, "has no key 'input'; there are instruction, answer"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(settings, says, tmp_path):
    with pytest.raises(InputError, match=says) as raised:
        source(tmp_path, **settings)
    assert "\n" not in str(raised.value)


def test_a_text_without_columns_is_refused(tmp_path):
    (tmp_path / "said.txt").write_text("a b c")
    with pytest.raises(InputError, match="unknown kind of file '.txt'; known: .jsonl, .parquet"):
        Source(str(tmp_path / "said.txt"))
