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
