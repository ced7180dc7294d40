"""Cross-validation: fresh copies of a model, each trained without the rows it is scored on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from probnn.data import Columns, Responses, check_some_count
from probnn.networks.inputs import know_columns, learnt_columns
from probnn.training import copies
from probnn.training.checked import checked_arrays
from probnn.training.ensemble import check_probabilistic
from probnn.training.fitting import check_choice
from probnn.training.scored import mean_log_probs
from probnn.training.several import check_stopping, train_on_rows, without_held_out
from probnn.training.trees import count, map_arrays, take

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Literal

    from probnn._types import ArrayLike, Floats, Rows
    from probnn.predictive import Predictive

_flatten = keras.tree.flatten


def cross_val_score(
    model: keras.Model,
    x: Rows,
    y: Rows,
    cv: Any = 5,
    *,
    scoring: Callable[[ArrayLike, Predictive], Any] | None = None,
    sample_weight: ArrayLike | None = None,
    batch_size: int = 32,
    epochs: int = 1,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
    verbose: int | str = 0,
    shuffle: bool = True,
    seed: int | np.random.Generator = 0,
    at_once: bool | Literal["auto"] = "auto",
    stopping: int | None = None,
    validation_split: float = 0.0,
) -> Floats:
    """Return the held-out score of each fold; folds of one size are trained at once.

    Parameters
    ----------
    model : probnn.Model or probnn.Sequential
        Compiled: the configuration of the copies that are trained. Nothing about it changes.
    x, y, sample_weight, batch_size, epochs, callbacks, verbose, shuffle
        As in `probnn.DeepEnsemble.fit`. Rows of weight 0 are in no fold: of them y was not
        observed. Other weights count in training, not in the score.
    cv : int, or an object with `split(x, y)`, or an iterable of (train rows, test rows)
        A number of folds of shuffled rows; or what `sklearn.model_selection` offers. Numbers of
        rows are those of x.
    scoring : callable, optional
        `scoring(y, predictive)` of the held-out rows, a number or one for each row, which are
        averaged; the log-density of y unless told, so that greater is better: of steps and heads
        that are not masked, and have a weight other than 0.
    seed : int
        For the folds, the initial weights and the shuffles.
    at_once : {"auto", True, False}
        As in `probnn.DeepEnsemble.fit`.
    stopping, validation_split : int, float
        As in `probnn.DeepEnsemble.fit`, of the rows that each fold is trained on, in their order.

    Returns
    -------
    numpy.ndarray, shape (folds,)

    Raises
    ------
    ValueError
        As `probnn.Model.fit`; or for folds that are empty.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(300, 1))
    >>> y = 2.0 * x[:, 0] + rng.normal(size=300)
    >>> model = pn.Sequential([keras.Input((1,)), pn.Head("normal")])
    >>> model.compile(keras.optimizers.Adam(0.1))
    >>> scores = pn.training.cross_val_score(model, x, y, cv=3, epochs=20)
    >>> scores.shape, bool(abs(scores.mean() + 1.42) < 0.1)  # -1.42: the entropy of the noise
    ((3,), True)
    """
    check_choice("at_once", at_once)
    check_stopping(stopping)
    check_probabilistic(model)
    template = copies.fresh(model, [seed, 0])
    columns = learnt_columns(template, x, y)
    data = checked_arrays(template, x, y, sample_weight, columns=columns)
    check_some_count(data[2])
    folds = _folds(cv, data, seed)
    scores = np.empty(len(folds))
    for size in sorted({len(train) for train, _ in folds}):
        group = [i for i, (train, _) in enumerate(folds) if len(train) == size]
        models = [copies.fresh(model, [seed, i]) for i in group]
        for each in models:  # which are fitted and scored in codes
            know_columns(each, Columns(), Responses())
        rows = np.stack([folds[i][0] for i in group])
        rows, validation = without_held_out(data, rows, validation_split, stopping)
        train_on_rows(
            models,
            data,
            rows,
            validation=validation,
            callbacks=callbacks,
            stopping=stopping,
            seed=[seed, size],
            at_once=at_once if len(group) > 1 else False,
            verbose=verbose,
            on_divergence="raise",
            batch_size=batch_size,
            epochs=epochs,
            shuffle=shuffle,
        )
        for i, trained in zip(group, models, strict=True):
            scores[i] = _score(trained, take(data, folds[i][1]), scoring)
    return scores


def _score(model, data, scoring):
    x, y, sample_weight = data
    believed = model.predict_distribution(x, verbose=0)
    if scoring is not None:
        return float(np.mean(scoring(y, believed)))
    counts = map_arrays(lambda weight: weight != 0, sample_weight)
    return sum(mean_log_probs(model, believed, x, y, counts))


def _folds(cv, data, seed):
    """Return [(train rows, test rows), ...] of the rows whose weight is not 0 for every head."""
    n = count(data)
    known = [w for w in _flatten(data[2]) if w is not None]
    all_known = len(known) == len(_flatten(data[2]))
    counts = np.any([w.reshape(n, -1).any(axis=1) for w in known], axis=0) if all_known else True
    counts = np.broadcast_to(counts, n)
    rows = np.flatnonzero(counts)
    if isinstance(cv, (int, np.integer)):
        if not 2 <= cv <= len(rows):
            raise ValueError(
                f"Expected 2 to {len(rows)} folds of {len(rows)} rows. Received: cv={cv}."
            )
        order = np.random.default_rng(seed).permutation(len(rows))
        parts = [rows[np.sort(part)] for part in np.array_split(order, cv)]
        return [(np.setdiff1d(rows, part), part) for part in parts]
    if hasattr(cv, "split"):
        folds = [(rows[train], rows[test]) for train, test in cv.split(*take(data[:2], rows))]
    else:
        folds = [tuple(np.arange(n)[rows] for rows in fold) for fold in cv]
        folds = [tuple(rows[counts[rows]] for rows in fold) for fold in folds]
    if not folds or any(not len(rows) for fold in folds for rows in fold):
        raise ValueError("Expected folds with at least one row to train on and one to score.")
    return folds
