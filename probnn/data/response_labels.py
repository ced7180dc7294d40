"""By what responses go: the labels of their rows, and the names of their columns."""

from dataclasses import dataclass, field

import numpy as np

from probnn.data.alignment import RowIndex, order_of
from probnn.data.columns import Columns


@dataclass(frozen=True)
class ResponseLabels:
    """What is known of the rows and the columns of a response, of a model or its predictions.

    Attributes
    ----------
    rows : RowIndex or None
        The rows, where x had labels.
    columns : Columns
        The names of the columns of y, where the model was fitted on a frame.
    library : str or None
        The library of the frame x, where its rows had no labels.

    Examples
    --------
    >>> import pandas as pd
    >>> from probnn.data.alignment import RowIndex
    >>> from probnn.data.columns import Columns
    >>> labels = ResponseLabels(RowIndex("x", 2, pd.Index([7, 8])), Columns([["p", "q"]]))
    >>> labels.align(pd.DataFrame({"q": [1, 2], "p": [3, 4]}, index=[8, 7])).to_numpy().tolist()
    [[4, 2], [3, 1]]
    """

    rows: RowIndex | None = None
    columns: Columns = field(default_factory=Columns)
    library: str | None = None

    @classmethod
    def of(cls, x, columns=None):
        """Return what is known of the rows of x, an array, a frame or a nest, and of columns."""
        rows = RowIndex.of(x, "x")
        known = None if rows.labels is None else rows
        return cls(known, Columns() if columns is None else columns, rows.library)

    def align(self, y, what="y"):
        """Return y in the order of the rows and of the columns; what has no labels as it is.

        Raises
        ------
        ValueError
            For other labels or names, or such as occur twice.
        """
        y = y if self.rows is None else self.rows.align(y, what)
        return self.columns.aligned(y, what)

    def order_in(self, other):
        """Return where these rows are in others; None where they are in the same order."""
        if self.rows is None or other.rows is None:
            return None
        return order_of(self.rows.index, other.rows.index, "distributions", self.rows.name)

    def part(self, index):
        """Return the labels of a part, chosen as NumPy does: of whole rows, with their columns."""
        whole = not isinstance(index, tuple) and np.ndim(index) < 2
        rows = None if self.rows is None else self.rows.part(index)
        return ResponseLabels(rows, self.columns if whole else Columns(), self.library)
