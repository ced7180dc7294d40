"""Columns by name, of x and of y: a model that was fitted on frames knows them."""

import numpy as np

from probnn.data.frames import frame_of, take_columns, to_numpy
from probnn.data.nests import arrays_in, flatten, pack_sequence_as


class Columns:
    """The names of the columns of each x, or y, of a model, in the order in which it takes them.

    Parameters
    ----------
    names : list of (list of str, or None), optional
        Of each input, or head, in the order of `keras.tree.flatten`; None for one that has no
        names. By default nothing is known of any.

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

    def __eq__(self, other):
        return isinstance(other, Columns) and self.names == other.names

    def __hash__(self):
        return hash(str(self.names))

    def of_each(self, n):
        """Return those of each of n inputs, or heads, in a list."""
        return [Columns([names]) for names in self.names or [None] * n]

    def learnt(self, values, what="x"):
        """Return these columns, or if none are known those of x or y, whose names must differ."""
        if self.names is not None:
            return self
        names = [_names(leaf) for leaf in leaves_of(values)]
        for each in filter(None, names):
            _check_different(each, what)
        return Columns(names)

    def aligned(self, values, what="x"):
        """Return x or y with the columns of frames in this order; what has no names by position.

        Raises
        ------
        ValueError
            If columns are missing, or there are others.
        """
        return self._mapped(values, self.names, lambda leaf, names: _aligned(leaf, names, what))

    def check_widths(self, x, what="x"):
        """Raise ValueError if an array has more or fewer columns than these."""
        self._mapped(x, self.names, lambda leaf, names: _check_width(leaf, names, what))

    def _mapped(self, values, known, function):
        """Return values with `function(leaf, known)` of each of which something is known."""
        leaves = leaves_of(values)
        if known is None or len(leaves) != len(known):
            return values
        found = [
            leaf if leaf is None or each is None else function(leaf, each)
            for leaf, each in zip(leaves, known, strict=True)
        ]
        return found[0] if leaves[0] is values else pack_sequence_as(values, found)


def leaves_of(values):
    """Return what x or y consists of, in a list; rows that are written out are one."""
    is_nest = isinstance(values, (list, tuple, dict)) and arrays_in(values)
    return flatten(values) if is_nest else [values]


def _names(leaf):
    """Return the names of the columns of a frame; None of what is none, or has one dimension."""
    frame = frame_of(leaf)
    return None if frame is None or len(frame.shape) == 1 else [str(name) for name in frame.columns]


def _check_different(names, what):
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"Expected columns of {what} with different names. Received: {twice!r} twice."
        )


def _aligned(leaf, names, what):
    given = _names(leaf)
    if given is None or given == names:
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


def _check_width(leaf, names, what):
    shape = np.shape(leaf if hasattr(leaf, "shape") else to_numpy(leaf))
    if (shape[-1] if len(shape) > 1 else 1) != len(names):
        raise ValueError(
            f"Expected {what} of shape (n, {len(names)}), with the columns that the model "
            f"was fitted on: {_listed(names)}. Received: shape {tuple(shape)}."
        )
    return leaf


def _listed(names):
    shown = ", ".join(map(repr, names[:10]))
    return shown + f" and {len(names) - 10} more" * (len(names) > 10)
