"""The inverse of a tail of many distributions at once, in NumPy."""

import numpy as np


def solve_tail(tail, log_level, start, step, ends=(-np.inf, np.inf), steps=200, near=1e-9):
    """Return where the logarithm of a tail has a value: Newton's steps within a bracket.

    Parameters
    ----------
    tail : callable
        `tail(x, rows)` returns the logarithms of the tail at x in some rows, and their derivatives
        in x. The tail is strictly monotone.
    log_level : numpy.ndarray, shape (n,)
        The values.
    start : numpy.ndarray, shape (n,)
        Where to begin.
    step : numpy.ndarray, shape (n,)
        Widths of a bracket to begin with, above 0.
    ends : pair of numbers
        Between which `tail` is defined; a value is reached there.
    steps : int
        The most evaluations.
    near : float
        How near to a value a step is the last one.

    Returns
    -------
    numpy.ndarray, shape (n,)
    """
    found, rows = np.array(start, dtype="float64"), np.arange(len(start))
    x, last = found.copy(), np.full(len(start), np.inf)
    (low, high), step = (np.full(len(start), end) for end in ends), np.array(step)
    for _ in range(steps):
        with np.errstate(all="ignore"):
            log_tail, slope = tail(x, rows)
            gap = log_tail - log_level[rows]
            right = np.where(slope != 0, (gap < 0) == (slope > 0), False)
            low, high = np.where(right, x, low), np.where(right, high, x)
            newton = x - gap / slope
            outside = np.where(right, np.minimum(x + step, high), np.maximum(x - step, low))
            closed = np.isfinite(low) & np.isfinite(high)
            other = np.where(closed, 0.5 * (low + high), outside)
            size = abs(newton - x)
            good = (newton > low) & (newton < high) & (size < np.where(closed, 0.7 * last, step))
            new = np.where(good, newton, other)
            tiny = 4e-16 * np.maximum(abs(x), 1e-2)
            # From there, one more step is right to the last digit: its error is the square.
            there = ((abs(gap) < near) | (size <= tiny)) & np.isfinite(newton)
            done = there | (high - low <= tiny) | ~np.isfinite(new)
        found[rows] = np.where(there, newton, np.where(np.isfinite(new), new, x))
        if done.all():
            break
        left, step = ~done, np.where(closed, step, 2.0 * step)
        last, x, low, high = abs(new - x)[left], new[left], low[left], high[left]
        step, rows = step[left], rows[left]
    return found


def by_spline(function, x, fine):
    """Return function(x), nearly, by a cubic spline through its values on a grid; None of few x.

    Parameters
    ----------
    function : callable
        Of a grid, from the least x to the largest.
    x : numpy.ndarray, shape (n,)
    fine : int
        Points of the grid on each unit of x.
    """
    low, high = x.min(), x.max()
    count = fine * (high - low) + 8.0
    if low == high or not 10.0 * count < len(x):
        return None
    from scipy.interpolate import CubicSpline

    grid = np.linspace(low, high, int(count))
    return CubicSpline(grid, function(grid))(x)
