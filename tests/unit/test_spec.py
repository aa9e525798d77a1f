"""Experiments: what is read, what is refused and how it is said, and which digest names a run."""

import math
from copy import deepcopy

import jsonschema
import pytest

from outcross.core.errors import InputError
from outcross.runs import plugins
from outcross.runs.cells import build
from outcross.runs.schema import json_schema
from outcross.runs.spec import Experiment, digest, load, shipped
from outcross.runs.trees import dump_yaml, overridden, read_yaml

BASE = {"source": {"kind": "normal"}, "learner": {"kind": "gaussian"}, "samples": 100, "generations": 5}


def parsed(*overrides, **keys):
    return Experiment.parse(overridden(deepcopy({**BASE, **keys}), overrides))


def name_of(experiment):
    return digest(experiment, ["data"])


# ---- reading ----


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e9", 1e9),
        ("1e-3", 0.001),
        ("0x1F", 31),
        ("0o17", 15),
        ("012", 12),
        (".5", 0.5),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("12:30", "12:30"),
        ("[1, 2]", [1, 2]),
        ("{kind: mix, real: 0.1}", {"kind": "mix", "real": 0.1}),
        ("'1'", "1"),
    ],
)
def test_scalars_are_those_of_yaml_1_2_in_files_and_overrides_alike(text, value):
    for found in (read_yaml(f"key: {text}", "file")["key"], overridden({}, [f"key={text}"])["key"]):
        assert found == value
        assert type(found) is type(value)


def test_not_a_number_is_read_but_no_setting_accepts_it():
    assert math.isnan(read_yaml(".nan", ""))
    with pytest.raises(InputError, match="finite number"):
        parsed("source.sd=.nan")
    with pytest.raises(InputError, match="finite number"):
        parsed("source.sd=.inf")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2", "line 3|line 2"),
        ("a: [1", "line"),
        ("a: !!python/object:os.system {}", "line 1|tag"),
        ("a: ${HOME}", r"\$\{...\} is not expanded"),
        ("a: \x00", "f.yaml"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_place(text, says):
    with pytest.raises(InputError, match=says) as caught:
        read_yaml(text, "f.yaml")
    assert str(caught.value).startswith("f.yaml")


def test_an_interpolation_in_an_override_is_refused():
    with pytest.raises(InputError, match="not expanded"):
        parsed("name=${HOME}")


def test_an_anchor_may_be_used_but_not_bombed():
    assert read_yaml("a: &x 1\nb: *x", "")["b"] == 1


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_experiment_reads_and_round_trips(name):
    experiment = load(name)
    assert experiment.name == name
    again = Experiment.parse(read_yaml(experiment.yaml(), name))
    assert again == experiment
    assert name_of(again) == name_of(experiment)


def test_strings_that_look_like_other_things_survive_being_written():
    tree = {"a": "1e9", "b": "on", "c": "null", "d": "é: #", "e": [1.5, None, True], "f": "x" * 300}
    assert read_yaml(dump_yaml(tree), "") == tree


def test_an_experiment_is_found_by_file_or_its_nearest_name_is_told(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("source: {kind: normal}\ngenerations: 3\n")
    assert load(str(file), ["chains=2"]).chains == 2
    with pytest.raises(InputError, match="did you mean 'gmm'"):
        load("gmn")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        load(str(file))
    file.write_text("- 1\n")
    with pytest.raises(InputError, match="mapping"):
        load(str(file))


# ---- overrides ----


def test_an_override_sets_one_key_and_keeps_its_neighbours():
    experiment = parsed("learner.estimator=unbiased", "chains=3")
    assert experiment.learner == {"kind": "gaussian", "estimator": "unbiased"}
    assert experiment.chains == 3


def test_another_kind_discards_the_keys_of_the_old_one():
    base = {"learner": {"kind": "gmm", "components": 5}, "arms": {"a": {"policy": {"kind": "mix", "real": 0.3}}}}
    assert parsed("learner.kind=gaussian", **base).learner == {"kind": "gaussian"}
    assert parsed("learner.kind=gmm", **base).learner == {"kind": "gmm", "components": 5}
    assert parsed("arms.a.policy.kind=replace", **base).arms["a"].policy == {"kind": "replace"}
    experiment = parsed("learner.kind=gmm", "learner.components=3", **base)
    assert experiment.settled[0].learner["components"] == 3


def test_a_title_speaks_of_the_kinds_that_its_experiment_had():
    assert load("gmm", ["samples=100"]).title == load("gmm").title
    other = load("gmm", ["learner.kind=kde"])
    assert (other.title, other.about) == ("kde on mixture, otherwise as gmm", "")
    assert load("gmm", ["learner.kind=kde", "title=mine"]).title == "mine"


def test_an_arms_learner_is_laid_over_the_base_and_another_kind_replaces_it():
    policy = {"kind": "replace"}
    arms = {
        "same": {"policy": policy, "learner": {"tolerance": 0.1}},
        "other": {"policy": policy, "learner": {"kind": "kde"}},
    }
    cells = parsed(learner={"kind": "gmm", "components": 3}, arms=arms).settled
    assert (cells[0].learner["components"], cells[0].learner["tolerance"]) == (3, 0.1)
    assert cells[1].learner == {"kind": "kde", "bandwidth": "scott"}


@pytest.mark.parametrize("wrong", ["chains", "=3", ""])
def test_an_override_without_key_or_value_is_refused(wrong):
    with pytest.raises(InputError, match="key=value"):
        parsed(wrong)


def test_a_setting_that_is_given_ends_its_sweep():
    swept = {
        "source": {"kind": "normal"},
        "arms": {"a": {"policy": {"kind": "mix"}}},
        "sweep": {"source.sd": [1, 2], "policy.real": [0.1, 0.5]},
    }
    assert overridden(deepcopy(swept), ["source.sd=3"]) == swept | {
        "sweep": {"policy.real": [0.1, 0.5]},
        "source": {"kind": "normal", "sd": 3},
    }
    assert overridden(deepcopy(swept), ["source.kind=zipf"])["sweep"] == {"policy.real": [0.1, 0.5]}
    assert overridden(deepcopy(swept), ["source.kind=normal"]) == swept
    again = overridden(deepcopy(swept), ["source.sd=3", "sweep.source.sd=[4, 5]"])
    assert again["sweep"]["source.sd"] == [4, 5]
    with pytest.raises(InputError, match=r"^arms\.a\.policy\.real: swept over in all arms; set sweep\.policy\.real=\["):
        overridden(deepcopy(swept), ["arms.a.policy.real=0.2"])


def test_an_override_below_a_value_is_refused():
    with pytest.raises(InputError, match="'chains' holds a value, not keys"):
        parsed("chains.x=3", chains=4)


# ---- refusals ----


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("chain=3", "unknown key 'chain'; did you mean 'chains'"),
        ("learner.estimater=ml", "unknown key 'learner.estimater'; did you mean 'estimator'"),
        ("source.kind=norml", "no source 'norml'; did you mean 'normal'"),
        ("arms.replace={policy: {kind: replcae}}", "no policy 'replcae'; did you mean 'replace'"),
        ("arms.replace={polcy: {kind: replace}}", "did you mean 'policy'"),
        ("arms.replace={policy: {}}", "arms.replace.policy.kind is missing"),
        ("arms={}", "arms"),
        ("measures=[momets]", "no measure 'momets'; did you mean 'moments'"),
        ("samples.strat=3", "samples"),
        ("samples={start: 3, grwth: linear}", "unknown key 'samples.grwth'; did you mean 'growth'"),
        ("samples={start: 3, growth: cubic}", "constant, linear, superlinear"),
        ("samples=0", "rows, got 0"),
        ("samples=1.5", "samples is a number of rows"),
        ("samples=true", "samples is a number of rows"),
        ("samples=[]", "at least one value"),
        ("generations=-1", "generations"),
        ("generations=1.5", "generations"),
        ("chains=0", "chains"),
        ("chains=many", "chains"),
        ("seed=-1", "seed"),
        ("record=sometimes", "record"),
        ("keep={every: 0}", "keep"),
        ("name=../../etc", "name"),
        ("learner.estimator=best", "learner.estimator"),
        ("margins={tail: 2}", "margins.tail"),
        ("margins={tial: 0.5}", "tial"),
        ("sweep.chains=[1, 2]", "an axis starts with"),
        ("source.kind=nosuch.module:Thing", "cannot import 'nosuch.module:Thing'"),
    ],
)
def test_what_cannot_be_used_is_refused_by_path(override, says):
    with pytest.raises(InputError, match=says):
        parsed(override)


