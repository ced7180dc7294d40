"""What a network knows of the y of each head: its columns by name, and its classes by label."""

import numpy as np

from probnn.data.classes import Classes
from probnn.data.columns import Columns, leaves_of
from probnn.data.frames import frame_of, to_numpy
from probnn.data.nests import flatten


class Responses(Columns):
    """The columns, and the classes, of the y of each head of a model.

    Parameters
    ----------
    names : list of (list of str, or None), optional
        Of each head, as for `Columns`.
    classes : list of (Classes or None), optional
        Of each head, the labels that y has; None where y has codes, or numbers.

    Examples
    --------
    >>> from probnn.data import Responses
    >>> from probnn.data.classes import Classes
    >>> responses = Responses(classes=[Classes(["no", "yes"])])
    >>> responses.coded(["yes", "no"]).tolist()
    [1.0, 0.0]
    """

    def __init__(self, names=None, classes=None):
        super().__init__(names)
        known = [each if each and not each.are_codes else None for each in classes or ()]
        self.classes = known if any(known) else None

    def __eq__(self, other):
        return isinstance(other, Responses) and (
            self.names == other.names and self.classes == other.classes
        )

    __hash__ = None

    def learnt(self, y, heads, what="y"):
        """Return these, or what is not known of them as y tells it.

        Raises
        ------
        ValueError
            For names of columns that are equal, and text with other than the classes of a head.
        """
        classes, leaves, flat = self.classes, leaves_of(y), flatten(heads)
        if classes is None and len(leaves) == len(flat):
            classes = [_learnt(*pair, what) for pair in zip(leaves, flat, strict=True)]
        return Responses(super().learnt(y, what).names, classes)

    def coded(self, y, what="y"):
        """Return y with columns in this order, and the codes of classes in place of labels.

        What is missing is NaN.

        Raises
        ------
        ValueError
            As `aligned`; or for a label that is no class.
        """
        y = self.aligned(y, what)
        return self._mapped(y, self.classes, lambda leaf, classes: _coded(leaf, classes, what))

    def class_weight(self, given):
        """Return Keras's `class_weight` by codes, which is given by the labels of the one y."""
        if given is None or self.classes is None or len(self.classes) > 1:
            return given
        codes = self.classes[0].encode(list(given), "key of class_weight").astype(int)
        return dict(zip(codes.tolist(), given.values(), strict=True))

    def classes_of_each(self, n):
        """Return the classes of each of n heads, in a list; None where y has codes, or numbers."""
        return self.classes or [None] * n

    def to_json(self):
        """Return what there is to know, as JSON types; labels must be text or numbers."""
        for label in (label for each in self.classes or () for label in each or ()):
            if not isinstance(label, (str, int, float)):
                raise ValueError(
                    "Expected labels of classes that a file can hold: text, numbers, or booleans. "
                    f"Received: {label!r}. Fit the model to y.astype(str), or to codes."
                )
        told = [each and [[*each], each.ordered] for each in self.classes or ()]
        return {"names": self.names, "classes": told}

    @classmethod
    def from_json(cls, told):
        """Return what `to_json` was told of."""
        return cls(told["names"], [each and Classes(*each) for each in told["classes"]])


def _learnt(y, head, what):
    """Return the classes of a y of text or categories, for a head of several; else None.

    Of two, for a Bernoulli head, the data do not say which is 1.
    """
    if head is None or head.family.classes is None:
        return None
    column = _column(y)
    if column is None:
        return None
    categories = getattr(column.dtype, "categories", ())
    is_whole = len(categories) == head.family.classes  # of which some may have no rows
    says_order = head.family.kind == "categorical" or getattr(column.dtype, "ordered", False)
    if to_numpy(column).dtype.kind not in "OU" and not (is_whole and says_order):
        return None
    classes, _ = Classes.learn(column, ordered=head.family.kind == "ordinal")
    if is_whole:
        classes = Classes(categories, classes.ordered)
    if len(classes) != head.family.classes:
        raise ValueError(
            f"Expected {what} of {head.family.classes} classes, for {head.family!r}. Received: "
            f"{len(classes)}, {classes}. Give the head their number; or name those of which there "
            f"are no rows: pandas.Categorical({what}, categories=[...])."
        )
    return classes


def _column(y):
    """Return the one column of y as a pandas Series; None of what has more, or steps."""
    import pandas as pd

    frame = frame_of(y)
    if frame is None:
        values = y if hasattr(y, "categories") else np.asarray(y)
        if np.ndim(values) not in (1, 2):
            return None
        frame = (pd.Series if np.ndim(values) == 1 else pd.DataFrame)(values)
    frame = frame.to_pandas() if hasattr(frame, "to_pandas") else frame
    if frame.ndim == 1:
        return frame
    return frame.iloc[:, 0] if frame.shape[1] == 1 else None


def _coded(y, classes, what):
    import pandas as pd

    values = to_numpy(y)
    missing = pd.isna(values)
    if not missing.any():
        return classes.encode(values, what)
    codes = np.full(values.shape, np.nan)
    codes[~missing] = classes.encode(values[~missing], what)
    return codes
