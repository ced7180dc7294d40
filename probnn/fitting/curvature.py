"""A Hessian that solvers divide by, positive definite or made so; factors of rows."""

import functools

import numpy as np
from scipy.linalg.lapack import dgeqrf, dpotrf, dpotrs, dtrtri


class Curvature:
    """A Hessian, factorised, and where it is not positive definite made so.

    Damping, of columns scaled to a unit diagonal, turns the signs of negative eigenvalues, so that
    a step leaves a saddle as fast as a Newton step reaches a minimum. A factor needs no scaling:
    its rounding is in proportion to each column's size, whatever their units.

    Attributes
    ----------
    scale : numpy.ndarray, shape (p,)
        The square roots of the diagonal.
    factor : numpy.ndarray, shape (p, p)
        The lower triangle of Cholesky's factorisation.
    damped : bool
        Whether it is that of another matrix.
    """

    def __init__(self, hessian):
        diagonal = np.abs(hessian.diagonal())
        self.factor, failed = dpotrf(hessian, lower=1)
        self.damped = bool(failed)
        if failed:
            # Units of columns may differ by any factor; only what is flat has no scale of its own.
            flat = diagonal.max(initial=0.0) * 1e-30 or 1.0
            diagonal = np.where(diagonal > 0.0, diagonal, flat)
        self.scale = np.sqrt(diagonal)
        if failed:
            self.factor = self.scale[:, None] * self._damped(hessian)

    def _damped(self, hessian):
        """Return the factor of a matrix like the scaled Hessian."""
        scaled = hessian / (self.scale * self.scale[:, None])
        if not np.isfinite(scaled).all():
            raise FloatingPointError(
                "Expected a finite Hessian. Received: NaN or infinity. Rescale the columns, or "
                "start elsewhere: fit(start_params=...)."
            )
        values, vectors = np.linalg.eigh(scaled)
        size = np.abs(values).max(initial=0.0) or 1.0
        values = np.maximum(np.abs(values), 1e-8 * size)
        return np.linalg.cholesky((vectors * values) @ vectors.T)

    def solve(self, vector):
        """Return H^-1 times a vector."""
        return dpotrs(self.factor, vector, lower=1)[0]

    def inverse_root(self):
        """Return a matrix R with R R' = H^-1."""
        return dtrtri(self.factor, lower=1)[0].T if self.factor.size else self.factor


def triangle(x):
    """Return the triangle R (p, p) of the factorisation x = QR of rows (n, p), n >= p."""
    p = x.shape[1]
    return np.where(_upper(p), dgeqrf(x, lwork=32 * p)[0][:p], 0.0)


@functools.lru_cache(maxsize=32)
def _upper(p):
    return np.tri(p, dtype=bool).T
