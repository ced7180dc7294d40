"""What rows count: weights of classes, and rows that stand for weighted ones."""

import numpy as np

from probnn.data.frames import to_numpy
from probnn.data.nests import flatten

_ROWS = 100_000  # that stand for rows whose weights are in no simple ratio


def class_weights(class_weight, y):
    """Return the weight of each value of y, as Keras reads `class_weight`: 1 where none is given.

    Parameters
    ----------
    class_weight : dict
        Class -> weight.
    y : numpy.ndarray, shape (n,)

    Raises
    ------
    ValueError
        For a weight that is negative or not finite, or a y with several values in a row.
    """
    wrong = {k: v for k, v in class_weight.items() if not (np.isfinite(v) and v >= 0)}
    if wrong:
        raise ValueError(
            f"Expected every class_weight to be finite, and 0 or more. Received: {wrong}."
        )
    if y.ndim != 1:
        raise ValueError(
            f"Expected class_weight with y of shape (n,). Received: y of shape {y.shape}. Give "
            "sample_weight in place of it, one for each row or time step."
        )
    classes, codes = np.unique(np.round(y), return_inverse=True)
    return np.array([class_weight.get(int(c), 1.0) for c in classes])[codes]


def check_some_count(sample_weight, what="sample_weight"):
    """Raise ValueError if all weights, of all heads, are 0, so that no y was observed."""
    leaves = flatten(sample_weight)
    if leaves and all(leaf is not None and not np.any(to_numpy(leaf)) for leaf in leaves):
        raise ValueError(
            f"Expected {what} to be more than 0 somewhere. Received: 0 everywhere, which says that "
            "no y was observed."
        )


def as_codes(probabilities, weight=None):
    """Return the codes of classes, and weights, that stand for probabilities of them.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (n, classes)
    weight : numpy.ndarray, shape (n,), optional
        Where it is 0, probabilities may be NaN.

    Returns
    -------
    codes, weights : numpy.ndarray, shape (n * classes,)
    """
    n, classes = probabilities.shape
    weight = np.ones((n, 1)) if weight is None else weight[:, None]
    weights = np.where(weight > 0, probabilities * weight, 0.0)
    return np.tile(np.arange(float(classes)), n), weights.ravel()


def as_often(rows, weight):
    """Return rows that stand for weighted ones: each as often as its weight says.

    Parameters
    ----------
    rows : numpy.ndarray, shape (n, ...)
    weight : numpy.ndarray, shape (n,)
        From 0 on; rows of weight 0 are left out.

    Returns
    -------
    numpy.ndarray, shape (m, ...)
        Exactly in the ratio of the weights if those are whole numbers, or equal; else in that of
        100,000 rows, rounded.

    Examples
    --------
    >>> import numpy as np
    >>> from probnn.data import as_often
    >>> as_often(np.array([5.0, 6.0, 7.0]), np.array([2.0, 0.0, 1.0])).tolist()
    [5.0, 5.0, 7.0]
    """
    rows, weight = rows[weight > 0], weight[weight > 0]
    if (weight == weight[:1]).all():
        return rows
    if (weight % 1).any() or weight.sum() > 10 * max(_ROWS, len(rows)):
        weight = weight * (max(_ROWS, len(rows)) / weight.sum())
    ends = np.round(np.cumsum(weight)).astype("int64")
    return np.repeat(rows, np.diff(ends, prepend=0), axis=0)
