"""Decoding: how a model of text writes its rows. What the settings of every such family begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from outcross.core.errors import require

Way = Literal["sample", "beam"]
Prompts = Literal["none", "original", "previous"]


@dataclass(frozen=True)
class Decoding:
    """decoding: `sample` draws token by token (ancestral sampling), `beam` searches for the likeliest row.

    top_k: draw from the k likeliest tokens alone, 0 from all. top_p: from the likeliest that together have that
    probability (the nucleus, Holtzman et al. 2020), 1 from all. beams: of a beam search; 1 is greedy.
    prompts: a row continues a block of the `original` real data (the paper), one of the `previous` pool, or `none`.
    """

    items: ClassVar[str] = "text"

    decoding: Way = "sample"
    top_k: int = 0
    top_p: float = 1.0
    beams: int = 5
    prompts: Prompts = "none"

    def __post_init__(self) -> None:
        for name, known in (("decoding", Way), ("prompts", Prompts)):
            given = getattr(self, name)
            require(given in get_args(known), f"{name} is one of {', '.join(get_args(known))}, got {given!r}")
        require(self.top_k >= 0, f"top_k is a number of tokens, 0 for all, got {self.top_k}")
        require(0.0 < self.top_p <= 1.0, f"top_p is a probability in (0, 1], got {self.top_p:g}")
        require(1 <= self.beams <= 100, f"beams are 1 to 100, got {self.beams}")
        searches = self.decoding == "beam"
        require(not searches or (self.top_k, self.top_p) == (0, 1.0), "decoding=beam takes neither top_k nor top_p")
        require(
            not searches or self.prompts != "none",
            "decoding=beam writes the same row again and again without prompts: use prompts=original",
        )
