"""A finished run is extended, not redone, and ends up as one made so from the start."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from harness import OPTIONS, facts, outcome

from outcross.core.loop import Chain
from outcross.runs import runner, upkeep, worker
from outcross.runs.spec import Experiment, load
from outcross.runs.store import Writer

_ARMS = {
    "compiled": [],
    "moments": ["source.kind=normal", "learner.kind=gaussian", "arms={a: {policy: {kind: accumulate}}}"],
    "rows": ["source.kind=normal", "learner.kind=gaussian", "arms={a: {policy: {kind: accumulate}}}", "pools=rows"],
}
BASE = ["samples=40", "floor=2", "chains=3", "generations=20", "record=[0,10,20,30,40]", "snapshots.at=[20,40]",
        "snapshots.chains=1", "measures=[moments]"]  # fmt: skip


def _wanted(arms: str, *overrides: str) -> Experiment:
    return load("gmm", [*_ARMS[arms], *BASE, *overrides])


@pytest.fixture
def generations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Generations made since the start of the test, leap by leap."""
    made: list[int] = []
    leap, start = Chain.leap, Chain.start

    def counted(chain: Chain, past: worker.Generation, until: int) -> worker.Generation:
        made.append(until - past.t)
        return leap(chain, past, until)

    def started(chain: Chain) -> worker.Generation:
        made.append(1)
        return start(chain)

    monkeypatch.setattr(Chain, "leap", counted)
    monkeypatch.setattr(Chain, "start", started)
    return made


MORE = {
    "nothing": ([], 0),
    "generations": (["generations=40"], 20),
    "chains": (["chains=5"], None),
    "measures": (["measures=default"], None),
    "record": (["record=all"], None),
    "keep": (["keep=all", "record=all"], None),
    "floor": (["floor=4"], 0),
    "snapshots": (["snapshots.chains=3", "measures=default"], None),
    "everything": (
        ["generations=40", "chains=5", "measures=[moments,tails]", "record=all", "floor=3", "keep=all"],
        None,
    ),
}


@pytest.mark.parametrize("arms", _ARMS)
@pytest.mark.parametrize("name", MORE)
def test_an_extended_run_equals_one_made_so_from_the_start(
    name: str, arms: str, tmp_path: Path, generations: list[int]
) -> None:
    overrides, most = MORE[name]
    directory = runner.run(_wanted(arms), tmp_path / "extended", OPTIONS)
    before, outcome_before = facts(directory), outcome(directory)
    db = sqlite3.connect(directory / "run.db")
    db.execute("CREATE TABLE touched (id)")  # rows written again would show here
    db.executescript(
        "CREATE TRIGGER again BEFORE DELETE ON metrics BEGIN INSERT INTO touched VALUES (1); END;"
        "CREATE TRIGGER changed BEFORE UPDATE ON metrics BEGIN INSERT INTO touched VALUES (1); END;"
        "PRAGMA recursive_triggers = ON;"
    )
    db.commit()
    db.close()
    generations.clear()
    assert runner.run(_wanted(arms, *overrides), tmp_path / "extended", OPTIONS) == directory
    work = sum(generations)
    assert before.within(facts(directory))
    assert upkeep.check(directory).damage == []
    db = sqlite3.connect(directory / "run.db")
    assert db.execute("SELECT count(*) FROM touched").fetchone() == (0,)
    db.executescript("DROP TRIGGER again; DROP TRIGGER changed; DROP TABLE touched")
    db.close()
    cells = len(_wanted(arms).settled)
    if most is not None:
        assert work == most * 3 * cells
    generations.clear()
    fresh = runner.run(_wanted(arms, *overrides), tmp_path / "fresh", OPTIONS)
    assert work <= sum(generations)
    assert outcome(directory) == outcome(fresh)
    if name == "nothing":
        assert outcome(directory) == outcome_before


def test_a_run_never_shrinks(tmp_path: Path) -> None:
    directory = runner.run(_wanted("compiled", "generations=40", "chains=4"), tmp_path, OPTIONS)
    before = outcome(directory)
    assert runner.run(_wanted("compiled", "generations=10", "chains=2"), tmp_path, OPTIONS) == directory
    assert outcome(directory) == before
    reader, experiment = runner.open_run(directory)
    reader.close()
    assert (experiment.generations, experiment.chains) == (40, 4)


def test_every_number_of_a_shorter_run_stays_when_it_is_extended(tmp_path: Path) -> None:
    short = runner.run(load("gmm", [*BASE, "record=log", "generations=17"]), tmp_path, OPTIONS)
    before = facts(short)
    long = runner.run(load("gmm", [*BASE, "record=log", "generations=40"]), tmp_path, OPTIONS)
    fresh = runner.run(load("gmm", [*BASE, "record=log", "generations=40"]), tmp_path / "fresh", OPTIONS)
    assert before.within(facts(long))
    assert facts(fresh).within(facts(long))


def test_going_on_under_another_environment_is_said_and_written_down(tmp_path, monkeypatch):
    said = []

    class Watcher(runner.Silent):
        def say(self, text):
            said.append(text)

    directory = runner.run(_wanted("compiled"), tmp_path, OPTIONS, Watcher())
    assert not any("environment" in text for text in said)
    monkeypatch.setattr(runner, "environment", lambda threads: {"python": "9.9", "packages": {"numpy": "8.8"}})
    runner.run(_wanted("compiled"), tmp_path, OPTIONS, Watcher())
    assert any("-> 9.9" in text and "-> 8.8" in text for text in said)
    db = sqlite3.connect(directory / "run.db")
    assert db.execute("SELECT count(*) FROM events WHERE kind = 'environment'").fetchone() == (1,)
    db.close()


def test_pools_are_read_one_chain_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of all chains may not fit into memory together."""
    runner.run(_wanted("rows"), tmp_path, OPTIONS)
    told: list[str] = []
    read, work = Writer.checkpoint, worker.advance
    monkeypatch.setattr(Writer, "checkpoint", lambda *a: told.append("read") or read(*a))
    monkeypatch.setattr(worker, "advance", lambda task: told.append(f"chain {task.key[1]}") or work(task))
    runner.run(_wanted("rows", "generations=40"), tmp_path, OPTIONS)
    firsts = list(dict.fromkeys(i for i in told if i != "read"))
    assert firsts == ["chain 0", "chain 1", "chain 2"]
    assert told[:2] == ["read", "chain 0"]
    assert all(told[told.index(name) - 1] == "read" for name in firsts)
