"""The penalties of a model: Firth's, and the elastic net."""

import numpy as np

from probnn.fitting.firth import Firth
from probnn.fitting.penalties import ElasticNet


def firth(model):
    """Return `Firth`'s penalty for a model.

    Raises
    ------
    ValueError
        For another family than the Bernoulli, another link than the logit, or rows in batches.
    """
    known = model.family.kind == "binary" and model.family.is_canonical
    likelihood = model.likelihood()
    if not known or not likelihood.in_memory:
        raise ValueError(
            "Expected the bernoulli family with the logit link, and rows that are not in batches, "
            f"for method='firth'. Received: {model.family!r}"
            f"{', in batches' * (not likelihood.in_memory)}. Choose method='newton', or penalise "
            "otherwise: fit_regularized(alpha=...)."
        )
    return Firth(likelihood)


def elastic_net(model, alpha, L1_wt=0.0):
    """Return n times sum_j alpha_j (L1_wt |b_j| + (1 - L1_wt) b_j^2 / 2), n the number of rows.

    Parameters
    ----------
    model : GLM
        Any; its columns may be dependent, or more than its rows.
    alpha : float or array_like, shape (p,)
        The weight of the penalty, of each coefficient. One number is for all coefficients of
        columns; constant parameters, as a dispersion, are then left free.
    L1_wt : float
        The share of the lasso, from 0 to 1.

    Raises
    ------
    ValueError
        If alpha is negative, not finite or of another length, or L1_wt is outside [0, 1].
    """
    size = model.likelihood().size
    total = len(model) * np.asarray(alpha, dtype="float64").ravel(order="F")
    if np.ndim(alpha) == 0:
        total = np.where(np.isin(np.arange(size), list(model.constants)), 0.0, total)
    if total.shape != (size,) or not (np.isfinite(total) & (total >= 0.0)).all():
        raise ValueError(
            f"Expected alpha to be one number or {size}, one for each coefficient, finite and not "
            f"negative. Received: {alpha!r}."
        )
    if not (np.ndim(L1_wt) == 0 and 0.0 <= L1_wt <= 1.0):
        raise ValueError(f"Expected L1_wt to be a number from 0 to 1. Received: {L1_wt!r}.")
    return ElasticNet(total * (1.0 - L1_wt), total * L1_wt)
