"""The columns that a model takes, by name: where it was fitted on frames, it knows them."""

import keras
import numpy as np

from probnn.data.frames import names_of, take_columns, to_numpy

_flatten = keras.tree.flatten


class Columns:
    """The names of the columns of each input of a network, or of y, in the order that a fit had.

    Parameters
    ----------
    names : list of (list of str, or None), optional
        In the order of `keras.tree.flatten`; None for an input that has no names. By default
        nothing is known of any.

    Examples
    --------
    >>> import pandas as pd
    >>> from probnn.data import Columns
    >>> columns = Columns([["a", "b"]])
    >>> columns.aligned(pd.DataFrame({"b": [1.0], "a": [2.0]})).to_numpy().tolist()
    [[2.0, 1.0]]
    """

    def __init__(self, names=None):
        self.names = names if names is not None and any(names) else None

    def learnt(self, x, what="x"):
        """Return these columns, or if none are known those of x, whose names must differ."""
        if self.names is not None:
            return self
        names = [_names(leaf) for leaf in _leaves(x)]
        for each in filter(None, names):
            _check_different(each, what)
        return Columns(names)

    def aligned(self, x, what="x"):
        """Return x with the columns of its frames in this order; what has no names by position.

        Raises
        ------
        ValueError
            If columns are missing, or there are others, or an array has another width.
        """
        inputs = _leaves(x)
        if self.names is None or len(inputs) != len(self.names):
            return x
        found = [
            leaf if names is None else _aligned(leaf, names, what)
            for leaf, names in zip(inputs, self.names, strict=True)
        ]
        return found[0] if inputs[0] is x else keras.tree.pack_sequence_as(x, found)


def _leaves(x):
    """Return the inputs that x consists of, in a list; rows that are written out are one."""
    is_rows = isinstance(x, (list, tuple)) and all(np.isscalar(leaf) for leaf in _flatten(x))
    return [x] if is_rows else _flatten(x)


def _names(leaf):
    """Return the names of the columns of a frame; None of what is none, or has one dimension."""
    names = names_of(leaf)
    return None if names is None or len(leaf.shape) == 1 else [str(name) for name in names]


def _check_different(names, what):
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"Expected columns of {what} with different names. Received: {twice!r} twice."
        )


def _aligned(leaf, names, what):
    given = _names(leaf)
    if given is None:
        shape = np.shape(leaf if hasattr(leaf, "shape") else to_numpy(leaf))
        if (shape[-1] if len(shape) > 1 else 1) != len(names):
            raise ValueError(
                f"Expected {what} of shape (n, {len(names)}), with the columns that the model "
                f"was fitted on: {_listed(names)}. Received: shape {tuple(shape)}."
            )
        return leaf
    if given == names:
        return leaf
    _check_different(given, what)
    missing = [name for name in names if name not in given]
    other = [name for name in given if name not in names]
    if missing or other:
        wrong = [f"no {_listed(missing)}"] * bool(missing)
        wrong += [f"{_listed(other)}, which it does not know"] * bool(other)
        raise ValueError(
            f"Expected {what} with the columns that the model was fitted on: {_listed(names)}. "
            f"Received: {'; '.join(wrong)}. Choose its columns, or give an array if they are the "
            "same under other names."
        )
    return take_columns(leaf, [given.index(name) for name in names])


def _listed(names):
    shown = ", ".join(map(repr, names[:10]))
    return shown + f" and {len(names) - 10} more" * (len(names) > 10)
