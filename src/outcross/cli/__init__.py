"""The command line: one file a verb; each parses, calls, prints.

Nothing heavy is imported before a verb needs it: `outcross --help` loads neither numpy nor scipy.
"""

from __future__ import annotations

import os
import sys

from outcross.cli.app import app


def main() -> None:
    """Run the command line; every known error becomes one line and its exit code."""
    from outcross.core.errors import OutcrossError, one_line

    debug = "--debug" in sys.argv
    sys.path.append(
        os.getcwd()
    )  # last, so that a file there hides no installed module: for `mymodule:Name` in settings
    try:
        app(prog_name="outcross")
    except OutcrossError as e:
        if debug:
            raise
        print(f"error: {one_line(str(e))}", file=sys.stderr)
        sys.exit(e.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read our output has gone
        sys.exit(0)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except (MemoryError, OSError) as e:
        if debug:
            raise
        print(f"error: {type(e).__name__}: {one_line(str(e))}: free some memory or disk", file=sys.stderr)
        sys.exit(5)
    except Exception as e:
        if debug:
            raise
        print(
            f"error: {type(e).__name__}: {one_line(str(e))} (a defect of outcross: --debug shows where)",
            file=sys.stderr,
        )
        sys.exit(1)
