"""Derivatives of columns in a variable that they are functions of, by differences."""

import numpy as np

_NODES = np.arange(-2.0, 3.0)
_FIRST, _RATIO, _LEVELS = 1.0 / 64.0, 8.0, 9  # steps, of the range
_AGREE = 1e-9  # two estimates: the second has an error some thousand times smaller


def slopes(columns, x, low, high, name):
    """Return the derivatives (n, p) of smooth columns in a variable.

    Parameters
    ----------
    columns : callable
        From values (m,) of the variable, and the indices (m,) of their rows, to columns (m, p).
    x : numpy.ndarray, shape (n,)
        Where.
    low, high : float
        The range of the variable, outside of which columns may not be defined.
    name : str
        What an error calls it.

    Raises
    ------
    ValueError
        If a column has no derivative at a row.

    Notes
    -----
    The derivative of the polynomial through five points, whose error falls with the fourth power of
    the step. Where two steps disagree, as near a pole or a knot, a smaller one is taken; where they
    agree, it would add rounding alone.
    """
    low, high = np.minimum(x, low), np.maximum(x, high)
    width = np.where(high > low, high - low, np.maximum(np.abs(x), 1.0))
    low, high = np.where(high > low, (low, high), [[-np.inf], [np.inf]])
    rows, step = np.arange(len(x)), _FIRST * width
    found, size = _at(columns, x, rows, step, low, high)
    open_ = np.full(found.shape, True)
    for _ in range(_LEVELS):
        step = step / _RATIO
        again, _ = _at(columns, x[rows], rows, step[rows], low[rows], high[rows])
        apart = np.abs(again - found[rows])
        bound = _AGREE * (np.abs(again) + size / width[rows, None])
        found[rows] = np.where(open_[rows], again, found[rows])
        open_[rows] &= apart > bound
        rows = rows[open_[rows].any(axis=1)]
        if not len(rows):
            return found
    raise ValueError(
        f"Expected columns with a derivative in {name!r}. Received: some that jump, or are "
        f"infinitely steep, at {name} = {x[rows[0]]:.6g}. Give a step of the formula a column of "
        "its own in the data or, of counts, take changes of 1: count=True."
    )


def _at(columns, x, rows, step, low, high):
    """Return the derivatives (m, p) of some rows by one step, and the columns' sizes (p,)."""
    center = np.clip(x, low + 2.0 * step, high - 2.0 * step)
    values = [columns(np.clip(center + k * step, low, high), rows) for k in _NODES]
    weights = _weights((x - center) / step) / step
    derivative = sum(w[:, None] * value for w, value in zip(weights, values, strict=True))
    return derivative, np.abs(values).max(axis=(0, 1))


def _weights(s):
    """Return weights (5, m) of values at -2, ..., 2: the derivative at s of what they make."""
    weights = []
    for k in _NODES:
        others = _NODES[k != _NODES]
        terms = [np.prod([s - j for j in others if j != m], axis=0) for m in others]
        weights.append(sum(terms) / np.prod(k - others))
    return np.array(weights)
