"""What can go wrong, and the exit code each ends a command with.

OutcrossError
├── InputError      2   a value, file or option cannot be used: says what was given, what is allowed, what to do
├── CorruptStore    3   a run on disk is damaged
├── Locked          4   another process holds the run
├── ResourceError   5   disk, memory or I/O ran out
└── LearnerError    1   a learner failed although its input was sound (its program exited with an error, say)

FitDegenerate is no failure: a fit that has no answer is a result of that chain, recorded with its reason.
"""

from __future__ import annotations


class OutcrossError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code = 1


class InputError(OutcrossError):
    """A value, file or option cannot be used."""

    exit_code = 2


class CorruptStore(OutcrossError):
    """A run on disk is damaged."""

    exit_code = 3


class Locked(OutcrossError):
    """Another process is writing this run."""

    exit_code = 4


class ResourceError(OutcrossError):
    """Disk, memory or I/O ran out."""

    exit_code = 5


class LearnerError(OutcrossError):
    """A learner failed although its input was sound."""


class FitDegenerate(Exception):
    """A fit has no answer (singular covariance, too few rows): a recorded result, not a failure.

    `generation` is the one whose fit has none, once the chain knows it.
    """

    def __init__(self, reason: str, generation: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.generation = generation


def one_line(text: str) -> str:
    """One line, control characters spelled out: names and values in messages can be hostile."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def require(condition: bool, message: str) -> None:
    """Raise InputError(message) unless the condition holds."""
    if not condition:
        raise InputError(message)
