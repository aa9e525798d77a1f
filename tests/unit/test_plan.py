"""`outcross plan`: what it says to people and to programs, and what it refuses in a line."""

from __future__ import annotations

import pytest

SETTING = ("--rows", 1000, "--tolerance", 0.1, "--generations", 100)


def test_a_plan_tells_people_the_share_and_what_else_would_do(shell):
    said = shell("plan", *SETTING, "--curve")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("For a loss of variance of at most 10 % by generation 100: ")
    for word in ("M1, M2, M6", "A1 (D7)", "95 of 100", "for ever", "1,000"):
        assert word in said.out


@pytest.mark.parametrize("measure", ["variance", "diversity", "tail", "perplexity"])
@pytest.mark.parametrize("anchor", ["fresh", "fixed"])
def test_every_number_has_a_range_or_a_theorem(shell, measure, anchor):
    told = shell("plan", *SETTING, "-m", measure, "--anchor", anchor, "--json").json
    assert {a["key"] for a in told["answers"]} >= {"share", "loss_without", "rarest"}
    for answer in told["answers"]:
        exact = answer["low"] == answer["value"] == answer["high"]
        exactly = ("M1", "M3", "M7", "G3", "G7", "A1", "A3", "D1", "D4")
        assert any(sign in answer["basis"] for sign in (exactly if exact else ("simulated", "chains", "G4")))
    losses = [p["loss"] for p in told["curve"]]
    assert losses[0] > losses[-1]
    assert told["setting"] == {
        "rows": 1000, "generations": 100, "measure": measure, "anchor": anchor, "sampler": 1.0, "tolerance": 0.1,
    }  # fmt: skip


def test_rows_can_be_written_as_a_power_of_ten(shell):
    assert shell("plan", "--rows", "1e5", "--json").json == shell("plan", "--rows", 100_000, "--json").json


def test_what_no_share_can_do_is_said(shell):
    told = shell("plan", "--rows", 10, "--tolerance", 0.05, "--json").json
    shares = {a["key"]: a["value"] for a in told["answers"]}
    assert shares["share"] is None  # even all-real rows lose 1/n of the variance
    assert "not even 10 real rows do" in told["sentence"]


def test_a_narrowing_sampler_needs_more_real_rows(shell):
    shares = []
    for sampler in (1.0, 0.99, 0.95):
        told = shell("plan", *SETTING, "--sampler", sampler, "--json").json
        shares.append(next(a["value"] for a in told["answers"] if a["key"] == "share"))
    assert shares == sorted(shares)
    assert shares[0] < shares[1] < shares[2]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "give --rows"),
        (["--rows", 1.5], "rows is a whole number, got 1.5"),
        (["--rows", "inf"], "rows is a whole number, got inf"),
        (["--rows", 1], "rows is 2 to 1e12, got 1"),
        (["--rows", 100, "--tolerance", 0], "tolerance is a loss between 0 and 1, got 0"),
        (["--rows", 100, "--tolerance", 1.5], "tolerance is a loss between 0 and 1, got 1.5"),
        (["--rows", 100, "--generations", 0], "generations is 1 to 1,000,000, got 0"),
        (
            ["--rows", 100, "--measure", "spread"],
            "tail, perplexity, got 'spread'",
        ),
        (["--rows", 100, "--anchor", "loose"], "anchor is one of fresh, fixed, redrawn, got 'loose'"),
        (["--rows", 100, "--sampler", 3], "sampler multiplies standard deviations by 0.5 to 1, got 3"),
        (["--rows", 100, "--sampler", "nan"], "sampler"),
        (["--rows", 100, "--tolerance", "nan"], "tolerance"),
        (["--rows", 10**6, "-m", "tail", "-g", 100000], "cannot be simulated"),
        (["--scenario", "nothing.yaml"], "nothing.yaml: cannot be read"),
    ],
)
def test_a_wrong_question_is_refused_in_a_line(shell, words, says):
    said = shell("plan", *words)
    assert said.code == 2
    assert says in said.err
    assert len(said.err.splitlines()) == 1


SCENARIO = "pool: 500\nperiods: 40\nreal: 0\nmodels:\n  ours: {rows: 50}\n  theirs: {rows: [0, 100], every: 5}\n"


def test_a_scenario_is_told_over_time(shell):
    (shell.folder / "web.yaml").write_text(SCENARIO)
    said = shell("plan", "--scenario", "web.yaml", "--tolerance", 0.0022)
    assert (said.code, said.err) == (0, "")
    assert "ours: passes a loss of 0.22 % of the variance at period" in said.out
    told = shell("plan", "--scenario", "web.yaml", "--json").json
    assert len(told["periods"]) == 41
    last = told["periods"][-1]
    assert last["rows"] == 500 + 40 * 50 + 39 * 100
    assert last["real"] == pytest.approx(500 / last["rows"])
    assert told["passed"] == {"ours": None, "theirs": None}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pool: 500\nperiods: 4\n", "models is missing"),
        ("pool: 1\nperiods: 4\nmodels: {a: {rows: 5}}\n", "pool"),
        ("pool: 50\nperiods: 4\nmodels: {a: {rows: -5}}\n", "models.a.rows: rows are a whole number from 0 to 1e12"),
        ("pool: 50\nperiods: 4\nmodels: {a: {rows: 5, evry: 2}}\n", "evry"),
        ("pool: 50\nperiods: 4\nreal: []\nmodels: {a: {rows: 5}}\n", "real: rows are a whole number"),
        ("pool: 50\nperiods: 4\nreal: true\nmodels: {a: {rows: 5}}\n", "real: rows are a whole number"),
        ("pool: 50\nperiods: 4\nmodels: {a: {rows: '5'}}\n", "models.a.rows: rows are a whole number"),
        ("pool: '50'\nperiods: 4\nmodels: {a: {rows: 5}}\n", "pool: input should be a valid integer"),
        ("- 1\n", "a scenario is a mapping"),
    ],
)
def test_a_wrong_scenario_is_refused_in_a_line(shell, text, says):
    (shell.folder / "web.yaml").write_text(text)
    said = shell("plan", "--scenario", "web.yaml")
    assert said.code == 2
    assert says in said.err
    assert len(said.err.splitlines()) == 1
