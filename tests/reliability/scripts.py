"""Two training programs of twenty lines, for the `command` learner: one in shell and awk, one in Python."""

from __future__ import annotations

import sys
from pathlib import Path

SHELL = r"""#!/bin/sh
# gauss.sh fit POOL MODEL | gauss.sh sample MODEL N SEED OUT
set -eu
case "$1" in
fit)
  awk -F, '
    NR > 1 { n++; s += $1; q += $1 * $1 }
    END { m = s / n; v = q / n - m * m
          if (v <= 0) exit 65
          printf "%.17g %.17g\n", m, sqrt(v) }' "$2" > "$3" ;;
sample)
  awk -v n="$3" -v seed="$4" '
    BEGIN { srand(seed); rand(); print "x0" }
    { for (i = 0; i < n; i++) {
        r = sqrt(-2 * log(1 - rand())); a = 6.283185307179586 * rand()
        printf "%.17g\n", $1 + $2 * r * cos(a) } }' "$2" > "$5" ;;
esac
"""

PYTHON = r"""
import random, statistics, sys
verb, *rest = sys.argv[1:]
if verb == "fit":
    pool, model = rest
    rows = [float(line) for line in open(pool).read().split()[1:]]
    with open(model, "w") as f:
        f.write(f"{statistics.fmean(rows)!r} {statistics.pstdev(rows)!r}")
else:
    model, n, seed, out = rest
    mean, sd = map(float, open(model).read().split())
    chance = random.Random(int(seed))
    with open(out, "w") as f:
        f.write("x0\n" + "\n".join(repr(chance.gauss(mean, sd)) for _ in range(int(n))) + "\n")
"""


def shell_learner(folder: Path) -> list[str]:
    """Overrides that make the learner the shell script."""
    path = folder / "gauss.sh"
    path.write_text(SHELL)
    return _learner(f"/bin/sh {path}")


def python_learner(folder: Path) -> list[str]:
    """Overrides that make the learner the Python script."""
    path = folder / "gauss.py"
    path.write_text(PYTHON)
    return _learner(f"{sys.executable} -S -E {path}")


def _learner(program: str) -> list[str]:
    return [
        "source.kind=normal",
        "learner.kind=command",
        "learner.format=csv",
        f"learner.fit='{program} fit {{pool}} {{model}}'",
        f"learner.sample='{program} sample {{model}} {{n}} {{seed}} {{out}}'",
        "arms={replace: {policy: {kind: replace}}}",
    ]
