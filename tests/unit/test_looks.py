"""How cells are told apart in charts, and where the axis of generations has its ticks."""

from types import SimpleNamespace

import pytest

from outcross.report.charts import generation_axis, looks
from outcross.runs.spec import Experiment


def experiment(arms, **keys):
    return Experiment.parse({"arms": {f"a{k}": {"policy": {"kind": "replace"}} for k in range(arms)}, **keys})


@pytest.mark.parametrize(("arms", "values"), [(3, 1), (9, 1), (16, 1), (4, 5)])
def test_no_two_cells_look_alike(arms, values):
    sweep = {"policy.kind": ["replace"]} if values == 1 else {"learner.components": list(range(1, values + 1))}
    cells = experiment(arms, sweep=sweep).settled
    found = looks(SimpleNamespace(cells=cells))
    assert len({(k.light, tuple(k.dash)) for k in found}) == len(cells) == arms * values
    assert len({(k.dark, tuple(k.dash)) for k in found}) == len(cells)


@pytest.mark.parametrize(
    ("last", "ticks"), [(0, [0]), (2, [0, 1, 2]), (10, list(range(11))), (20, list(range(0, 21, 2)))]
)
def test_few_generations_have_whole_ticks(last, ticks):
    axis = generation_axis(SimpleNamespace(experiment=experiment(1, generations=last)))
    assert axis.to_dict()["axis"]["values"] == ticks
