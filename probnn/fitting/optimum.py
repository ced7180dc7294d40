"""Where a solver stopped."""

import warnings
from dataclasses import dataclass, field

import numpy as np

from probnn.fitting.penalties import Penalty


def no_iterations():
    """Return the history of a solver that has not begun."""
    return {name: [] for name in ("nll", "decrement", "score_norm", "step")}


def record(history, *values):
    """Add an iteration to a history: value, decrement, score norm and size of the step."""
    for name, value in zip(history, values, strict=True):
        history[name].append(value)


@dataclass
class Optimum:
    """Where a solver stopped.

    Attributes
    ----------
    coef : numpy.ndarray, shape (p,)
        The coefficients.
    value : float
        The negative log-likelihood there.
    gradient : numpy.ndarray, shape (p,)
        Its gradient.
    hessian : numpy.ndarray, shape (p, p)
        Its Hessian.
    decrement : float
        Newton's decrement sqrt(g' H^-1 g): how far the optimum is, in standard errors.
    score_norm : float
        The largest |g_j| / sqrt(H_jj).
    converged : bool
        Whether both came below the tolerance.
    history : dict
        Lists of `nll`, `decrement`, `score_norm` and `step`, an entry for each iteration.
    inverse_root : numpy.ndarray, shape (p, p), optional
        A square root R of the inverse R R' of the Hessian, where it is known to more digits.
    inverse : numpy.ndarray, shape (p, p), optional
        That inverse itself, likewise.
    ssr : float, optional
        The sum of squared residuals of a linear model, where it is known to more digits.
    penalty : Penalty, optional
        What was added to the likelihood.
    """

    coef: np.ndarray
    value: float
    gradient: np.ndarray
    hessian: np.ndarray | None
    decrement: float = 0.0
    score_norm: float = 0.0
    converged: bool = True
    history: dict = field(default_factory=no_iterations)
    inverse_root: np.ndarray | None = None
    inverse: np.ndarray | None = None
    ssr: float | None = None
    penalty: Penalty | None = None

    @classmethod
    def in_one_step(cls, coef, value, gradient, hessian=None, **known):
        """Return the optimum of a problem that was solved directly."""
        optimum = cls(coef, value, gradient, hessian, **known)
        record(optimum.history, value, 0.0, 0.0, 1.0)
        return optimum

    @property
    def iterations(self):
        """The number of steps."""
        return len(self.history["nll"])

    @property
    def has_covariance(self):
        """Whether the likelihood tells the covariance of the estimates: a penalty may bias them."""
        return self.penalty is None or self.penalty.keeps_covariance


class ConvergenceWarning(UserWarning):
    """Newton's method stopped before the optimum."""


def warn_unless(optimum, maxiter):
    """Warn, with the remedy, if an optimum was not reached."""
    if optimum.converged:
        return
    why, first = f"made all of {maxiter} iterations", "Raise maxiter, rescale"
    if optimum.history["step"] and optimum.history["step"][-1] == 0.0:
        why, first = "found no step that gains more than rounding", "Rescale"
    warnings.warn(
        f"Newton's method {why}, {optimum.decrement:.2g} standard errors from the optimum of its "
        f"quadratic model. {first} or centre the columns, or start elsewhere: "
        "fit(start_params=...).",
        ConvergenceWarning,
        stacklevel=3,
    )
