"""SIMS: a diffusion model guided away from what it became when it was trained on its own samples.

Alemohammad, Humayun, Agarwal, Collomosse, Baraniuk, "Self-Improving Diffusion Models with Synthetic Data", arXiv
2408.16333; oracle C1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import State
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.families.diffusion import DiffusionModel
from outcross.families.diffusion import Learner as Diffusion
from outcross.families.neural.corrective import Corrective, told, under, within

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class SimsModel:
    """A base, the auxiliary that was trained further on the base's own rows, and the weight between them.

    Rows are the base's. tried: (candidates, 2), weights and their distances from validation data.
    """

    base: DiffusionModel
    auxiliary: DiffusionModel
    weight: float
    tried: NDArray[np.float64]

    def sample(self, n: int, rng: Stream) -> NDArray[Any]:
        """N rows by the score (1 + weight) s_base - weight s_auxiliary at every level of noise; at 0 the base's."""
        return self._drawn(n, rng)[0]

    def _drawn(self, n: int, rng: Stream) -> tuple[NDArray[Any], NDArray[np.int32]]:
        return self.base.drawn(n, rng, self._denoise if self.weight else None)

    def _denoise(self, x: Tensor, sigma: Tensor, classes: Tensor | None) -> Tensor:
        """Scores are (D - x) / sigma^2, so they combine as denoisers do."""
        base, own = (model.denoise(x, sigma, classes) for model in (self.base, self.auxiliary))
        return base + self.weight * (base - own)

    @property
    def info(self) -> dict[str, float]:
        """The weight; where it was chosen, the distances of the base and of the chosen one."""
        return told(self.weight, self.tried)

    def state(self) -> State:
        """Both states, the weight, what was tried."""
        own = {"weight": np.array([self.weight]), "tried": self.tried}
        return {**under("base", self.base.state()), **under("auxiliary", self.auxiliary.state()), **own}


class LabelledSims(SimsModel):
    """One of a base that draws labels; it offers `labelled(n, rng)` as that does."""

    def labelled(self, n: int, rng: Stream) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """N rows as of `sample`, and their labels (n,), -1 for none."""
        return self._drawn(n, rng)


@dataclass(frozen=True)
class Learner(Corrective):
    """learner: a diffusion. weight: at least 0. The rest as for every corrective learner
    (`families/neural/corrective.py`): grid, samples, auxiliary, judged.
    """

    def __hash__(self) -> int:
        return hash((self.learner, self.weight, self.samples))

    def check_base(self) -> None:
        """Raise InputError unless the base is a diffusion."""
        right = isinstance(self.learner, Diffusion)
        require(right, "learner: sims guides the denoising of a diffusion; use learner.learner.kind=diffusion")

    def check_weight(self, weight: float) -> None:
        """Raise InputError for a weight below 0, which would guide towards the auxiliary."""
        require(weight >= 0.0, f"weight is at least 0, got {weight:g}")

    def combined(self, base: Any, auxiliary: Any, weight: float, tried: NDArray[np.float64]) -> SimsModel:
        """The base guided away from the auxiliary."""
        return (LabelledSims if self.learner.conditional else SimsModel)(base, auxiliary, weight, tried)

    def base_of(self, model: Any) -> Any:
        """The base alone: a warm start continues its weights."""
        return getattr(model, "base", model)

    def load(self, state: State) -> SimsModel:
        """The model whose state this is."""
        base, auxiliary = (self.learner.load(within(name, state)) for name in ("base", "auxiliary"))
        return self.combined(base, auxiliary, float(state["weight"][0]), state["tried"])
