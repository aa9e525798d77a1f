"""Settings that would only fail later, or never end, are refused at once, in the words of the experiment."""

import pytest

from outcross.core.errors import InputError, LearnerError, ResourceError
from outcross.runs import plugins, runner, worker
from outcross.runs.spec import load


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("samples={start: 50, growth: [a]}", "samples.growth"),
        ("samples={start: 5, growth: superlinear, power: x}", "samples.power"),
        ("samples={growth: linear}", "samples.start is missing"),
        ("samples={start: 5, grwth: linear}", "did you mean 'growth'"),
        ("samples=[100, 100]", "a value twice"),
        ("record=[5, -3]", "generations are counted from 0"),
    ],
)
def test_a_setting_that_cannot_be_run_is_refused_by_name(setting, says):
    with pytest.raises(InputError, match=says):
        load("gmm", [setting])


def test_memory_is_looked_at_before_a_row_is_drawn(tmp_path):
    with pytest.raises(ResourceError, match="use fewer samples"):
        runner.run(load("gmm", ["samples=100000000000"]), tmp_path)


def test_original_rows_are_counted_in_every_generation_of_a_schedule(tmp_path):
    settings = [
        "samples={start: 100, growth: [1, 1, 1, 9, 1]}",
        "arms={b: {policy: {kind: blend, synthetic: 0.5, original: 0.5}}}",
        "generations=10",
    ]
    with pytest.raises(InputError, match="arms.b: the policy asks for 450 original rows in generation 3"):
        runner.run(load("gmm", settings), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_floor_that_fails_is_tried_three_times_and_takes_no_chain_along(tmp_path, monkeypatch):
    tried = []

    def fails(task):
        tried.append(task.replicate)
        raise LearnerError("no floor today")

    monkeypatch.setattr(worker, "floor", fails)
    settings = ["arms={a: {policy: {kind: replace}}}", "samples=50", "chains=2", "generations=3", "floor=1"]
    reader, _ = runner.open_run(runner.run(load("gmm", settings), tmp_path, runner.Options(workers=1)))
    assert tried == [0, 0, 0]
    assert {status for _, status, _ in reader.chains().values()} == {"done"}
    reader.close()


def test_cells_with_the_same_floor_share_its_fits_and_read_what_each_alone_would(tmp_path, monkeypatch):
    """Two policies over one learner have one floor; another learner, or another number of rows, has its own."""
    tried, real = [], worker.floor

    def counted(task):
        tried.append(task.numbers)
        return real(task)

    monkeypatch.setattr(worker, "floor", counted)
    arms = {
        "a": "{policy: {kind: replace}}",
        "b": "{policy: {kind: mix, real: 0.1}}",
        "c": "{policy: {kind: replace}, learner: {components: 1}}",
        "d": "{policy: {kind: replace}, samples: 60}",
    }

    def floors(names, folder):
        given = "{" + ", ".join(f"{k}: {arms[k]}" for k in names) + "}"
        settings = [f"arms={given}", "samples=50", "chains=1", "generations=2", "floor=2"]
        reader, _ = runner.open_run(runner.run(load("gmm", settings), folder, runner.Options(workers=1)))
        found = {}
        for cell, replicate, name, reading in reader.floor():
            found.setdefault(names[cell], {})[replicate, name] = reading
        reader.close()
        return found

    together = floors("abcd", tmp_path / "all")
    assert sorted(tried) == [(0, 1), (0, 1), (2,), (2,), (3,), (3,)]
    for name in "abcd":
        assert together[name] == floors(name, tmp_path / name)[name]
    assert together["a"] == together["b"] != together["c"]


def test_experiments_are_listed_where_what_they_need_is_not_installed(monkeypatch, capsys):
    from outcross.cli.plugins import command
    from outcross.families.vae import Learner

    monkeypatch.setattr("outcross.families.neural.find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs torch"):
        Learner()
    command(json=True)
    listed = capsys.readouterr().out
    assert '"vae"' in listed
    assert '"paper/opt"' in listed


def test_a_function_where_a_class_is_due_is_the_users_to_mend():
    with pytest.raises(InputError, match="stages.verify.score: math:sin makes no score"):
        plugins.make("scores", {"kind": "math:sin"}, "stages.verify.score")
