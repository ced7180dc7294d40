"""Arrays with the names that the data had."""

import numpy as np

from probnn.data.frames import series_of_rows, table_of_rows


class Labels:
    """Gives arrays of coefficients and of rows their names, where the data had names.

    Rows have an index, or are rows of a frame of some library, or neither; see `data.frames`.
    """

    def __init__(self, model, index, library=None):
        self.labelled, self.index, self.library = model.labelled, index, library
        self.names, self.columns = model.parameter_names, model.x_names
        labels = range(model.family.classes or 0) if model.classes is None else model.classes
        self.responses = (model.y_columns.names or [None])[0] if model.family.vector else None
        self.labels, self.classes = [*labels], model.labels_of_predictors

    def params(self, values):
        """Return (p,) values by name; for classes, (p, C - 1)."""
        if self.classes is None:
            return self.series(values, self.names)
        table = np.reshape(values, (len(self.classes), -1)).T
        return self.frame(table, self.columns, self.classes)

    def matrix(self, values):
        """Return a (p, p) matrix with names on both sides."""
        return self.frame(values, self.names, self.names)

    def intervals(self, values):
        """Return (p, 2) intervals."""
        return self.frame(values, self.names, [0, 1])

    def rows(self, values):
        """Return one value for each row, or several: of all classes, or all but the first."""
        if self.index is None and self.library is None:
            return values
        if np.ndim(values) == 1:
            return series_of_rows(values, self.index, self.library)
        d = np.shape(values)[1]
        columns = self.labels[len(self.labels) - d :] or self.responses or range(d)
        return self.table(dict(zip(columns, np.transpose(values), strict=True)))

    def table(self, columns):
        """Return a table of rows, of columns by name."""
        return table_of_rows(columns, self.index, self.library)

    def matrix_of_rows(self, values, names):
        """Return (n, p) values of each row, a column for each of the names."""
        return self.table(dict(zip(names, values.T, strict=True))) if self.labelled else values

    def series(self, values, index):
        """Return values with these names."""
        if not self.labelled:
            return values
        import pandas as pd

        return pd.Series(values, index=index)

    def frame(self, values, index, columns):
        """Return a table with these names of rows and of columns."""
        if not self.labelled:
            return values
        import pandas as pd

        return pd.DataFrame(values, index=index, columns=columns)