# ---- cells ----


def test_a_list_of_samples_is_a_sweep_axis():
    cells = parsed("samples=[100, 200]", "sweep.learner.estimator=[ml, unbiased]").settled
    assert [(c.samples["start"], c.learner["estimator"]) for c in cells] == [
        (100, "ml"),
        (100, "unbiased"),
        (200, "ml"),
        (200, "unbiased"),
    ]
    assert cells[3].label == "replace samples=200 estimator=unbiased"
    assert cells[3].axes == {"samples": 200, "learner.estimator": "unbiased"}


def test_a_sweep_reaches_every_arm():
    arms = {"a": {"policy": {"kind": "mix"}}, "b": {"policy": {"kind": "mix", "anchor": "fixed"}}}
    cells = parsed("sweep.policy.real=[0.1, 0.5]", arms=arms).settled
    assert [(c.arm, c.policy["real"], c.policy["anchor"]) for c in cells] == [
        ("a", 0.1, "redrawn"),
        ("a", 0.5, "redrawn"),
        ("b", 0.1, "fixed"),
        ("b", 0.5, "fixed"),
    ]


def test_a_sweep_over_nested_options_leaves_the_experiment_as_it_was_written():
    learner = {"kind": "adapter", "options": {"n_components": 2}}
    experiment = parsed("sweep.learner.options.n_components=[1, 3]", learner=learner)
    assert [c.learner["options"]["n_components"] for c in experiment.settled] == [1, 3]
    assert experiment.learner["options"] == {"n_components": 2}
    assert experiment == Experiment.parse(experiment.canonical())


