"""The command line as tests call it: in a process of its own, or in this one, which saves a second of imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from outcross import cli

SMALL = ("chains=4", "generations=6", "samples=40", "floor=2", "record=all", "snapshots.chains=1", "snapshots.at=[0]")


class Said(NamedTuple):
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line of standard output, parsed; a bare NaN is no JSON."""
        return json.loads(self.out.splitlines()[-1], parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def argv(*words: object) -> list[str]:
    return [sys.executable, "-m", "outcross", *map(str, words)]


def outcross(*words: object, cwd: Path, timeout: float = 120.0, **more: Any) -> Said:
    """The command in a process of its own."""
    env = {**os.environ, **more.pop("env", {})}
    done = subprocess.run(
        argv(*words), cwd=cwd, env=env, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL, **more
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


class Shell:
    """The command in this process, in a folder of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._monkeypatch, self._capsys, self.folder = monkeypatch, capsys, folder

    def __call__(self, *words: object) -> Said:
        self._monkeypatch.setattr(sys, "argv", ["outcross", *map(str, words)])
        self._capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1 if e.code else 0
        out, err = self._capsys.readouterr()
        return Said(code, out, err)


def is_one_line(said: Said) -> bool:
    """One line on standard error, no traceback, no control characters."""
    lines = said.err.splitlines()
    return len(lines) == 1 and lines[0].isprintable() and lines[0].startswith("error: ") and "defect" not in lines[0]
