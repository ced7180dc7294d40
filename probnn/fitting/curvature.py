"""A Hessian that solvers divide by, positive definite or made so."""

import numpy as np


class Curvature:
    """A Hessian, scaled to a unit diagonal and, where it is not positive definite, made so.

    Damping turns the signs of negative eigenvalues, so that a step leaves a saddle as fast as a
    Newton step reaches a minimum.
    """

    def __init__(self, hessian):
        from scipy.linalg.lapack import dpotrf

        diagonal = np.abs(np.diag(hessian))
        # Units of columns may differ by any factor; only what is flat has no scale of its own.
        flat = diagonal.max(initial=0.0) * 1e-30 or 1.0
        self.scale = np.sqrt(np.where(diagonal > 0.0, diagonal, flat))
        scaled = hessian / (self.scale * self.scale[:, None])
        self.factor, failed = dpotrf(scaled, lower=1)
        self.damped = bool(failed)
        if failed:
            if not np.isfinite(scaled).all():
                raise FloatingPointError(
                    "Expected a finite Hessian. Received: NaN or infinity. Rescale the columns, or "
                    "start elsewhere: fit(start_params=...)."
                )
            values, vectors = np.linalg.eigh(scaled)
            size = np.abs(values).max(initial=0.0) or 1.0
            values = np.maximum(np.abs(values), 1e-8 * size)
            self.factor = np.linalg.cholesky((vectors * values) @ vectors.T)

    def solve(self, vector):
        """Return H^-1 times a vector."""
        from scipy.linalg.lapack import dpotrs

        return dpotrs(self.factor, vector / self.scale, lower=1)[0] / self.scale

    def inverse_root(self):
        """Return a matrix R with R R' = H^-1."""
        from scipy.linalg import solve_triangular

        return solve_triangular(self.factor, np.diag(1.0 / self.scale), lower=True).T
