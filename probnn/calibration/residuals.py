"""Residuals that are standard normal for any family, if the model is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri_exp

from probnn.calibration import checks

if TYPE_CHECKING:
    from probnn._types import ArrayLike, Floats
    from probnn.predictive import Predictive

_LOG_SMALLEST = np.log(np.nextafter(0.0, 1.0))  # of what float64 can tell from 0


def quantile_residuals(
    y: ArrayLike, d: Predictive, *, seed: int | np.random.Generator = 0
) -> Floats:
    """Return randomised quantile residuals: standard normal, if the model is right.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses; those of a censored family may be bounds, shape (n, 2). Of several responses,
        shape (n, d), each has a residual.
    d : Predictive
        What was believed about them.
    seed : int or numpy.random.Generator
        For the transform of discrete and censored y, which is randomised.

    Returns
    -------
    numpy.ndarray, shape (n,)
        Finite. A tail whose probability is below 5e-324 and whose logarithm the family cannot
        compute counts as that number: a residual of -38.5 or 38.5.

    Raises
    ------
    ValueError
        For a y of another shape or outside the support, a distribution of vectors, or one without a
        cdf.

    Notes
    -----
    The standard normal quantile of the probability integral transform u, that of P(Y < y) +
    v P(Y = y) with v uniform: Dunn and Smyth (1996), doi:10.1080/10618600.1996.10474708. The nearer
    one of log(u) and log(1 - u) is used, so that no tail is rounded away: the residual of a normal
    y is (y - loc) / scale, however far y is.

    Examples
    --------
    >>> import probnn as pn
    >>> from probnn import calibration
    >>> d = pn.Predictive("normal", {"loc": [0.0, 1.0], "scale": [1.0, 0.01]})
    >>> calibration.quantile_residuals([0.5, 3.0], d).round(6).tolist()
    [0.5, 200.0]
    """
    d, y = checks.rows(y, d, censored=True, several=True)
    v = np.random.default_rng(seed).random(d.shape)
    with np.errstate(divide="ignore"):
        (below, at), (above, beyond) = _log_tails(d, y)
        log_v, log_rest = np.log(v), np.log1p(-v)
        log_u = np.logaddexp(log_rest + below, log_v + at)
        log_complement = np.logaddexp(log_rest + above, log_v + beyond)
    if np.isnan(log_u).any():
        raise ValueError(
            f"Expected distributions with a cdf. Received: {d!r}, where that of row "
            f"{np.argwhere(np.isnan(log_u))[0][0]} is NaN, as with a scale of 0."
        )
    lower = log_u < log_complement
    log_tail = np.where(lower, log_u, log_complement)
    log_tail = np.where(np.isneginf(log_tail), _LOG_SMALLEST, log_tail)
    return np.where(lower, 1.0, -1.0) * ndtri_exp(log_tail)


def _log_tails(d, y):
    """Return the logarithms of P(Y < y), P(Y <= y), and those of 1 less each."""
    family = d.family
    if y.shape != d.shape:  # bounds of a censored response
        low, high = y[..., 0], y[..., 1]
    else:
        low, high = (y - 1.0 if family.discrete else y), y
    lower = [d.frozen.logcdf(low), d.frozen.logcdf(high)]
    upper = [d.frozen.logsf(low), d.frozen.logsf(high)]
    if family.atom and not family.discrete:
        atom = y == family.support.low
        lower[0], upper[0] = np.where(atom, -np.inf, lower[0]), np.where(atom, 0.0, upper[0])
    return lower, upper
