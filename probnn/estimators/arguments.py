"""Arguments of estimators, which are checked when `fit` is called, and rows' own numbers."""

import numpy as np
from sklearn.utils import check_array, check_consistent_length


def check_whole(name, value, low):
    """Raise ValueError unless an argument is a whole number from `low` on."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < low:
        raise ValueError(
            f"Expected {name} to be a whole number from {low} on. Received: {value!r}."
        )


def check_number(name, value, low, high=np.inf, *, ends=False):
    """Raise ValueError unless an argument is a number between two, or one of these `ends`."""
    known = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not known or not (low <= value <= high if ends else low < value < high):
        where = f"above {low:g}" if not ends else f"from {low:g} on"
        if high < np.inf:
            where = f"from {low:g} to {high:g}" if ends else f"between {low:g} and {high:g}"
        raise ValueError(f"Expected {name} to be a number {where}. Received: {value!r}.")


def check_one_of(name, value, choices):
    """Raise ValueError unless an argument is one of some values."""
    plain = value.item() if isinstance(value, np.generic) else value
    if not any(type(plain) is type(each) and plain == each for each in choices):
        *most, last = map(repr, choices)
        raise ValueError(f"Expected {name} to be {', '.join(most)} or {last}. Received: {value!r}.")


def check_units(hidden):
    """Raise ValueError unless the hidden layers are units of each, or a function."""
    if callable(hidden):
        return
    if isinstance(hidden, (str, bytes)) or not np.iterable(hidden):
        raise ValueError(
            "Expected hidden to be the units of each hidden layer, as (64, 64), or a function "
            f"of the input. Received: {hidden!r}. One layer of 64 units is (64,)."
        )
    for units in hidden:
        check_whole("the units of each hidden layer", units, 1)


def read_of_rows(estimator, known, given, x):
    """Return name -> array (n,) of what was given of each row beside X, y and weights.

    Parameters
    ----------
    estimator : Estimator
    known : tuple of str
        What the estimator takes.
    given : dict
        Name -> array_like or None.
    x : array or frame
        Whose rows they are.

    Raises
    ------
    TypeError
        For what the estimator does not take.
    """
    if unknown := given.keys() - set(known):
        takes = f"{' and '.join(known)} alone" if known else "none"
        raise TypeError(
            f"Expected, of numbers of rows, those that {type(estimator).__name__} takes: {takes}. "
            f"Received: {', '.join(sorted(unknown))}."
        )
    found = {}
    for name, values in given.items():
        if values is None:
            continue
        if np.ndim(values) != 1:
            raise ValueError(
                f"Expected {name} of shape (n,), a number for each row. Received: shape "
                f"{np.shape(values)}."
            )
        found[name] = check_array(values, ensure_2d=False, dtype="float64", input_name=name)
        check_consistent_length(x, found[name])
    return found
