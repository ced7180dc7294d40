"""The maximum of a family's likelihood given y alone."""

import numpy as np

_ROWS = 10_000  # that estimates to start from are made of
_FLAT = 1e-7  # what slopes of a mean log-likelihood are at its maximum
_LONGEST = 2.0  # step, in units that make second derivatives 1


def maximised(family, y, raw, free):
    """Return the raw parameters that maximise the likelihood of y, by Newton's steps.

    Parameters
    ----------
    family : Family
        The family of y.
    y : numpy.ndarray, shape (n,) or (n, columns)
        Responses; of many, rows at equal distances are taken.
    raw : numpy.ndarray, shape (size,)
        Where to start, and the values of those that are not free.
    free : numpy.ndarray, shape (size,)
        Which to look for.

    Returns
    -------
    numpy.ndarray, shape (size,)
        No worse than the start.
    """
    rows = y[:: -(-len(y) // _ROWS)]
    often = np.ones(len(rows))
    if family.discrete:  # of counts there are few
        rows, often = np.unique(rows, axis=0, return_counts=True)
    raw = np.array(raw, dtype="float64")

    def loss(values):
        raw[free] = values
        log_probs = family.log_prob(rows, np.broadcast_to(raw, (len(rows), len(raw))))
        found = -np.average(log_probs, weights=often)
        return found if np.isfinite(found) else np.inf

    def slopes(values):
        raw[free] = values
        found = family.derivatives(rows, np.broadcast_to(raw, (len(rows), len(raw))))[1:]
        slope, curve = (np.average(each, axis=0, weights=often) for each in found)
        return slope[free], curve[np.ix_(free, free)]

    first = raw[free].copy()
    with np.errstate(all="ignore"):  # steps may leave the parameter space
        best = _newton(loss, slopes, first)
        raw[free] = _searched(loss, first) if best is None else best
    return raw


def _newton(loss, slopes, values):
    """Return where a function is least, or None where Newton's steps do not get there."""
    value = loss(values)
    for _ in range(50):
        slope, curve = slopes(values)
        if not (np.isfinite(value) and np.isfinite(slope).all() and np.isfinite(curve).all()):
            return None
        unit = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(curve)), 1e-300))
        slope, curve = unit * slope, unit[:, None] * curve * unit
        bent, axes = np.linalg.eigh(curve)
        if np.abs(slope).max() <= _FLAT:
            return values if bent[0] > 0.0 else None
        step = -axes @ (axes.T @ slope / np.maximum(np.abs(bent), 1e-8))
        step *= min(1.0, _LONGEST / np.abs(step).max())
        for _ in range(30):
            there = loss(values + unit * step)
            if there <= value + 1e-4 * step @ slope:
                break
            step *= 0.5
        else:
            return None
        values, value = values + unit * step, there
    return None


def _searched(loss, first):
    """Return where a function is least, by SciPy, whose import takes longer than most fits."""
    from scipy.optimize import minimize

    best = minimize(loss, first, method="BFGS", options={"gtol": _FLAT})
    if best.status not in (0, 2) or not best.fun <= loss(first):
        options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 1000 * len(first)}
        best = minimize(loss, first, method="Nelder-Mead", options=options)
    return best.x
