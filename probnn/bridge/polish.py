"""The weights of a head at the exact optimum of its likelihood."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from probnn.bridge.head_model import NO_OPTIMUM, HeadModel
from probnn.fitting.optimum import ConvergenceWarning
from probnn.networks.kinds import is_penalised, variational_layers

if TYPE_CHECKING:
    from typing import Any

    import keras

    from probnn._types import ArrayLike, Rows
    from probnn.glm.results import Results

_ROWS = 10  # for each coefficient, below which an optimum follows single rows


def polish(
    model: keras.Model,
    x: Rows,
    y: Rows,
    *,
    sample_weight: ArrayLike | None = None,
    validation_data: tuple[Rows, Rows] | None = None,
    maxiter: int = 100,
    tol: float = 1e-9,
    **kwargs: Any,
) -> Results:
    """Take the weights of a network's head to the exact optimum, in place.

    Parameters
    ----------
    model, x, y, sample_weight
        As for `inference`. Hidden layers keep their weights; linear layers before the head change
        only where the head alone cannot reach the optimum.
    validation_data : tuple of x and y, optional
        Rows that the network was not trained by, whose mean NLL is compared before and after.
    maxiter, tol
        As for `GLM.fit`.
    **kwargs
        As for `inference`.

    Returns
    -------
    Results
        What `inference` returns at the new weights.

    Raises
    ------
    ValueError
        As `inference`; if the head has a `kernel_regularizer`, or there are variational layers,
        whose optimum is another; or if no optimum exists (`PerfectSeparationError`). The weights
        are then as they were.
    RuntimeError
        If no optimum was reached; the weights are as they were.

    Warns
    -----
    UserWarning
        If the optimum is worse than the weights before on `validation_data`; without these, if the
        head has more than a coefficient for ten rows and its features were learnt from the rows.
    """
    if variational := variational_layers(model):
        raise ValueError(
            "Expected a network whose weights are numbers: the maximum of the likelihood at the "
            f"means of others is no optimum of their training. Received: {variational[0].name!r}. "
            "Train on, or ask `probnn.inference` about the head as it is."
        )
    head_model = HeadModel(model, x, y, sample_weight)
    linear = [layer for _, each in head_model.features if each.chain for layer in each.chain.layers]
    for layer in (head_model.head, *linear):
        if is_penalised(layer):
            raise ValueError(
                "Expected layers without a penalty: polish finds the maximum of the likelihood. "
                f"Received: kernel_regularizer={layer.kernel_regularizer} of {layer.name!r}. Make "
                "it without, or fit the penalised model: GLM(...).fit_regularized(alpha=...)."
            )
    best = head_model.optimum(head_model.coef(), maxiter, tol)
    if not best.converged:
        raise RuntimeError(f"{NO_OPTIMUM.format(best.iterations)} The weights are as they were.")
    # What there is to raise is raised before weights change.
    head_model.results(best.coef, None, kwargs)
    before = _held_out(model, validation_data)
    head_model.assign(best.coef)
    _warn_of_overfit(head_model, before, _held_out(model, validation_data))
    coef = head_model.coef()  # as rounded to the weights' precision
    certificate = head_model.certify(coef, best)
    if not certificate.converged:
        warnings.warn(
            f"The head's {head_model.head.variable_dtype} weights cannot hold the optimum: "
            f"{certificate.largest:.2g} standard errors, Newton decrement "
            f"{certificate.decrement:.2g}. Standardise x: put keras.layers.Normalization before "
            "the head.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return head_model.results(coef, certificate, kwargs)


def _held_out(model, validation_data):
    """Return the mean NLL of rows that were held out, or None of none."""
    if validation_data is None:
        return None
    x, y = validation_data
    return float(-model.predict_distribution(x, verbose=0).log_prob(y).mean())


def _warn_of_overfit(head_model, before, after):
    rows, coefficients = len(head_model.design), len(head_model.coef())
    learnt = head_model.is_conditional and head_model.body.trainable_weights
    if before is not None and after > before:
        found = f"went from {before:.4g} to {after:.4g}"
    elif before is None and learnt and rows < _ROWS * coefficients:
        found = "may be worse than before: give some as validation_data"
    else:
        return
    warnings.warn(
        f"The head is at the optimum for the rows that it was polished by: {rows} rows for "
        f"{coefficients} coefficients. The mean NLL of other rows {found}. A prior keeps it from "
        "following single rows: probnn.bayes.laplace(model, x, y), or a kernel_regularizer of the "
        "head in training.",
        stacklevel=3,
    )
