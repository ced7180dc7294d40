"""The maximum of a family's likelihood given y alone."""

import numpy as np

_ROWS = 10_000  # that estimates to start from are made of


def maximised(family, y, raw, free):
    """Return the raw parameters that maximise the likelihood of y, by quasi-Newton steps.

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
    from scipy.optimize import minimize

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

    first = raw[free].copy()
    with np.errstate(all="ignore"):  # steps may leave the parameter space
        best = minimize(loss, first, method="BFGS", options={"gtol": 1e-7})
        if best.status not in (0, 2) or not best.fun <= loss(first):
            options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 1000 * len(first)}
            best = minimize(loss, first, method="Nelder-Mead", options=options)
    raw[free] = best.x
    return raw
