"""What the parameters of a head are made of, and where its weights are in one kernel and bias."""

import itertools

import numpy as np


def parts(head, given):
    """Return pairs of predicted parameters and the features, or their shape, they are made of.

    Parameters
    ----------
    head : Head
    given : tensor, or its shape, or a dict of them by parameter
    """
    held = {*head.constant_names, *head.fixed}
    predicted = [name for name in head.family.params if name not in held]
    if not isinstance(given, dict):
        return [(predicted, given)]
    head.family.check_names(given, "features")
    if {*given} != {*predicted}:
        raise ValueError(
            f"Expected features of each predicted parameter: {', '.join(predicted)}. Received "
            f"those of {', '.join(given) or 'none'}. A parameter that is one number for all rows "
            "belongs in constant= of the head, and has none."
        )
    return [([name], given[name]) for name in predicted]


class Layout:
    """Where the weights of a head are in the kernel (p, units * k) and the bias of `coefficients`.

    Parameters
    ----------
    head : Head
    input_shape : tuple, or a dict of them by parameter
        Of the features.

    Attributes
    ----------
    rank : int
        The rank of the features, with the axis of rows.
    widths : dict of str to int
        How many features each parameter has; of one tensor for all, under None.
    rows : dict of str to slice
        Which of all features, side by side, each predicted parameter is made of.
    seen : numpy.ndarray of bool, shape (p, units * k)
        Which entries of the kernel are weights.
    kernel_shape : tuple
        That of the weights: flat where a matrix of them would have zeros.
    places : numpy.ndarray of int, shape (p, units * predicted columns)
        Where each entry of that matrix is in [flat weights, 0].
    columns, bias_places : numpy.ndarray of int, shape (units * k,)
        Where each column is in [matrix, 0], and each intercept in [bias, constant, fixed, 0].
    in_order : bool
        Whether all columns are predicted, and the intercepts are the bias as it is.
    """

    def __init__(self, head, input_shape):
        each = [(names, tuple(shape)) for names, shape in parts(head, input_shape)]
        shapes = [shape for _, shape in each]
        _check(shapes)
        self.rank = len(shapes[0])
        keys = [names[0] for names, _ in each] if isinstance(input_shape, dict) else [None]
        self.widths = {key: shape[-1] for key, shape in zip(keys, shapes, strict=True)}
        ends = [0, *itertools.accumulate(shape[-1] for shape in shapes)]
        self.rows = {
            name: slice(*ends[i : i + 2]) for i, (names, _) in enumerate(each) for name in names
        }
        kinds, biased = np.array(head.kinds * head.responses), head.biased * head.responses
        columns = [name for name, _ in head.family.raw_columns] * head.responses
        self.seen = np.zeros((ends[-1], len(kinds)), dtype=bool)
        for at, name in enumerate(columns):
            self.seen[self.rows.get(name, slice(0)), at] = True
        predicted = kinds == "predicted"
        matrix, count = self.seen[:, predicted], int(self.seen.sum())
        self.kernel_shape = matrix.shape if matrix.all() else (count,)
        self.places = np.where(matrix, np.cumsum(matrix).reshape(matrix.shape) - 1, count)
        self.columns = np.where(predicted, np.cumsum(predicted) - 1, predicted.sum())
        order = [np.flatnonzero(of) for of in (biased, kinds == "constant", kinds == "fixed")]
        order = np.concatenate(order)
        self.bias_places = np.full(len(kinds), len(order))
        self.bias_places[order] = np.arange(len(order))
        self.in_order = predicted.all() and sum(biased) in (0, len(kinds))


def _check(shapes):
    """Raise ValueError for shapes of features that no weights can be made for."""
    received = " and ".join(map(str, shapes))
    if any(isinstance(size, (list, tuple)) for shape in shapes for size in shape):
        raise ValueError(
            "Expected one tensor of features, or a dict of them by parameter, as "
            f"{{'loc': x, 'scale': h}}. Received: a list of shapes {received}."
        )
    if min(map(len, shapes)) < 2 or None in [shape[-1] for shape in shapes]:
        raise ValueError(
            "Expected features of shape (n, ..., p), their last axis of a known size. Received: "
            f"shape {received}."
        )
    if len({shape[:-1] for shape in shapes}) > 1:
        raise ValueError(
            "Expected features of the same shape but for the last axis, for each parameter. "
            f"Received: shapes {received}."
        )
