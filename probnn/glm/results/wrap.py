"""Arrays with the names that the data had."""

import numpy as np


class Labels:
    """Gives arrays of coefficients and of rows their names, where the data had names."""

    def __init__(self, model, index):
        self.labelled, self.index = model.labelled, index
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
        if self.index is None:
            return values
        import pandas as pd

        if np.ndim(values) == 1:
            return pd.Series(values, index=self.index)
        columns = self.labels[len(self.labels) - np.shape(values)[1] :] or self.responses
        return pd.DataFrame(values, index=self.index, columns=columns)

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
