"""Least absolute deviations: the optimum of the Laplace family, out of Newton's reach."""

import numpy as np

from probnn import links
from probnn.glm.newton import Optimum


def least_absolute(model):
    """Return the optimum of a model of the Laplace family with the identity link.

    Parameters
    ----------
    model : GLM
        A model of its location alone; the scale is constant or fixed.

    Raises
    ------
    ValueError
        For another link, or a design of the scale.
    RuntimeError
        If the linear program is not solved.

    Notes
    -----
    The location minimises the sum of |y - X b|: a linear program, solved in its dual form, p
    equations in n bounded variables; rows strictly inside their bounds are fitted exactly, and give
    b to the last digit. The scale is the mean of the absolute residuals. The likelihood has no
    second derivative in the location, so that the information is the expected one, X'X / scale^2
    and n: Koenker and Bassett (1978), doi:10.2307/1913643, for Laplace errors.
    """
    family, data = model.family, model.data
    identity = family.links[family.location] == links.get("identity")
    alone = family.loss == "absolute_error" and identity
    if not alone or "scale" in model.modelled:
        raise ValueError(
            "Expected the laplace family itself, with the identity link and a constant scale: its "
            f"likelihood has no second derivative. Received: {family!r}, with designs of "
            f"{sorted(model.modelled)}. Fit it as a network, with a probnn.Head of this family."
        )
    x, y = model.X, data.y - data.offsets.get(0, 0.0)
    weights = np.ones(len(y)) if data.weights is None else data.weights
    beta = _solve(x, y, weights)
    coef = beta
    if "scale" in model.predicted:
        scale = float(weights @ np.abs(y - x @ beta) / weights.sum())
        if scale <= 1e-12 * np.abs(y).max():
            raise ValueError(
                "Expected y with some distance from its fit. Received: residuals that are all 0, "
                "at which the likelihood is infinite."
            )
        coef = np.append(beta, family.links["scale"].forward(np.float64(scale)))
    likelihood = model.likelihood()
    value, gradient, _ = likelihood(coef, False)
    rate = 1.0 / family.to_params(likelihood.raw(coef))["scale"]
    curvature = np.zeros((len(y), 2, 2))
    curvature[:, 0, 0] = weights * rate**2
    slope = family.links["scale"]
    step = 1e-6  # of the raw scale: its logarithm's derivative, 1 for the log link
    raw = likelihood.raw(coef)[:, 1]
    log = [np.log(slope.inverse(raw + side * step)) for side in (1.0, -1.0)]
    curvature[:, 1, 1] = weights * ((log[0] - log[1]) / (2.0 * step)) ** 2
    history = {"nll": [value], "decrement": [0.0], "score_norm": [0.0], "step": [1.0]}
    hessian = likelihood.information(curvature)
    return Optimum(coef, value, gradient, hessian, 0.0, 0.0, True, history)


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
