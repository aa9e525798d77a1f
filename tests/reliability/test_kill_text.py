"""kill -9 at random moments of a run on text: prompts, beams, growing pools and kept text come to the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import campaign, experiment

_SMALL = ["source.block=16", "source.measured=30", "samples=60", "chains=2", "generations=6", "snapshots.at=[0,3,6]"]
_ARMS = {
    "originals": [
        "learner.prompts=original",
        "arms={beam: {policy: {kind: replace}, learner: {decoding: beam, beams: 2}}, all: {policy: {kind: "
        "accumulate}}}",
    ],
    "previous": [
        "learner.prompts=previous",
        "arms={replace: {policy: {kind: replace}}, mix: {policy: {kind: mix, real: 0.2, anchor: redrawn}}}",
    ],
}
_MEASURES = "measures=[perplexity,words,continuations]"


@pytest.mark.parametrize("name", _ARMS)
def test_a_run_on_text_killed_anywhere_resumes_to_the_same_bits(name: str, tmp_path: Path) -> None:
    print(campaign(experiment(name, *_SMALL, *_ARMS[name], _MEASURES, shipped="lm"), tmp_path, 5, seed=6))


def test_a_run_on_text_that_keeps_every_model_loses_none(tmp_path: Path) -> None:
    settings = ["keep=all", "record=[0,6]", *_SMALL, *_ARMS["originals"], "measures=[perplexity]"]
    print(campaign(experiment("kept", *settings, shipped="lm"), tmp_path, 3, seed=7))


@pytest.mark.slow
@pytest.mark.parametrize("name", _ARMS)
def test_many_more_kills_of_a_run_on_text_lose_nothing(name: str, tmp_path: Path) -> None:
    print(campaign(experiment(name, *_SMALL, *_ARMS[name], _MEASURES, shipped="lm"), tmp_path, 40, seed=8))
