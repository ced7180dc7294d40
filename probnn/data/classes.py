"""The classes of a response: labels, in the order of the codes that families know."""

import numpy as np

from probnn.data.frames import to_numpy

_SHOWN = 12  # classes that a message lists


class Classes:
    """The labels of classes, in the order of their codes 0, 1, ...

    Parameters
    ----------
    labels : sequence, shape (C,)
        Text, numbers or other values, all different.
    ordered : bool
        Whether their order has a meaning, as that of ratings.

    Attributes
    ----------
    labels : numpy.ndarray, shape (C,)
        The labels.

    Raises
    ------
    ValueError
        If two labels are equal, one is missing, or there is none.

    Examples
    --------
    >>> from probnn.data.classes import Classes
    >>> classes = Classes(["low", "high"], ordered=True)
    >>> classes.encode(["high", "low"]).tolist(), classes.decode([1.0, 0.0]).tolist()
    ([1.0, 0.0], ['high', 'low'])
    """

    def __init__(self, labels, ordered=False):
        listed = list(labels)
        self.labels, self.ordered = _array(listed), bool(ordered)
        self._code = {label: code for code, label in enumerate(self.labels.tolist())}
        if len(self._code) < max(len(listed), 1) or any(v != v or v is None for v in self._code):
            raise ValueError(
                f"Expected the labels of classes, all different, none missing. Received: {listed}."
            )
        self.are_codes = self.labels.dtype.kind in "iuf" and np.array_equal(
            self.labels, np.arange(len(listed))
        )

    @classmethod
    def learn(cls, column, ordered=False):
        """Return the classes of a pandas column, and its codes (n,), NaN where it is missing.

        Labels are in the order of their categories, else sorted. `ordered` asks for an order: of
        numbers, or of an ordered categorical.
        """
        import pandas as pd

        has_order = bool(getattr(column.dtype, "ordered", None))
        if ordered and not has_order and column.dtype.kind not in "biuf":
            raise ValueError(
                "Expected the response of an ordinal model to be numbers or an ordered "
                f"categorical. Received: {column.name or column.iloc[0]!r}, of type "
                f"{column.dtype}. Say the order: "
                "pandas.Categorical(values, categories=[...], ordered=True)."
            )
        codes, levels = pd.factorize(column, sort=True)
        if levels.dtype.kind == "f" and (levels % 1 == 0).all():  # where some are missing
            levels = levels.astype("int64")
        return cls(levels, ordered or has_order), np.where(codes < 0, np.nan, codes)

    def encode(self, y, what="y"):
        """Return labels as float64 codes, in an array of the same shape.

        Raises
        ------
        ValueError
            If one is no class.
        """
        import pandas as pd

        y = to_numpy(y)
        found, values = pd.factorize(y.ravel())
        table = np.array([*(self._code.get(v, -1) for v in values.tolist()), -1], dtype="float64")
        codes = table[found].reshape(y.shape)  # what is missing is -1, and so the last
        bad = codes < 0
        if bad.any():
            first = tuple(int(i) for i in np.argwhere(bad)[0])
            where = f" in row {first[0]}" if first else ""
            raise ValueError(
                f"Expected every {what} to be one of the classes {self}. Received: "
                f"{_plain(y[first])!r}{where}, and {int(bad.sum())} such value(s) in all. Leave "
                "those rows out, or fit the model to rows of these classes too."
            )
        return codes

    def decode(self, codes):
        """Return the labels of codes; the codes themselves where they are the labels."""
        return codes if self.are_codes else self.labels[np.asarray(codes).astype(int)]

    def __len__(self):
        return len(self.labels)

    def __iter__(self):
        return iter(self.labels.tolist())

    def __eq__(self, other):
        return isinstance(other, Classes) and (
            [*self] == [*other] and self.ordered == other.ordered
        )

    __hash__ = None

    def __str__(self):
        shown = [*map(repr, [*self][:_SHOWN])]
        return ", ".join(shown + [f"... ({len(self)} in all)"] * (len(self) > _SHOWN))

    def __repr__(self):
        return f"<Classes{' in order' * self.ordered}: {self}>"


def _array(labels):
    """Return labels as an array of their own type, or of objects where NumPy would change some."""
    plain = [_plain(label) for label in labels]
    found = np.empty(len(plain), dtype=object)
    found[:] = plain
    if len({type(label) for label in plain}) == 1 and isinstance(plain[0], (bool, int, float, str)):
        return np.array(plain)
    return found


def _plain(value):
    """Return a NumPy number, or text, as Python's."""
    return value.item() if isinstance(value, np.generic) else value
