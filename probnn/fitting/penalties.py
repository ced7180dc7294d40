"""Penalties: the protocol of what may be added to a likelihood, and the elastic net."""

import numpy as np

from probnn.fitting.objective import Objective, added


class Penalty:
    """A function of coefficients that shrinks them, or keeps them finite.

    To write one, subclass and

    1. write `__call__(coef, second=True)`, the part that has derivatives: its value, gradient (p,)
       and Hessian (p, p), or None in its place where `second` is false;
    2. where there is a part with kinks, sum_j lasso_j |b_j|, set `lasso`;
    3. set `keeps_covariance`, if the inverse of the information is still the covariance of the
       estimates; where they are biased, none is known.

    A quadratic one, b'Sb / 2, such as a smooth term has, is these lines with S b and S.

    Attributes
    ----------
    lasso : numpy.ndarray, shape (p,), or None
        The weights of the absolute values.
    keeps_covariance : bool
        Whether standard errors come from the likelihood alone.
    """

    lasso = None
    keeps_covariance = False

    def __call__(self, coef, second=True):
        """Return the value, the gradient (p,), and the Hessian (p, p) or None, at coefficients."""
        raise NotImplementedError

    def degrees_of_freedom(self, coef, hessian):
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
    """sum_j ridge_j b_j^2 / 2 + lasso_j |b_j|: with one of them None, a ridge or a lasso alone.

    Parameters
    ----------
    ridge, lasso : numpy.ndarray, shape (p,), optional
        Weights, not negative.
    """

    def __init__(self, ridge=None, lasso=None):
        self.ridge = np.zeros(len(lasso)) if ridge is None else ridge
        self.lasso = lasso if lasso is not None and lasso.any() else None

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
