"""Firth's penalty, which keeps the estimates of a logistic regression finite."""

import copy

import numpy as np

from probnn.fitting.penalties import Penalty

_EXACT = 10_000_000_000  # numbers n p^3 up to which the Hessian is computed


class Firth(Penalty):
    """-log det I(b) / 2, I = X'WX the Fisher information of a logistic regression.

    Notes
    -----
    It removes the bias of order 1 / n, and the maximum is finite even where the classes are
    separated: Firth (1993), doi:10.1093/biomet/80.1.27; Heinze and Schemper (2002),
    doi:10.1002/sim.1047.
    """

    keeps_covariance = True
    label = "Firth"

    def on(self, objective):
        """Return the penalty of the rows of a `Likelihood`, binary, with the logit link.

        Raises
        ------
        ValueError
            For another family than the Bernoulli, another link than the logit, or rows in batches.
        """
        family = objective.family
        if not (objective.in_memory and family.kind == "binary" and family.is_canonical):
            raise ValueError(
                "Expected the bernoulli family with the logit link, and rows that are not in "
                f"batches, for method='firth'. Received: {family!r}"
                f"{', in batches' * (not objective.in_memory)}. Choose method='newton', or "
                "penalise otherwise: fit_regularized(alpha=...)."
            )
        found = copy.copy(self)
        found.likelihood, found.x = objective, objective.designs[0]
        return found

    def __call__(self, coef, second=True):
        """Return the value, the gradient (p,), and the Hessian (p, p) or None, at coefficients.

        With R'R = I, z = R^-T x, leverages h = w |z|^2 and T_abc the sum over rows of
        w (1 - 2 mu) z_a z_b z_c, the Hessian is R'(T T' - Z'diag(h (1 - 6 mu (1 - mu))) Z) R / 2,
        T seen as (p, p^2). Where that is expensive n is large, and its share of the whole, of order
        p / n, is left out.
        """
        from scipy.linalg import solve_triangular

        p, r = len(coef), np.empty((0, len(coef)))
        for rows in self.likelihood.blocks():  # by QR: I has the square of the condition number
            root = np.sqrt(self._moments(coef, rows)[1])
            r = np.linalg.qr(np.concatenate([r, self.x.toarray(rows) * root[:, None]]), mode="r")
        diagonal, gradient = np.abs(np.diag(r)), np.zeros(p)
        if len(r) < p or not (diagonal > 0).all():
            return np.inf, gradient, None
        exact = second and len(self.likelihood) * p**3 <= _EXACT
        inner, third = np.zeros((p, p)), np.zeros((p, p, p) if exact else (p, 0))
        for rows in self.likelihood.blocks():
            x, (mu, weight) = self.x.toarray(rows), self._moments(coef, rows)
            z = solve_triangular(r, x.T, trans="T", check_finite=False).T
            leverage = weight * np.einsum("ij,ij->i", z, z)
            gradient -= (leverage * (0.5 - mu)) @ x
            if exact:
                inner -= 0.5 * (z.T * (leverage * (1.0 - 6.0 * mu * (1.0 - mu)))) @ z
                skew = z.T * (weight * (1.0 - 2.0 * mu))
                for a in range(p):
                    third[a] += (skew * z[:, a]) @ z
        third = third.reshape(p, -1)
        hessian = r.T @ (inner + 0.5 * third @ third.T) @ r if second else None
        return -np.log(diagonal).sum(), gradient, hessian

    def _moments(self, coef, rows):
        """Return the means of rows, and their weights in the Fisher information."""
        from scipy.special import expit

        eta, weights = self.likelihood.raw(coef, rows)[:, 0], self.likelihood.weights
        return expit(eta), expit(eta) * expit(-eta) * (1.0 if weights is None else weights[rows])
