"""Isotonic regression of what happened on what was forecast."""

import numpy as np
from scipy.optimize import isotonic_regression


def monotone(forecast, y):
    """Return the distinct forecasts in order, their counts, and SciPy's isotonic fit to them."""
    values, index, counts = np.unique(forecast, return_inverse=True, return_counts=True)
    means = np.bincount(index, y) / counts
    return values, counts, isotonic_regression(means, weights=counts.astype("float64"))


def recalibrated(forecast, y):
    """Return the isotonic fit at each row's forecast."""
    values, _, fit = monotone(forecast, y)
    return fit.x[np.searchsorted(values, forecast)]
