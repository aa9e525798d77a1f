"""z-scores of closed forms against simulations; `pytest tests/theory -s` ends with the table of all of them."""

from typing import NamedTuple

import numpy as np


class Score(NamedTuple):
    of: str
    observed: float
    predicted: float
    z: float
    accepted: bool


SCORES: list[Score] = []


def z(values, predicted, spread=None):
    """How many standard errors the mean over chains is off; spread: the exact variance of one chain, where known."""
    variance = np.var(values, ddof=1) if spread is None else spread
    return (np.mean(values) - predicted) / np.sqrt(variance / len(values))


def right(values, predicted, spread=None, of=""):
    """The mean over chains agrees within 4 standard errors."""
    score = Score(of, float(np.mean(values)), float(predicted), float(z(values, predicted, spread)), True)
    SCORES.append(score)
    assert abs(score.z) < 4, score


def wrong(values, predicted, spread=None, of=""):
    """A named wrong form is off by more than 6 standard errors."""
    score = Score(of, float(np.mean(values)), float(predicted), float(z(values, predicted, spread)), False)
    SCORES.append(score)
    assert abs(score.z) > 6, score


def table():
    """Every labelled score, one a line."""
    yield f"{'oracle, setting':72}{'observed':>13}{'predicted':>13}{'z':>9}"
    for s in sorted((s for s in SCORES if s.of), key=lambda s: s.of):
        end = "" if s.accepted else "  wrong form, rejected"
        yield f"{s.of:72}{s.observed:13.6g}{s.predicted:13.6g}{s.z:9.2f}{end}"
