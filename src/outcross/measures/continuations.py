"""How each generation continues the same prompts: collapse that people can read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Generation, Measure, Quantity, Readings
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.rng import Purpose
from outcross.measures.context import Context
from outcross.measures.library import Library
from outcross.sources.coding import UNKNOWN

PROMPTS = 3  # of which the paper's is one
_SHARD = 100  # shard of the first of them
# The beginning of the prompt that the paper continues (Shumailov et al. 2024, example 1; text of Wikipedia, CC BY-SA)
PROMPT = (
    "some started before 1360 — was typically accomplished by a master mason and a small team of itinerant masons , "
    "supplemented by local parish labourers , according to Poyntz Wright . But other authors reject this model , "
    "suggesting instead that leading architects designed the parish church towers based on early examples of "
    "Perpendicular"
)

QUANTITIES = {"continuations": Quantity("text", "none", None, "how each generation continues the same prompts")}


def continuations(generation: Generation, context: Context) -> Readings:
    """The paper's prompt, if its words are known, and held-out blocks, each with what the model makes of it: JSON."""
    library = context.reference.library
    given = [library.held.take(slice(k, k + 1)) for k in range(min(PROMPTS, len(library.held)))]
    model: Any = context.model
    question = getattr(model, "question", 0)
    if not question and _readable(library):
        given = [prompt(library), *given[: PROMPTS - 1]]
    found = []
    for k, p in enumerate(given):
        stream = context.streams.stream(context.generation, Purpose.MEASURE, _SHARD + k)
        made = model.sample(1, stream, p)[0]
        parts = (made[:question], made[question:]) if question else (p.items[0], made)
        found.append([library.coding.decode(row.tolist()) for row in parts])
    return {"continuations": np.frombuffer(json.dumps(found).encode(), np.uint8)}


def _readable(library: Library) -> bool:
    """Whether most words of the paper's prompt are in the vocabulary; punctuation always is."""
    told = library.coding.decode(prompt(library).items[0].tolist()).split()
    said = [word for word in told if word == UNKNOWN or any(c.isalpha() for c in word)]
    return bool(2 * said.count(UNKNOWN) < len(said))


def prompt(library: Library, text: str = PROMPT) -> Corpus:
    """A prompt as tokens, its last ones if it is longer than a block, without the mark of an end.

    Raises InputError where nothing is left of it.
    """
    ids: Any = [i for i in next(iter(library.coding.encode([text]))) if i != library.coding.end]
    if not ids:
        raise InputError("the prompt is empty: give some words")
    return Corpus.text(np.array([ids[-library.held.shape[0] :]], dtype=np.int32), library.vocabulary)


def read(array: NDArray[np.uint8]) -> list[tuple[str, str]]:
    """Prompts and what became of them, as stored."""
    return [(str(p), str(made)) for p, made in json.loads(array.tobytes())]


MEASURES = (Measure("continuations", continuations, QUANTITIES, True, "Shumailov et al. 2024, example 1", "text"),)
