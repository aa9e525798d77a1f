"""Zipf data, p_i proportional to i^(-beta), and a learner that knows what it has seen: oracles T1, T3 and T4.

The error is the mass of categories that the training rows lack. The forms are exact sums over the support; their
orders in the rows T hold for an infinite support, c = 1 - 1/beta. Derived, simulated; the orders agree with Dohmatob et
al., A Tale of Tails, arXiv 2402.07043 (secondary).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from outcross.core.errors import require
from outcross.theory.discrete import effective_rows
from outcross.theory.given import Array, Rows, between, law, whole, within
from outcross.theory.special import log_rest


def zipf(beta: float, support: int) -> Array:
    """The law p_i proportional to i^(-beta) on 1 .. support."""
    between("beta", beta)
    weights = np.arange(1.0, whole("support", support, 2) + 1.0) ** -beta
    return np.asarray(weights / weights.sum())


def exponent(beta: float) -> float:
    """T1, T4: c = 1 - 1/beta, the unseen mass being of order T^(-c); beta > 1."""
    return 1.0 - 1.0 / between("beta", beta, 1.0)


def unseen_mass(p: ArrayLike, rows: int) -> float:
    """T4: E mass of the categories that `rows` draws of p lack: sum_i p_i (1 - p_i)^rows, of order rows^(-c)."""
    masses = law(p)
    return float(np.sum(masses * np.exp(whole("rows", rows) * log_rest(masses))))


def unseen_mass_cut(p: ArrayLike, rows: int, kept: int, real: float = 0.0) -> float:
    """T1, T3: the same for rows from p cut after its first `kept` categories, a share `real` of them from p itself.

    sum p_i (1 - q_i)^rows with q = real p + (1 - real) p cut. real = 0: of order T^(-c) + k^(-(beta-1)), a plateau once
    T exceeds k^beta. real > 0: the plateau ends, late, once real T exceeds k^beta; then (real T)^(-c).
    """
    masses = law(p)
    require(whole("kept", kept) < len(masses), f"kept is less than the {len(masses)} categories of p, got {kept}")
    drawn = within("real", real) * masses
    drawn[:kept] += (1.0 - real) * masses[:kept] / masses[:kept].sum()
    return float(np.sum(masses * np.exp(whole("rows", rows) * log_rest(np.minimum(drawn, 1.0)))))


def unseen_mass_replaced(p: ArrayLike, n: Rows, g: int) -> float:
    """T1, T4: E mass lost by the law that g fits under replace have kept: sum_i p_i exp(-p_i effective rows), see D4.

    Rows T_0, then T (g = 2): a learner on T rows of a generator that saw T_0, of order T^(-c) + T_0^(-c). Constant n:
    of order (g/n)^c: it grows as g^c, not as g (g counts fits, the one on real rows being 1). Poisson limit.
    """
    masses = law(p)
    return float(np.sum(masses * np.exp(-effective_rows(n, g) * masses)))
