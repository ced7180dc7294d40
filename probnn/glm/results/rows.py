"""Quantities of each row at given raw values: likelihood, deviance, residuals, means.

Each takes a family, `Observations`, and raw values (n, k) whose dispersion, where a GLM has one
that is estimated after the coefficients, is 1.
"""

import numpy as np

from probnn._quadrature import integral


def means(family, raw):
    """Return the means: (n,), or (n, C) probabilities."""
    with np.errstate(over="ignore"):
        return np.asarray(family.mean(**family.to_params(raw)), dtype="float64")


def variances(family, raw):
    """Return the variances (n,) at dispersion 1."""
    return np.asarray(family.variance(**family.to_params(raw)), dtype="float64")


def log_likelihood(family, data, raw, phi=None):
    """Return the log-likelihood of each row, at dispersion phi if given; no frequencies in it."""
    dispersed = {} if phi is None else family.with_dispersion(phi / precision(data))
    if not dispersed:
        found = family.log_prob(data.y, raw)
        if data.trials is not None:
            from scipy.special import gammaln

            successes = data.trials * data.y
            found = data.trials * found + (
                gammaln(data.trials + 1.0)
                - gammaln(successes + 1.0)
                - gammaln(data.trials - successes + 1.0)
            )
        return found if data.var_weights is None else data.var_weights * found
    return family.log_prob(data.y, _dispersed(family, data, raw, phi))


def precision(data):
    """Return what the dispersion of each row's response is divided by; 1 where weights are 0.

    Such a row is no observation: its response is that of a new one.
    """
    weights = 1.0 if data.var_weights is None else data.var_weights
    return np.where(np.equal(weights, 0.0), 1.0, weights)


def _dispersed(family, data, raw, phi):
    """Return raw values at a dispersion."""
    raw = raw.copy()
    values = family.with_dispersion(phi / precision(data))
    for a, name in enumerate(family.params):
        if name in values:
            raw[:, a] = family.links[name].forward(values[name])
    return raw


def dispersion_slopes(family, data, raw, phi):
    """Return the first two derivatives (n, 2) of `log_likelihood` in the logarithm of phi."""
    step = 1e-4  # links of dispersions are smooth, and most of them logarithms: lines
    low, here, high = (_dispersed(family, data, raw, phi * np.exp(s)) for s in (-step, 0.0, step))
    first, second = (high - low) / (2.0 * step), (high - 2.0 * here + low) / step**2
    _, slope, curvature = family.derivatives(data.y, here)
    return np.column_stack(
        [
            -np.einsum("na,na->n", slope, first),
            -np.einsum("nab,na,nb->n", curvature, first, first, optimize=True)
            - np.einsum("na,na->n", slope, second),
        ]
    )


def check_mean_family(family, what):
    """Raise AttributeError unless the family is one of generalized linear models."""
    if not family.of_mean:
        raise AttributeError(
            f"{what} is one of generalized linear models: exponential families of their mean. "
            f"{family!r} is none; compare llf, aic, bic, or scores on held-out rows."
        )


def deviances(family, data, raw):
    """Return twice the log-likelihood that each row lacks to its best, weights left out.

    The best is a mean equal to y. Rows at the edge of the means' domain come as near as they can.
    """
    check_mean_family(family, "The deviance")
    if family.params[family.location].size is not None:
        return -2.0 * family.log_prob(data.y, raw)
    saturated = raw.copy()
    domain = family.links[family.location].domain
    inside = np.clip(data.y, 1e-300 if domain.low == 0.0 else -np.inf, None)
    inside = np.minimum(inside, 1.0 - 2.0**-53) if domain.high == 1.0 else inside
    saturated[:, 0] = family.links[family.location].forward(inside)
    best = family.log_prob(data.y, saturated)
    return np.maximum(2.0 * (best - family.log_prob(data.y, raw)), 0.0)


def residuals(kind, family, data, raw):
    """Return residuals of one kind, scaled by the precision of each row.

    Parameters
    ----------
    kind : {"response", "pearson", "deviance", "working", "anscombe"}
        As statsmodels' `resid_` attributes.
    """
    mu = means(family, raw)
    if family.classes is not None or mu.ndim == 2:
        if kind != "response":
            raise ValueError(
                f"Expected kind='response' for classes and vectors. Received: {kind!r}, which is "
                "for numbers."
            )
        if family.classes is None:
            return data.y - mu
        return (data.y[:, None] == np.arange(mu.shape[1])) - mu
    if data.y.ndim == 2:
        raise ValueError(
            f"Expected one number in each row of y, for residuals. Received: {family.y_meaning}."
        )
    response = data.y - mu
    if kind == "response":
        return response if data.trials is None else data.trials * response
    if kind == "working":
        return response / family.mean_derivatives(raw, second=False)[1][:, 0]
    if kind == "anscombe":
        check_mean_family(family, "Anscombe's residual")
    root = 1.0 if data.precision is None else np.sqrt(data.precision)
    if kind == "pearson":
        return root * response / np.sqrt(variances(family, raw))
    if kind == "deviance":
        return root * np.sign(response) * np.sqrt(deviances(family, data, raw))
    return root * _anscombe(family, data.y, mu, raw)


def _anscombe(family, y, mu, raw):
    """Return (A(y) - A(mu)) / V(mu)^(1/6), A the integral of V^(-1/3), V the unit variance.

    Pierce and Schafer (1986), doi:10.2307/2289071. By Gauss's rule in s, m = y + (mu - y) s^3: at
    the edge of the means' domain V is linear in m, so that its power -1/3 is smooth in s.
    """
    moved, link = raw.copy(), family.links[family.location]

    def root(s):
        moved[:, 0] = link.forward(y + (mu - y) * s**3)
        return 3.0 * s**2 * variances(family, moved) ** (-1.0 / 3.0)

    total = integral(root, 0.0, 1.0, 40)
    return (y - mu) * total / variances(family, raw) ** (1.0 / 6.0)