def test_defaults_are_filled_in():
    cell = Experiment.parse({}).settled[0]
    assert cell.learner["components"] == 2
    assert cell.source["covariances"] == "identity"
    assert cell.policy["kind"] == "replace"


def test_auto_samples_are_as_many_as_there_are_up_to_a_thousand():
    chains = {
        kind: build(e.settled[0], plugins.make("sources", e.settled[0].source, "source"), 0, 0)
        for kind in ("normal", "tabular")
        for e in [parsed(source={"kind": kind}, samples="auto")]
    }
    assert chains["normal"].samples.at(0) == 1000
    assert chains["tabular"].samples.at(0) == chains["tabular"].source.rows == 105  # of iris's 150


def test_records_hold_the_ends_and_the_snapshots():
    experiment = parsed("generations=70", "record=log")
    assert experiment.records() == [0, 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70]
    assert parsed("generations=3", "record=all").records() == [0, 1, 2, 3]
    assert parsed("generations=9", "record=[7, 2, 99]").records() == [0, 2, 7, 9]
    assert parsed("generations=120").snapshot_generations() == [0, 50, 100, 120]
    assert parsed("generations=0").records() == [0]


def test_kept_states_follow_the_setting():
    kept = {k: [g for g in range(6) if parsed(f"keep={k}").kept(g)] for k in ("all", "last", "{every: 2}")}
    assert kept == {"all": [0, 1, 2, 3, 4, 5], "last": [], "{every: 2}": [0, 2, 4]}


# ---- the digest ----


@pytest.mark.parametrize(
    "override",
    [
        "generations=99",
        "chains=7",
        "record=all",
        "measures=[moments]",
        "keep=all",
        "floor=2",
        "snapshots.chains=1",
        "margins={tail: 0.3}",
        "name=other",
        "title=words",
        "about=words",
        "learner.estimator=ml",  # the default, said aloud
        "samples={start: 100}",
        "samples=1e2",
        "causes.rows=[1, 4]",
    ],
)
def test_the_digest_ignores_what_changes_no_chain(override):
    assert name_of(parsed(override)) == name_of(parsed())


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "samples=101",
        "samples={start: 100, growth: linear}",
        "learner.estimator=unbiased",
        "learner.kind=kde",
        "source.sd=2",
        "source.kind=mixture",
        "arms.replace.policy.kind=accumulate",
        "arms.second={policy: {kind: mix}}",
        "arms.replace.samples=50",
        "arms.replace.learner={estimator: unbiased}",
        "sweep.source.sd=[1, 2]",
    ],
)
def test_the_digest_changes_with_every_core_key(override):
    arms = {"replace": {"policy": {"kind": "replace"}}}
    assert name_of(parsed(override, arms=arms)) != name_of(parsed(arms={"replace": {"policy": {"kind": "replace"}}}))


def test_a_setting_that_came_later_is_in_the_digest_only_where_it_is_set():
    def core(*overrides):
        return load("gmm", overrides).core["cells"][0]["learner"]

    assert "covariance" not in core()
    assert core("learner.covariance=full") == core()
    assert core("learner.covariance=diagonal") == {**core(), "covariance": "diagonal"}


def test_the_digest_holds_the_content_of_the_data():
    assert digest(parsed(), ["a"]) != digest(parsed(), ["b"])


def test_the_digest_of_the_default_never_changes_by_accident():
    """Golden: another digest orphans every stored run (raise CHAIN_FORMAT and say so in CHANGELOG)."""
    assert name_of(parsed())[:16] == "dea1311b127252a7"


# ---- the schema ----


@pytest.mark.parametrize("name", shipped())
def test_the_schema_accepts_every_shipped_experiment(name):
    jsonschema.validate(load(name).canonical(), json_schema())


def test_the_schema_is_a_schema_and_knows_every_kind():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for group in ("sources", "families", "policies"):
        told = {n["properties"]["kind"].get("const") for n in schema["$defs"][group]["anyOf"]}
        assert told >= set(plugins.names(group))


@pytest.mark.parametrize(
    "override",
    [
        "chians=3",
        "chains=0",
        "source={kind: nowhere}",
        "learner={kind: gmm, componets: 2}",
        "arms={a: {policy: {kind: mix, real: x}}}",
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(override):
    tree = overridden(load("gmm").canonical(), [override])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree, json_schema())
    with pytest.raises(InputError):
        Experiment.parse(tree)


def test_a_dotted_path_is_in_the_schema_and_in_the_reader():
    node = {"kind": "sklearn.mixture:GaussianMixture", "n_components": 3}
    experiment = parsed(learner=node)
    jsonschema.validate(experiment.canonical(), json_schema())
    assert experiment.settled[0].learner == node
    with pytest.raises(InputError, match="unexpected keyword argument 'n_componets'"):
        parsed(learner={"kind": "sklearn.mixture:GaussianMixture", "n_componets": 3})
    with pytest.raises(InputError, match=r"has no sample\(\)"):
        parsed(learner={"kind": "sklearn.linear_model:LinearRegression"})
