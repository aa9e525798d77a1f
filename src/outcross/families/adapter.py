"""Any object with `fit(X)` and `sample`, by dotted path: scikit-learn's GaussianMixture and KernelDensity among them.

    learner: {kind: "sklearn.mixture:GaussianMixture", n_components: 2, init_params: kmeans}

A foreign object offers no portable state, and unpickling one could run anything. So the state kept is what it was
fitted on, rows and seed, and loading fits it again: the same object, for as long as its fit is deterministic.
"""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from outcross.core.contracts import Model, State
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, InputError, LearnerError, require
from outcross.core.rng import Stream


def resolve(path: str) -> Any:
    """The object named `package.module:Name`. Raises InputError if it cannot be imported."""
    module, _, name = path.partition(":")
    require(bool(module and name), f"a dotted path reads package.module:Name, got {path!r}")
    try:
        return getattr(import_module(module), name)
    except Exception as e:  # a module may raise anything when it is imported
        raise InputError(f"cannot import {path!r}: {type(e).__name__}: {e}") from e


@dataclass(frozen=True, eq=False)
class Adapted:
    """A fitted foreign object with the rows and the seed that made it."""

    fitted: Any
    rows: np.ndarray
    seed: int

    def sample(self, n: int, rng: Stream) -> np.ndarray:
        """N rows (n, d), seeded by the stream, whether the object takes its seed as an argument or an attribute."""
        if "random_state" in inspect.signature(self.fitted.sample).parameters:
            drawn = self.fitted.sample(n, random_state=rng.seed())
        else:
            if hasattr(self.fitted, "random_state"):
                self.fitted.random_state = rng.seed()
            drawn = self.fitted.sample(n)
        rows = np.asarray(drawn[0] if isinstance(drawn, tuple) else drawn, dtype=np.float64)
        if rows.shape != (n, self.rows.shape[1]):
            shape = (n, self.rows.shape[1])
            raise LearnerError(f"{type(self.fitted).__name__}.sample({n}) gave shape {rows.shape}, not {shape}")
        return rows

    def state(self) -> State:
        """Rows (n, d) and seed (1,) of the fit."""
        return {"rows": self.rows, "seed": np.array([self.seed], dtype=np.int64)}


@dataclass(frozen=True)
class Learner:
    """object: dotted path of a class with fit and sample. options: its constructor's arguments."""

    object: str = "sklearn.mixture:GaussianMixture"
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = self._make()
        for method in ("fit", "sample"):
            require(hasattr(made, method), f"{self.object} has no {method}(): an adapted object needs fit and sample")

    def __hash__(self) -> int:
        return hash((self.object, repr(sorted(self.options.items()))))

    def fit(self, pool: Corpus, rng: Stream, previous: Model | None = None) -> Adapted:
        """Fit a new object. Its ValueError or LinAlgError becomes FitDegenerate with the same message."""
        return self.load({"rows": pool.items, "seed": np.array([rng.seed()])})

    def load(self, state: State) -> Adapted:
        """Fit again on the rows and with the seed of the state."""
        rows, seed = state["rows"], int(state["seed"][0])
        fitted = self._make()
        if hasattr(fitted, "random_state") and fitted.random_state is None:
            fitted.random_state = seed
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a fit that did not converge says so in its own attributes
                fitted.fit(rows.copy())
        except (ValueError, np.linalg.LinAlgError) as e:
            raise FitDegenerate(f"{self.object}: {e}") from e
        return Adapted(fitted, rows, seed)

    def _make(self) -> Any:
        try:
            return resolve(self.object)(**self.options)
        except TypeError as e:
            raise InputError(f"{self.object}: {e}") from e
