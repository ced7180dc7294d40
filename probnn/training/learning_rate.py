"""Which learning rate to begin with."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np

from probnn.data.alignment import align_all
from probnn.networks.inputs import read_inputs
from probnn.training import copies, divergence
from probnn.training.fitting import fit
from probnn.training.trees import count, map_arrays

if TYPE_CHECKING:
    from probnn._types import ArrayLike, Rows


class LearningRateSweep(NamedTuple):
    """The loss that each learning rate reached, and the best rate.

    Attributes
    ----------
    curve : pandas.DataFrame
        Columns `learning_rate` and `loss`, which is infinite where training diverged.
    value : float
        The learning rate with the lowest loss.
    """

    curve: object
    value: float


def suggest_learning_rate(
    model: keras.Model,
    x: Rows,
    y: Rows,
    sample_weight: ArrayLike | None = None,
    batch_size: int = 32,
    rates: ArrayLike | None = None,
    steps: int = 200,
    verbose: int | str = 0,
) -> LearningRateSweep:
    """Try learning rates on a copy of a model, each from the weights of now.

    Parameters
    ----------
    model : keras.Model
        Compiled; nothing about it changes.
    x, y, sample_weight, batch_size
        As in `keras.Model.fit`, of arrays.
    rates : sequence of float, optional
        The learning rates; 13 from 1e-5 to 10, two to a decade, unless told.
    steps : int
        How many batches each is tried for, at most one epoch.
    verbose : int
        Whether to show a progress bar.

    Returns
    -------
    LearningRateSweep
        A named tuple (curve, value).

    Raises
    ------
    ValueError
        For rates that are not positive; or if training diverged at each of them.

    Notes
    -----
    Every rate starts from the same weights, a new optimizer of the model's kind and the same
    batches; its loss is that of the rows it trained on, after the last step. Smith (2017),
    "Cyclical learning rates for training neural networks", doi:10.1109/WACV.2017.58, raises the
    rate within one run in place of that, where a loss belongs to no rate alone.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> x = np.random.default_rng(0).normal(size=(640, 2))
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> sweep = pn.training.suggest_learning_rate(model, x, x.sum(axis=1))
    >>> 0.01 < sweep.value < 1.0
    True
    """
    import pandas as pd

    rates = np.logspace(-5, 1, 13) if rates is None else np.asarray(rates, dtype="float64")
    if rates.ndim != 1 or not len(rates) or not (rates > 0).all():
        raise ValueError(f"Expected learning rates above 0. Received: {rates!r}.")
    x, y, sample_weight = align_all(x, y, sample_weight)
    x, y, sample_weight = _rows((read_inputs(model, x), y, sample_weight), steps * batch_size)
    trial = copies.exact(model, 1.0) if model.built else copies.fresh(model, 0, 1.0)
    start = None
    losses = []
    bar = keras.utils.Progbar(len(rates), verbose=verbose, unit_name="rate")
    for i, rate in enumerate(rates):
        if start is not None:
            for variable, value in start:
                variable.assign(value)
        with copies.seeded(0), warnings.catch_warnings():
            warnings.simplefilter("ignore", divergence.DivergenceWarning)
            options = {"verbose": 0, "batch_size": batch_size, "on_divergence": "warn"}
            if start is None:  # builds what a first batch builds, and takes no step
                fit(trial, x, y, sample_weight=sample_weight, epochs=0, **options)
                start = [
                    (v, keras.ops.convert_to_numpy(v.value)) for v in divergence.variables(trial)
                ]
            trial.optimizer.learning_rate = rate
            history = fit(
                trial,
                x,
                y,
                sample_weight=sample_weight,
                validation_data=(x, y) if sample_weight is None else (x, y, sample_weight),
                **options,
            )
        found = [history.history[name][-1] for name in ("loss", "val_loss")]
        losses.append(found[1] if np.isfinite(found).all() else np.inf)
        bar.update(i + 1, [("loss", losses[-1])])
    if not np.isfinite(losses).any():
        raise ValueError(
            f"Expected a learning rate at which the loss stays finite. Received: {rates.min():.3g} "
            f"to {rates.max():.3g}, which all diverge. Scale x to unit variance, or give lower "
            "rates."
        )
    curve = pd.DataFrame({"learning_rate": rates, "loss": losses})
    return LearningRateSweep(curve, float(rates[int(np.argmin(losses))]))


def _rows(data, most):
    """Return at most so many rows of arrays, drawn without replacement."""
    from probnn.data import to_numpy

    data = map_arrays(to_numpy, data)
    if count(data) <= most:
        return data
    rows = np.sort(np.random.default_rng(0).choice(count(data), most, replace=False))
    return map_arrays(lambda leaf: leaf[rows], data)
