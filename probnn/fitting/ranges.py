"""The ranges that columns have in classes: which columns may separate some by themselves."""

import numpy as np

_MARGIN = 1e-6  # of a column's range: far more than rounding, which only programmes tell from it


def apart(x, codes, count, blocks):
    """Return of each column whether two classes have no more than ends of their ranges in common.

    Another, with a constant or without, separates no classes: its product with any coefficient
    orders some rows of any two in one way, and some in the other.

    Parameters
    ----------
    x : array_like, shape (n, p)
    codes : numpy.ndarray, shape (n,)
        The class of each row, below `count`.
    count : int
    blocks : iterable of slice
        The rows to take at once.
    """
    low, high = np.full((2, count, x.shape[1]), np.nan)
    for rows in blocks:
        part, own = np.asarray(x[rows], np.float64), codes[rows]
        for code in np.unique(own).astype(int):
            these = part[own == code]
            low[code] = np.fmin(low[code], these.min(axis=0))
            high[code] = np.fmax(high[code], these.max(axis=0))
    margin = _MARGIN * (np.fmax.reduce(high) - np.fmin.reduce(low))
    below = high[:, None] - low <= margin  # [a, b]: whether a lies below b; not of absent ones
    below[np.arange(count), np.arange(count)] = False
    return below.any(axis=(0, 1))
