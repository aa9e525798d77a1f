"""Neon: the weights of a model extrapolated away from what training on its own samples makes of them.

theta = (1 + w) theta_r - w theta_s: Alemohammad et al., "Neon: Negative Extrapolation From Self-Training Improves Image
Generation", arXiv 2510.03597; oracle C2. Sign rule: w > 0 where the sampler seeks modes (narrows: Euler in few steps, a
nucleus, a low temperature), w < 0 where it seeks diversity (widens: Heun in few steps; on digits that half was not met,
docs/results/sims.md). `auto` tries both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import State
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.families.neural.corrective import Corrective, told, under, within

_OWN = "neon"  # what a state holds besides the model's


@dataclass(frozen=True, eq=False)
class NeonModel:
    """A model with extrapolated weights; it is and offers all that the model inside does.

    tried: (candidates, 2), weights and their distances from validation data.
    """

    inside: Any
    weight: float
    tried: NDArray[np.float64]

    def __getattr__(self, name: str) -> Any:
        if name == "inside":  # not made yet
            raise AttributeError(name)
        return getattr(self.inside, name)

    def sample(self, n: int, rng: Stream, *given: Any) -> NDArray[Any]:
        """N rows of the model inside."""
        return self.inside.sample(n, rng, *given)  # type: ignore[no-any-return]

    @property
    def info(self) -> dict[str, float]:
        """The weight; where it was chosen, the distances (of text: losses) of the base and of the chosen one."""
        return told(self.weight, self.tried)

    def state(self) -> State:
        """The state of the model inside, the weight, what was tried."""
        return {**self.inside.state(), **under(_OWN, {"weight": np.array([self.weight]), "tried": self.tried})}


def extrapolated(base: Any, auxiliary: Any, weight: float) -> Any:
    """The base with (1 + weight) theta - weight theta_auxiliary for each weight that training moves."""
    moved = base.trained
    weights = {
        name: _beyond(value, auxiliary.weights[name], weight) if name in moved else value
        for name, value in base.weights.items()
    }
    return replace(base, weights=weights)


def _beyond(start: NDArray[Any], own: NDArray[Any], weight: float) -> NDArray[Any]:
    if start.dtype.kind != "f":
        return start
    wide = start.astype(np.float64)
    return np.asarray((wide + weight * (wide - own)).astype(start.dtype))


@dataclass(frozen=True)
class Learner(Corrective):
    """learner: one that trains a torch module: diffusion, vae, module or causal_lm. weight: of either sign. The rest as
    for every corrective learner (`families/neural/corrective.py`): grid, samples, auxiliary, judged.
    """

    grid: tuple[float, ...] = (-1.0, -0.5, -0.25, -0.1, 0.0, 0.1, 0.25, 0.5, 1.0)

    def __hash__(self) -> int:
        return hash((self.learner, self.weight, self.samples))

    def check_base(self) -> None:
        """Raise InputError unless the base trains weights."""
        right = hasattr(self.learner, "trains_by")
        require(right, "learner: neon extrapolates trained weights; use diffusion, vae, module or causal_lm")

    def combined(self, base: Any, auxiliary: Any, weight: float, tried: NDArray[np.float64]) -> NeonModel:
        """The base extrapolated away from the auxiliary."""
        return NeonModel(extrapolated(base, auxiliary, weight) if weight else base, weight, tried)

    def base_of(self, model: Any) -> Any:
        """The extrapolated model: its weights are all that is kept."""
        return getattr(model, "inside", model)

    def load(self, state: State) -> NeonModel:
        """The model whose state this is."""
        own = within(_OWN, state)
        inside = self.learner.load({k: v for k, v in state.items() if not k.startswith(f"{_OWN}.")})
        return NeonModel(inside, float(own["weight"][0]), own["tried"])
