"""Rows keep their identity: what belongs to rows is put into their order.

The same labels in another order are aligned; other labels, or labels that occur twice, raise. A
default RangeIndex is an index like any other. What has no labels, as an array, a list or a frame of
polars, goes by position.
"""

import numpy as np

from probnn.data.frames import index_of, library_of, names_of, take
from probnn.data.nests import arrays_in, map_structure

_NAMED = 5  # rows that a message names
_MISSING = "with missing values"


class LabelsError(ValueError):
    """Rows have other labels than those that they belong to, or labels that tell them not apart."""


class RowIndex:
    """The rows that were given, by their labels, and those of them that are in use.

    Parameters
    ----------
    name : str
        What messages call what the rows are of.
    count : int
        How many rows were given.
    labels : pandas.Index, optional
        Their labels, where they have some.
    kept : numpy.ndarray of int, optional
        The positions of those in use; by default all.
    why : str
        What messages say of those that are not.
    library : str, optional
        The library of the frame they are rows of, where they have no labels.

    Examples
    --------
    >>> import pandas as pd
    >>> from probnn.data.alignment import RowIndex
    >>> rows = RowIndex("X", 3, pd.Index(["a", "b", "c"]), kept=np.array([0, 2]))
    >>> rows.align(pd.Series([3, 2, 1], ["c", "b", "a"]), "offset").tolist()
    [1, 3]
    >>> rows.align([1, 2, 3], "offset").tolist()
    [1, 3]
    """

    def __init__(self, name, count, labels=None, kept=None, why=_MISSING, library=None):
        self.name, self.count, self.labels, self.kept, self.why = name, count, labels, kept, why
        self.library = library

    @classmethod
    def of(cls, values, name):
        """Return the rows of an array, a frame, a dict of columns, or a nest of arrays."""
        leaves = arrays_in(values)
        found = (index_of(leaf) for leaf in leaves)
        labels = next((labels for labels in found if labels is not None), None)
        library = library_of(leaves[0]) if labels is None and leaves else None
        if isinstance(values, dict):
            values = next(iter(values.values()), ())
        elif isinstance(values, (list, tuple)):
            values = (*arrays_in(values), values)[0]
        return cls(name, (*np.shape(values), 0)[0], labels, library=library)

    @classmethod
    def first(cls, **named):
        """Return the rows of the first that has labels, by its name; else of the first."""
        found = [cls.of(values, name) for name, values in named.items()]
        return next((rows for rows in found if rows.labels is not None), found[0])

    def __len__(self):
        return self.count if self.kept is None else len(self.kept)

    @property
    def index(self):
        """The labels of the rows in use, or None."""
        return self.labels if self.labels is None or self.kept is None else self.labels[self.kept]

    @property
    def left_out(self):
        """How many rows are not in use."""
        return self.count - len(self)

    @property
    def n_missing(self):
        """How many rows with missing values are not in use."""
        return self.left_out if self.why == _MISSING else 0

    @property
    def note(self):
        """What to say of the rows that are left out; "" of none."""
        n = self.left_out
        return f"{n} row{'s' * (n != 1)} {self.why} left out" if n else ""

    def named(self, which):
        """Return in words which of the rows in use a mask (n,) tells: the first of them.

        Examples
        --------
        >>> from probnn.data.alignment import RowIndex
        >>> RowIndex("x", 3).named([True, False, True])
        'rows 0, 2'
        """
        at = np.flatnonzero(which)
        first = [
            written(label) for label in (at if self.index is None else self.index[at])[:_NAMED]
        ]
        more = f" and {len(at) - _NAMED} more" if len(at) > _NAMED else ""
        labelled = "" if self.index is None else " labelled"
        return f"row{'s' * (len(at) != 1)}{labelled} {', '.join(first)}{more}"

    def take(self, kept, why=_MISSING):
        """Return these rows with those in use at some positions alone, and why."""
        return RowIndex(self.name, self.count, self.labels, kept, why, self.library)

    def part(self, rows):
        """Return some of the rows in use: a slice, positions or a mask, of the first axis."""
        rows = np.arange(len(self))[rows[0] if isinstance(rows, tuple) else rows]
        labels = None if self.index is None else self.index[rows]
        return RowIndex(self.name, len(rows), labels, library=self.library)

    def align(self, values, what):
        """Return values for each row in use, in their order, of values for these or for all rows.

        Parameters
        ----------
        values : array_like, series or frame, or None
            Without labels of another length they are returned as they are.
        what : str
            What messages call them.

        Raises
        ------
        LabelsError
            For other labels, or the same in another order where one occurs twice.
        """
        if self.kept is None:
            return aligned(values, self.labels, what, self.name)
        if values is None or np.shape(values)[:1] != (self.count,):
            return aligned(values, self.index, what, self.name)
        return take(aligned(values, self.labels, what, self.name), self.kept)


def column_of(data, name, what):
    """Return a column of a frame or of a dict, by its name, which stands for it as an argument."""
    names = [*data] if isinstance(data, dict) else names_of(data) or []
    if name not in names:
        raise ValueError(
            f"Expected {what} to name a column. Received: {name!r}, not among {names}."
        )
    return data[name]


def aligned(values, labels, what, name="X"):
    """Return values in the order of the labels of rows; see `RowIndex.align`."""
    order = order_of(labels, None if labels is None else index_of(values), what, name)
    return values if order is None else take(values, order)


def order_of(labels, others, what, name="X"):
    """Return the positions in other labels of each of these; None where they are the same.

    Raises
    ------
    LabelsError
        If the others are not the same in some order, or one of them occurs twice.
    """
    if labels is None or others is None or others is labels or others.equals(labels):
        return None
    problem = f"{len(others)} rows, not {len(labels)}"
    if len(others) == len(labels):
        for index in (labels, others):
            if not index.is_unique:
                twice = index[index.duplicated()][0]
                problem = f"another order, or others, with {written(twice)} more than once"
                break
        else:
            order = others.get_indexer(labels)
            if (order >= 0).all():
                return order
            problem = f"other labels, without {written(labels[order < 0][0])}"
    raise LabelsError(
        f"Expected {what} with the labels of the rows of {name}, each once, in any order. "
        f"Received: {problem}. Where positions are right, give {what} without labels: to_numpy()."
    )


def written(label):
    """Return a label as one writes it: 8, and not np.int64(8)."""
    return repr(label.item() if isinstance(label, np.generic) else label)


def align_all(x, y, sample_weight=None, prefix=""):
    """Return x, y and sample weights, or nests of them, in the order of the first that has labels.

    Raises
    ------
    ValueError
        As `RowIndex.align`.
    """
    given = {"x": x, "y": y, "sample_weight": sample_weight}
    named = {name: [index_of(leaf) for leaf in arrays_in(nest)] for name, nest in given.items()}
    found = [(i, prefix + name) for name, each in named.items() for i in each if i is not None]
    if not found:
        return x, y, sample_weight
    labels, first = found[0]

    def align(name, nest):
        if not any(index is not None for index in named[name]):
            return nest
        what = prefix + name
        return map_structure(lambda leaf: aligned(leaf, labels, what, first), nest)

    return tuple(align(name, nest) for name, nest in given.items())
