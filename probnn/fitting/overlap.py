"""What steps to an optimum say of whether a direction of the coefficients separates responses."""

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

_STEPS = 8  # after which those to an optimum gain far more than a steady factor


def is_doubtful(history):
    """Return whether steps go on as towards infinity, where the responses are separated.

    Each of Newton's own then lowers the decrement by a steady factor, of 1 / sqrt(e) for the logit.
    It is asked after every step and says so once.
    """
    decrements = history["decrement"]
    return len(decrements) == _STEPS and decrements[-1] > 0.5 * decrements[-2]


def is_proven(likelihood, optimum):
    """Return whether the last step to an optimum proves that the responses overlap.

    Parameters
    ----------
    likelihood : Likelihood
        That of a family of classes or counts.
    optimum : Optimum
        What a solver found.

    Notes
    -----
    A Newton step that changes linear predictors by z solves the score equations to first order: the
    slopes of the rows plus their curvatures times z sum to 0, times the columns. Where all z are
    small these have the signs of the slopes, and are weights that leave no direction to separate:
    Stiemke (1915), doi:10.1007/BF01458223. In a direction that separates, z is the ratio of a slope
    to a curvature, which is 1 for the logit and more than 1e-3 for all links before they underflow.
    The pivots say that rounding is no part of that.
    """
    if not optimum.converged:
        return False
    designs = [likelihood.designs[a] for a in likelihood.predicted]
    size = np.sqrt(np.concatenate([x.squares for x in designs]))
    factor, failed = dpotrf(optimum.hessian / (size * size[:, None]), lower=1)
    pivots = np.diag(factor)
    if failed or not pivots.min() > 1e-4 * pivots.max():
        return False
    step = dpotrs(factor, optimum.gradient / size, lower=1)[0] / size
    changes = (z for rows in likelihood.blocks() for _, z in likelihood.linear(step, rows))
    return max(np.abs(z).max() for z in changes) < 1e-4
