"""What is given of each coefficient goes by its name, as what is given of each row by its label."""

import numpy as np

from probnn.data.frames import frame_of, index_of, names_of, to_numpy


def of_coefficients(model, values, what):
    """Return values of all coefficients as an array, in their order; one number as it is.

    Parameters
    ----------
    model : Specification
    values : array_like, Series, DataFrame or dict
        Of each coefficient, by its name in `parameter_names`; of a model of classes also a frame
        like `Results.params`. Without names by position.
    what : str
        What messages call them.

    Returns
    -------
    numpy.ndarray, shape (p,), or float

    Raises
    ------
    ValueError
        For other names, or a name that occurs twice.
    """
    values = _as_series(values)
    shape, index = np.shape(values), index_of(values)
    if len(shape) == 2 and index is not None:
        classes = model.labels_of_predictors
        if classes is None and shape[1] == 1:
            return to_numpy(values)[_order(model.parameter_names, index, what), 0]
        if classes is not None:
            rows = _order(model.x_names, index, what)
            return to_numpy(values)[rows][:, _order(classes, names_of(values), what)].ravel("F")
    if len(shape) == 1 and index is not None:
        return to_numpy(values)[_order(model.parameter_names, index, what)]
    return to_numpy(values).ravel("F") if shape else values


def of_hypotheses(model, values, what):
    """Return hypotheses as statsmodels takes them, the columns of a matrix in order by name.

    Text, and arrays, pass as they are; of a pair the first is the matrix.
    """
    if isinstance(values, tuple) and len(values) == 2:
        return of_hypotheses(model, values[0], what), to_numpy(values[1])
    frame = frame_of(values)
    if frame is None:
        return values
    if len(frame.shape) == 2:
        return to_numpy(values)[:, _order(model.parameter_names, names_of(values), what)]
    index = index_of(values)
    order = ... if index is None else _order(model.parameter_names, index, what)
    return to_numpy(values)[order]


def _as_series(values):
    if not isinstance(values, dict):
        return values
    import pandas as pd

    return pd.Series(values, dtype="float64")


def _order(names, given, what):
    """Return the positions of names among those that are given, the same in some order."""
    names, given = [*map(str, names)], [*map(str, given)]
    missing = [name for name in names if name not in given]
    other = [name for name in given if name not in names]
    twice = sorted({name for name in given if given.count(name) > 1})
    if missing or other or twice:
        wrong = [f"none for {', '.join(map(repr, missing))}"] * bool(missing)
        wrong += [f"{', '.join(map(repr, other))}, which is none"] * bool(other)
        wrong += [f"{', '.join(map(repr, twice))} more than once"] * bool(twice)
        raise ValueError(
            f"Expected {what} by the names of the coefficients, {', '.join(map(repr, names))}. "
            f"Received: {'; '.join(wrong)}. Where positions are right, give {what} without names: "
            "to_numpy()."
        )
    return [given.index(name) for name in names]
