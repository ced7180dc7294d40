"""The dispersion that maximises a likelihood, at given means."""

import numpy as np


def maximum(log_likelihood, start):
    """Return the dispersion at which a function of it is largest, by Brent's method.

    Parameters
    ----------
    log_likelihood : callable
        Of the dispersion.
    start : float
        A guess, as Pearson's chi-squared over n.
    """
    from scipy.optimize import minimize_scalar

    start = np.log(start)
    found = minimize_scalar(
        lambda log_phi: -log_likelihood(np.exp(log_phi)),
        bracket=(start - 0.1, start + 0.1),
        options={"xtol": 1e-12},
    )
    return float(np.exp(found.x))


def root(slopes, start):
    """Return the dispersion at which the slope of a log-likelihood is 0, by Newton's method.

    Parameters
    ----------
    slopes : callable
        From the dispersion to the first two derivatives in its logarithm.
    start : float
        As for `maximum`: what it takes by values alone, some ten times as many.
    """
    with np.errstate(divide="ignore"):
        log_phi = np.log(start)
    for _ in range(100):
        first, second = slopes(np.exp(log_phi))
        step = -first / second if second < 0.0 else np.sign(first)
        if not np.isfinite(step):
            break
        step = np.clip(step, -1.0, 1.0)
        log_phi += step
        if abs(step) < 1e-9:
            break
    return float(np.exp(log_phi))
