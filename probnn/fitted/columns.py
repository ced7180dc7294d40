"""What is known of a model of columns, a GLM, whatever was made of it."""

import numpy as np
import pandas as pd

from probnn import data
from probnn.fitted.base import FittedModel
from probnn.fitted.fit import known_of, log_prob, shifted, weighted
from probnn.fitted.tables import matrix


class FittedColumns(FittedModel):
    """What rests on a GLM: it perhaps holds the training rows.

    Parameters
    ----------
    model : object
        The fitted model.
    glm : GLM
        What it was made of.
    """

    takes_verbose = False
    richer = "more columns"

    def __init__(self, model, glm):
        super().__init__(model)
        self._glm = glm
        self.y_name, self.x_names = glm.y_name, glm.x_names
        held = glm.data.rows
        self.holds_rows = held is not None
        self.trials = None if held is None else held.trials
        self.counts = None if held is None else held.counts
        self.var_weighted = held is not None and held.var_weights is not None
        self.offset = glm.has_offset
        self.designs = () if glm.formula is not None else tuple(glm.modelled)
        self.fixed = glm.fixed
        self.constants = {glm.dispersion, *glm.constants.values(), *self.fixed} - {None}

    @property
    def family(self):
        """The model's family."""
        return self.model.family

    @property
    def head(self):
        """What reads y, as a head of the family does."""
        return data.Reader(self.family)

    def training(self):
        """Return the rows in memory: y as labels of classes; of proportions, as both counts."""
        if not self.holds_rows:
            return super().training()
        held, classes = self._glm.data.rows, self._glm.classes
        x, y = held.frame, held.y
        if x is None:
            x = pd.DataFrame(self._glm.X, columns=self.x_names)
        if self.trials is not None:
            successes = np.round(y * self.trials)
            y = np.column_stack([successes, self.trials - successes])
        return x, y if classes is None else classes.decode(y)

    def rows(self, x):
        """Return the `RowIndex` of x; for None, and for the frame fitted, that of training rows."""
        fitted = self._glm.rows if x is None else self._glm.fitted_rows(x)
        return super().rows(x) if fitted is None else fitted

    def left_out(self, x):
        """Return in words which of the rows of x, or of those fitted to, are left out."""
        none = 0 if x is not None or self.counts is None else int(np.sum(~self.counts))
        weightless = f"{none} row{'s' * (none != 1)} of weight 0 left out" if none else ""
        return ", ".join(filter(None, [super().left_out(x), weightless]))

    def columns(self, x):
        """Return the design of the location; that of the training rows for None."""
        return np.asarray(self._glm.X if x is None else self._glm.new_rows(x).designs[0])

    def used(self, table, named):
        """Return the columns of the formula, or those of the design by the model's names."""
        model = self._glm
        if model.formula is not None:
            parts = model.formula.parts.values()
            wanted = set().union(*(part.required_variables for part in parts))
            return table[[c for c in table.columns if c in wanted]]
        if not named:
            data.features(table)
            model.new_rows(table.to_numpy())  # raises if the columns are not the model's
            table = table.set_axis(model.x_names, axis=1)
        return table

    def to_hold(self, name):
        """Return how a parameter is made one number for all rows."""
        return f'one "{name}" for all rows: no design or formula for it; '

    def to_predict(self, name):
        """Return how a parameter is predicted from x."""
        code = f'designs={{"{name}": X}} of pn.glm.GLM'
        if self._glm.formula is not None:
            code = f'formulas={{"{name}": "~ ..."}} of pn.glm.glm'
        return code + ", in place of its fixed value" * (name in self.fixed) + "."


def names_of(model):
    """Return the names of coefficients by codes of classes, and code -> label, as in `Fit`."""
    pairs = list(zip(model.parameter_names, model.class_ends, strict=True))
    names = [name.removesuffix(label) + code for name, (code, label) in pairs]
    return names, {code: label for code, label in model.class_ends if code != label}


def rows_of(model, predict):
    """Return what a `Fit` says of the rows of a GLM in memory, and the scores of others.

    Parameters
    ----------
    model : GLM
    predict : callable
        The `predict_distribution` of what was made of it.
    """
    data = model.data.rows.used
    given = {n: getattr(data, n) for n in ("freq_weights", "var_weights")}

    def held_out(table, y):
        if model.formula is not None:
            return log_prob(predict(table), y)
        designs = {key: matrix(names, table) for key, names in model.modelled.items()}
        return log_prob(predict(matrix(model.x_names, table), designs=designs or None), y)

    return {
        "nobs": model.nobs,
        "y": data.y,
        "inputs": dict(zip(model.x_names, model.location_design(data).toarray().T, strict=True)),
        "weights": weighted(given),
        "offset": shifted([*data.offsets.values()][:1]),
        "given": known_of({**given, "offset": next(iter(data.offsets.values()), None)}),
        "log_prob": held_out,
    }
