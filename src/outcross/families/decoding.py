"""Decoding: how a model of text writes its rows. What the settings of every such family begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from numpy.typing import NDArray

from outcross.core.contracts import later
from outcross.core.corpus import Corpus
from outcross.core.errors import require

Way = Literal["sample", "beam"]
Prompts = Literal["none", "original", "previous"]

MOST_BEAMS = 100
ANCESTRAL: dict[str, Any] = {"decoding": "sample", "top_k": 0, "top_p": 1.0}  # draws from the model itself


def whole(settings: Any, name: str, least: int, most: int) -> None:
    """Raise InputError unless a setting is a whole number within its limits."""
    value = getattr(settings, name)
    sound = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    require(sound, f"{name} is a whole number from {least} to {most:,}, got {value!r}")


def check_prompts(model: Any, n: int, given: Corpus | None) -> None:
    """Raise InputError where a model that continues prompts has none, or what is given cannot be continued."""
    require(given is not None or not model.prompted, "this model continues prompts, and none are given")
    if given is not None:
        require(len(given) == n, f"{n} rows continue as many prompts, {len(given)} are given")
        same = given.vocabulary == model.vocabulary
        require(same, f"prompts of {given.vocabulary} different tokens, the model knows {model.vocabulary}")


def check_question(question: int, block: int) -> None:
    """Raise InputError where a question leaves no token of its row to an answer."""
    room = f"question={question} leaves no answer in rows of {block} tokens"
    require(question < block, f"{room}: use a smaller learner.question, or a longer source.block")


def kept(question: int, given: Corpus) -> NDArray[Any]:
    """What is given as it is continued: whole, or its question alone (n, question). Raises InputError if too short."""
    there = given.shape[0]
    told = f"prompts of {there} tokens, this model answers questions of {question}: give longer ones"
    require(question <= there, told)
    whole: NDArray[Any] = given.items
    return whole[:, :question] if question else whole


def check_tokens(blocks: NDArray[Any], vocabulary: int) -> None:
    """Raise InputError unless blocks hold tokens of the vocabulary."""
    if blocks.size:
        low, high = int(blocks.min()), int(blocks.max())
        require(0 <= low and high < vocabulary, f"tokens are 0 to {vocabulary - 1}, these go from {low} to {high}")


@dataclass(frozen=True)
class Decoding:
    """How rows are written.

    decoding: `sample` draws token by token (ancestral sampling), `beam` searches for the likeliest row.

    top_k: draw from the k likeliest tokens alone and those that tie with the last, 0 from all. top_p: from the
    likeliest that together have that probability (the nucleus, Holtzman et al. 2020), 1 from all. beams: of a beam
    search; 1 is greedy. prompts: a row continues a block of the `original` real data (the paper), one of the `previous`
    pool, or `none`. question: the first tokens of a block are a question that a row keeps, and only what answers it is
    written, learned and scored; 0 where a row is all new.
    """

    items: ClassVar[str] = "text"

    decoding: Way = "sample"
    top_k: int = 0
    top_p: float = 1.0
    beams: int = 5
    prompts: Prompts = "none"
    question: int = later(0)

    def __post_init__(self) -> None:
        for name, known in (("decoding", Way), ("prompts", Prompts)):
            given = getattr(self, name)
            require(given in get_args(known), f"{name} is one of {', '.join(get_args(known))}, got {given!r}")
        whole(self, "top_k", 0, 1 << 30)
        whole(self, "beams", 1, MOST_BEAMS)
        whole(self, "question", 0, 1 << 30)
        asked = self.question == 0 or self.prompts != "none"
        require(asked, "question keeps the beginning of a row's prompt: use prompts=original or previous with it")
        require(0.0 < self.top_p <= 1.0, f"top_p is a probability in (0, 1], got {self.top_p:g}")
        searches = self.decoding == "beam"
        require(not searches or (self.top_k, self.top_p) == (0, 1.0), "decoding=beam takes neither top_k nor top_p")
        require(
            not searches or self.prompts != "none",
            "decoding=beam writes the same row again and again without prompts: use prompts=original",
        )
