"""Penalties: the protocol of what may be added to a likelihood, and the elastic net."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from probnn.fitting.objective import Objective, added

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Floats


class Penalty:
    """A function of coefficients that shrinks them, or keeps them finite.

    To write one, subclass and

    1. write `__call__(coef, second=True)`, the part that has derivatives: its value, gradient (p,)
       and Hessian (p, p), or None in its place where `second` is false;
    2. where there is a part with kinks, sum_j lasso_j |b_j|, set `lasso`;
    3. set `keeps_covariance`, if the inverse of the information is still the covariance of the
       estimates; where they are biased, none is known;
    4. where it depends on the rows, take them in `on(objective)`: the penalty itself has none, as
       it is saved with results, and penalises resamples as well;
    5. set `label`; and where there is more to say, `given` and `__str__`.

    A quadratic one, b'Sb / 2, such as a smooth term has, is these lines with S b and S.

    Attributes
    ----------
    lasso : numpy.ndarray, shape (p,), or None
        The weights of the absolute values.
    keeps_covariance : bool
        Whether standard errors come from the likelihood alone.
    label : str
        What a fit with it is called.
    given : dict or None
        Name -> argument, where it has some.
    """

    lasso = None
    keeps_covariance = False
    label = "Penalised"
    given = None

    def on(self, objective: Objective) -> Any:
        """Return the penalty of an objective's rows, which has a value and derivatives.

        Raises
        ------
        ValueError
            If it is none of such an objective.
        """
        return self

    def __str__(self):
        """Return in words what penalises; nothing, if it adds nothing."""
        return self.label

    def __call__(self, coef: Floats, second: bool = True) -> tuple[float, Floats, Floats | None]:
        """Return the value, the gradient (p,), and the Hessian (p, p) or None, at coefficients."""
        raise NotImplementedError

    def degrees_of_freedom(self, coef: Floats, hessian: Floats) -> float:
        """Return how many free coefficients the estimates are worth.

        Parameters
        ----------
        coef : numpy.ndarray, shape (p,)
            The estimates.
        hessian : numpy.ndarray, shape (p, p)
            That of the negative log-likelihood there.

        Notes
        -----
        tr(H (H + P)^-1), P the penalty's Hessian, over the coefficients that a lasso leaves:
        Hastie, Tibshirani and Friedman (2009), section 3.4.1, doi:10.1007/978-0-387-84858-7; Zou,
        Hastie and Tibshirani (2007), doi:10.1214/009053607000000127.
        """
        left = np.ones(len(coef), bool) if self.lasso is None else (coef != 0) | (self.lasso == 0)
        own, more = (matrix[np.ix_(left, left)] for matrix in (hessian, self(coef)[2]))
        return float(np.trace(np.linalg.solve(own + more, own)))


class ElasticNet(Penalty):
    """n sum_j alpha_j (L1_wt |b_j| + (1 - L1_wt) b_j^2 / 2), n the number of rows.

    Parameters
    ----------
    alpha : float or array_like, shape (p,)
        The weight of the penalty, or of each coefficient's; not negative.
    L1_wt : float
        The share of the lasso, from 0 (ridge) to 1.
    free : sequence of int
        Coefficients that one number alpha leaves free, as a dispersion.
    n : int, optional
        The number of rows; by default that of the objective, which in resamples has fewer.

    Raises
    ------
    ValueError
        If L1_wt is outside [0, 1]; of `on`, if alpha is negative, not finite or of another length.
    """

    label = "Elastic net"

    n = None

    def __init__(self, alpha, L1_wt=0.0, free=(), n=None):
        if not (np.ndim(L1_wt) == 0 and 0.0 <= L1_wt <= 1.0):
            raise ValueError(f"Expected L1_wt to be a number from 0 to 1. Received: {L1_wt!r}.")
        self.alpha, self.L1_wt, self.free, self.n = alpha, L1_wt, list(free), n

    @property
    def given(self):
        """The arguments of `GLM.fit_regularized`."""
        return {"alpha": self.alpha, "L1_wt": self.L1_wt}

    def __str__(self):
        """Return the arguments; nothing, if all weights are 0."""
        told = ", ".join(f"{name}={value}" for name, value in self.given.items())
        return told if np.any(self.alpha) else ""

    def on(self, objective):
        """Return the penalty with the weights of the rows: `ridge` and `lasso`, (p,)."""
        n = len(objective) if self.n is None else self.n
        total = n * np.asarray(self.alpha, dtype="float64").ravel(order="F")
        if np.ndim(self.alpha) == 0:
            total = np.where(np.isin(np.arange(objective.size), self.free), 0.0, total)
        if total.shape != (objective.size,) or not (np.isfinite(total) & (total >= 0.0)).all():
            raise ValueError(
                f"Expected alpha to be one number or {objective.size}, one for each coefficient, "
                f"finite and not negative. Received: {self.alpha!r}."
            )
        found = copy.copy(self)
        found.ridge, lasso = total * (1.0 - self.L1_wt), total * self.L1_wt
        found.lasso = lasso if lasso.any() else None
        return found

    def __call__(self, coef, second=True):
        """Return the ridge's value, its gradient (p,), and its Hessian (p, p) or None."""
        slope = self.ridge * coef
        return 0.5 * slope @ coef, slope, np.diag(self.ridge) if second else None


class Penalised(Objective):
    """An objective plus the part of a penalty that has derivatives."""

    def __init__(self, objective, penalty):
        self.objective, self.penalty, self.size = objective, penalty, objective.size

    def __len__(self):
        return len(self.objective)

    def __call__(self, coef, second=True):
        """Return the value, the gradient (p,), and the Hessian (p, p) or None, at coefficients."""
        return added(self.objective(coef, second), self.penalty(coef, second))
