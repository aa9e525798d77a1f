"""Bad input on the command line and in experiment files: exit code 2, one line, the key and what is known instead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from commands import Said, Shell, is_one_line, outcross

_PLAIN = "name: x\nsource: {kind: normal}\nlearner: {kind: gaussian}\n"
OVERRIDES = {
    "unknown-key": (["chain=4"], ["'chain'", "did you mean 'chains'"]),
    "unknown-inner-key": (["learner.component=3"], ["learner.component", "did you mean 'components'"]),
    "unknown-key-of-an-arm": (["arms.replace.policies=1"], ["policies"]),
    "wrong-type": (["chains=many"], ["chains", "many"]),
    "wrong-inner-type": (["learner.components=two"], ["learner.components", "two"]),
    "boolean-for-a-number": (["samples=true"], ["samples"]),
    "negative": (["chains=-1"], ["chains", "-1"]),
    "zero-rows": (["samples=0"], ["samples"]),
    "too-many": (["generations=1e12"], ["generations"]),
    "fraction-above-one": (["arms.mix10.policy.real=1.5"], ["arms.mix10.policy", "1.5"]),
    "nan": (["learner.tolerance=.nan"], ["learner.tolerance"]),
    "infinity": (["learner.tolerance=.inf"], ["learner.tolerance"]),
    "negative-seed": (["seed=-1"], ["seed"]),
    "huge-seed": (["seed=1e200"], ["seed"]),
    "endless-seed": (["seed=" + "9" * 5000], ["seed"]),
    "unknown-family": (["learner.kind=gnm"], ["learner.kind", "'gnm'", "did you mean 'gmm'"]),
    "unknown-source": (["source.kind=fil"], ["source.kind", "did you mean 'file'"]),
    "unknown-policy": (["arms.replace.policy.kind=replac"], ["arms.replace.policy", "did you mean 'replace'"]),
    "unknown-measure": (["measures=[momets]"], ["'momets'", "did you mean 'moments'"]),
    "kind-of-another-type": (["learner.kind=[1]"], ["learner.kind"]),
    "kind-escapes": (["source.kind=../../etc"], ["source.kind"]),
    "dotted-path-to-nothing": (["learner.kind='no.such:Thing'"], ["no.such"]),
    "dotted-path-to-a-value": (["learner.kind='os:sep'"], ["os:sep"]),
    "dotted-path-half": (["learner.kind='os:'"], ["os:"]),
    "no-value": (["chains"], ["key=value"]),
    "no-key": (["=4"], ["key=value"]),
    "key-within-a-value": (["chains.more=4"], ["chains"]),
    "list-for-a-map": (["source=[1]"], ["source"]),
    "empty-arms": (["arms={}"], ["arms"]),
    "empty-axis": (["sweep.samples=[]"], ["sweep.samples"]),
    "axis-of-nothing": (["sweep.chains=[1,2]"], ["sweep.chains"]),
    "interpolation": (["title=${HOME}"], ["${...}"]),
    "tag": (["title=!!python/object/apply:os.system ['touch canary']"], ["title"]),
    "broken-yaml": (["source={kind: ["], ["override source"]),
    "name-escapes": (["name=../../x"], ["name"]),
    "terminal-control": (["title=ok", "\x1b[2Jchains=4"], ["chains"]),
    "weights-do-not-sum": (["source.weights=[0.9,0.9]"], ["source", "sum to 1"]),
    "means-of-two-lengths": (["source.means=[[1],[1,2]]"], ["means"]),
    "covariance-not-positive": (["source.covariances=[[[1,2],[2,1]],[[1,0],[0,1]]]"], ["positive definite"]),
    "command-without-commands": (["learner.kind=command"], ["learner.fit", "missing"]),
    "command-with-an-open-brace": (["learner={kind: command, fit: 'x {', sample: y}"], ["fit command"]),
    "command-with-an-open-quote": (["learner={kind: command, fit: 'x \" {pool} {model}', sample: y}"], ["fit command"]),
    "command-without-a-place": (["learner={kind: command, fit: 'x {pool}', sample: y}"], ["{model}"]),
    "command-of-no-program": (
        ["learner={kind: command, fit: '/no/x {pool} {model}', sample: 'y {model} {n} {out}'}", "chains=1"],
        ["/no/x", "no program"],
    ),
    "anchor-above-its-rows": (["samples={start: 10, growth: linear}", "generations=50"], ["original rows"]),
}  # fmt: skip


def _refused(said: Said, *named: str) -> None:
    assert (said.code, is_one_line(said)) == (2, True), said
    assert len(said.err) < 700, said
    for text in named:
        assert text in said.err, said


@pytest.mark.parametrize("name", OVERRIDES)
def test_a_bad_override_is_refused(name: str, shell: Shell) -> None:
    overrides, named = OVERRIDES[name]
    _refused(shell("run", "gmm", *overrides, "--no-report", "-q", "--workers", "1"), *named)
    assert not (shell.folder / "canary").exists()


FILES: dict[str, tuple[bytes, list[str]]] = {
    "empty": (b"", ["mapping"]),
    "list": (b"- 1\n", ["mapping"]),
    "scalar": (b"hello", ["mapping"]),
    "duplicate-key": (b"name: x\nchains: 1\nchains: 2\n", ["line 3", "chains"]),
    "interpolation": (b"name: ${USER}\n", ["${...}"]),
    "tag": (b"name: !!python/object/apply:os.system ['touch canary']\n", ["line 1"]),
    "utf16": ("name: x\n".encode("utf-16"), ["UTF-8"]),
    "latin1": ("title: \xe9\n".encode("latin-1"), ["UTF-8"]),
    "nul": (b"name: x\x00y\n", ["exp.yaml"]),
    "tabs": (b"name:\n\tx: 1\n", ["line 2"]),
    "deep": (b"title: " + b"[" * 50_000, ["exp.yaml"]),
    "deep-block": (b"".join(b" " * i + b"a:\n" for i in range(800)), ["exp.yaml"]),
    "huge": (b"#" * (1 << 20) + b"\nname: x\n", ["1 MiB"]),
    "laughs": (
        b"a0: &a0 [x,x]\n" + b"".join(b"a%d: &a%d [*a%d,*a%d]\n" % (i, i, i - 1, i - 1) for i in range(1, 40)),
        ["values"],
    ),
    "endless": (b"title: &a [*a]\n", ["values"]),
    "key-of-another-type": (b"1: 2\n", ["'1'"]),
    "null-key": (b"~: 2\n", ["None"]),
    "unknown-key-with-control-characters": (b'"\\e[2Jx": 1\n', ["\\x1b[2Jx"]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_experiment_file_is_refused(name: str, shell: Shell) -> None:
    content, named = FILES[name]
    (shell.folder / "exp.yaml").write_bytes(content)
    _refused(shell("run", "exp.yaml", "--no-report", "-q"), *named)
    assert os.listdir(shell.folder) == ["exp.yaml"]


@pytest.mark.parametrize("name", ["missing.yaml", "gm", ".", "/dev/zero", "fifo", "loop", "x" * 300, "a\nb\x1b[2J"])
def test_what_is_no_experiment_is_refused(name: str, shell: Shell) -> None:
    os.mkfifo(shell.folder / "fifo")
    os.symlink("loop", shell.folder / "loop")
    _refused(shell("run", name, "--no-report", "-q"), "no experiment")


def test_an_experiment_file_may_have_any_name(shell: Shell) -> None:
    for name in ("-dash.yaml", "new\nline.yaml", "\u202espaces and \u00fcml\u00e4ut.yaml"):
        (shell.folder / name).write_text(_PLAIN)
        said = shell("run", "chains=1", "generations=2", "floor=0", "--no-report", "-q", "--workers", "1", "--", name)
        if said.code == 2:  # the experiment comes first, options before it
            said = shell(
                "run", "--no-report", "-q", "--workers", "1", "--", name, "chains=1", "generations=2", "floor=0"
            )
        assert said.code == 0, said


def test_runs_that_are_none_are_refused_by_every_verb(shell: Shell) -> None:
    for verb in ("show", "report", "compare", "fsck", "gc"):
        _refused(shell(verb, "x"), "no run")
    for words in (("rm", "-y", "x"), ("export", "x", "y.csv")):
        _refused(shell(*words), "no run")
    for name in ("../../etc", "a\x1b[2Jb", "x" * 300, "."):
        _refused(shell("show", name), "no run")
    assert os.listdir(shell.folder) == []


def test_an_export_that_cannot_be_is_refused(shell: Shell) -> None:
    run = ("run", "gmm", "chains=2", "generations=2", "floor=0", "measures=[moments]", "--no-report", "-q")
    assert shell(*run, "--workers", "1").code == 0
    _refused(shell("export", "gmm", "numbers.xls"), ".parquet")
    _refused(shell("export", "gmm", "no/such/numbers.csv"), "no/such")
    assert os.listdir(shell.folder) == ["runs"]


def test_the_real_command_line_refuses_in_one_line_too(tmp_path: Path) -> None:
    said = outcross("run", "gmm", "chain=4", cwd=tmp_path)
    _refused(said, "did you mean 'chains'")
    debug = outcross("run", "gmm", "chain=4", "--debug", cwd=tmp_path)
    assert debug.code != 0
    assert "Traceback" in debug.err
    assert os.listdir(tmp_path) == []
