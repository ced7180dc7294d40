"""Least absolute deviations: the optimum of the Laplace family, out of Newton's reach."""

import numpy as np

from probnn import links
from probnn.fitting.optimum import Optimum


class LeastAbsolute:
    """The solver of a linear model whose location minimises the sum of |y - X b|.

    Notes
    -----
    A linear program, solved in its dual form, p equations in n bounded variables; rows strictly
    inside their bounds are fitted exactly, and give b to the last digit. The scale is the mean of
    the absolute residuals. The likelihood has no second derivative in the location, so that the
    information is the expected one, X'X / scale^2 and n: Koenker and Bassett (1978),
    doi:10.2307/1913643, for Laplace errors.
    """

    def solve(self, objective, start=None):
        """Return the `Optimum` of a `Likelihood` of the Laplace family; it needs no start.

        Raises
        ------
        ValueError
            For another family, another link than the identity, or a design of the scale.
        RuntimeError
            If the linear program is not solved.
        """
        family, (x, one) = objective.family, (*objective.designs, None)[:2]
        varies = one is not None and not (one.toarray() == 1.0).all()
        identity = family.links[family.location] == links.get("identity")
        if family.loss != "absolute_error" or not identity or varies:
            raise ValueError(
                "Expected the laplace family itself, with the identity link and a constant scale: "
                f"its likelihood has no second derivative. Received: {family!r}"
                f"{', with a design of the scale' * varies}. Fit it as a network, with a "
                "probnn.Head of this family."
            )
        x, y = x.toarray(), objective.y - objective.offsets.get(0, 0.0)
        weights = np.ones(len(y)) if objective.weights is None else objective.weights
        beta = _solve(x, y, weights)
        coef = beta
        if one is not None:
            scale = float(weights @ np.abs(y - x @ beta) / weights.sum())
            if scale <= 1e-12 * np.abs(y).max():
                raise ValueError(
                    "Expected y with some distance from its fit. Received: residuals that are all "
                    "0, at which the likelihood is infinite."
                )
            coef = np.append(beta, family.links["scale"].forward(np.float64(scale)))
        raw = objective.raw(coef)
        curvature = np.zeros((len(y), 2, 2))
        curvature[:, 0, 0] = weights / family.to_params(raw)["scale"] ** 2
        step = 1e-6  # of the raw scale: its logarithm's derivative, 1 for the log link
        ends = [family.links["scale"].inverse(raw[:, 1] + side * step) for side in (1.0, -1.0)]
        curvature[:, 1, 1] = weights * (np.log(ends[0] / ends[1]) / (2.0 * step)) ** 2
        value, gradient, _ = objective(coef, False)
        return Optimum.in_one_step(coef, value, gradient, objective.information(curvature))


def _solve(x, y, weights):
    """Return b that minimises the weighted sum of |y - x b|."""
    from scipy.optimize import linprog

    size = np.abs(x).max(axis=0)
    bounds = np.column_stack([-weights, weights])
    found = linprog(-y, A_eq=(x / size).T, b_eq=np.zeros(x.shape[1]), bounds=bounds)
    if found.status != 0:
        raise RuntimeError(f"The linear program of least absolute deviations: {found.message}")
    beta = -found.eqlin.marginals / size
    inside = np.flatnonzero(np.abs(found.x) < weights * (1.0 - 1e-9))
    if len(inside) == x.shape[1]:
        exact = np.linalg.lstsq(x[inside], y[inside], rcond=None)[0]
        if weights @ np.abs(y - x @ exact) <= weights @ np.abs(y - x @ beta) * (1.0 + 1e-12):
            return exact
    return beta
