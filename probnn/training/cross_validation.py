"""Cross-validation: fresh copies of a model, each trained without the rows it is scored on."""

import keras
import numpy as np

from probnn.training import copies
from probnn.training.checked import checked_arrays
from probnn.training.ensemble import check_probabilistic, train_on_rows
from probnn.training.fitting import check_choice
from probnn.training.trees import count


def cross_val_score(
    model,
    x,
    y,
    cv=5,
    *,
    scoring=None,
    sample_weight=None,
    batch_size=32,
    epochs=1,
    callbacks=None,
    verbose=0,
    shuffle=True,
    seed=0,
    at_once="auto",
):
    """Return the held-out score of each fold; folds of one size are trained at once.

    Parameters
    ----------
    model : probnn.Model or probnn.Sequential
        Compiled: the configuration of the copies that are trained. Nothing about it changes.
    x, y, sample_weight, batch_size, epochs, callbacks, verbose, shuffle
        As in `probnn.DeepEnsemble.fit`.
    cv : int, or an object with `split(x, y)`, or an iterable of (train rows, test rows)
        A number of folds of shuffled rows; or what `sklearn.model_selection` offers.
    scoring : callable, optional
        `scoring(y, predictive)` of the held-out rows, a number or one for each row, which are
        averaged; the log-density of y unless told, so that greater is better.
    seed : int
        For the folds, the initial weights and the shuffles.
    at_once : {"auto", True, False}
        As in `probnn.DeepEnsemble.fit`.

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
    check_probabilistic(model)
    template = copies.fresh(model, [seed, 0])
    data = checked_arrays(template, x, y, sample_weight)
    folds = _folds(cv, count(data), data, seed)
    scores = np.empty(len(folds))
    for size in sorted({len(train) for train, _ in folds}):
        group = [i for i, (train, _) in enumerate(folds) if len(train) == size]
        models = [copies.fresh(model, [seed, i]) for i in group]
        train_on_rows(
            models,
            data,
            np.stack([folds[i][0] for i in group]),
            validation=None,
            callbacks=callbacks,
            seed=[seed, size],
            at_once=at_once if len(group) > 1 else False,
            verbose=verbose,
            on_divergence="raise",
            batch_size=batch_size,
            epochs=epochs,
            shuffle=shuffle,
        )
        for i, trained in zip(group, models, strict=True):
            scores[i] = _score(trained, data, folds[i][1], scoring)
    return scores


def _score(model, data, rows, scoring):
    x, y = keras.tree.map_structure(lambda leaf: leaf[rows], data[:2])
    believed = model.predict_distribution(x, verbose=0)
    if scoring is not None:
        return float(np.mean(scoring(y, believed)))
    found = keras.tree.map_structure(lambda d, y: float(np.mean(d.log_prob(y))), believed, y)
    return sum(keras.tree.flatten(found))


def _folds(cv, n, data, seed):
    """Return [(train rows, test rows), ...]."""
    if isinstance(cv, (int, np.integer)):
        if not 2 <= cv <= n:
            raise ValueError(f"Expected 2 to {n} folds of {n} rows. Received: cv={cv}.")
        parts = np.array_split(np.random.default_rng(seed).permutation(n), cv)
        everything = np.arange(n)
        return [(np.setdiff1d(everything, part), np.sort(part)) for part in parts]
    pairs = cv.split(*data[:2]) if hasattr(cv, "split") else cv
    folds = [(np.arange(n)[train], np.arange(n)[test]) for train, test in pairs]
    if not folds or any(not len(rows) for fold in folds for rows in fold):
        raise ValueError("Expected folds with at least one row to train on and one to score.")
    return folds
