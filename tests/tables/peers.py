"""Peers at their optimum, wherever the rounding of a processor would let their optimisers stop."""

import numpy as np
from statsmodels.tools.numdiff import approx_fprime, approx_hess

# The error after a Newton step is about the square of the step: less than this is luck in rounding.
NEWTON = {"disp": 0, "tol": 1e-10, "maxiter": 100}


def newton_step(model, start, closed_form=True):
    """Return where a Newton step from `start` leads in a statsmodels likelihood, and its errors.

    From our optimum it leads to theirs, if they are the same one. Without `closed_form` derivatives
    are by differences.
    """
    start = np.asarray(start, dtype=float)
    if closed_form:
        score, hessian = model.score(start), model.hessian(start)
    else:
        score = approx_fprime(start, model.loglike, centered=True)
        hessian = approx_hess(start, model.loglike)
    covariance = np.linalg.inv(-hessian)
    return start + covariance @ score, np.sqrt(np.diag(covariance))
