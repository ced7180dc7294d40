"""What plots of a model as a function share: rows as a table, and one prediction of many rows."""

import keras
import numpy as np
import pandas as pd

from probnn.data import features, to_numpy
from probnn.glm.columns import to_table
from probnn.glm.data import is_labelled
from probnn.glm.results import Results
from probnn.heads import Head
from probnn.pooled import PooledPredictive
from probnn.predictive import Predictive, predictive_of
from probnn.training import DeepEnsemble

_ROWS = 65_536  # in one pass through a network
_MOST_NAMED = 4  # columns whose medians are written out


class Rows:
    """Rows of x as a pandas table, and what a model believes about rows like them."""

    def __init__(self, model, x):
        x = _two_dimensional(x)
        self.y_name = model.model.y_name if isinstance(model, Results) else "y"
        self.model, self._labelled = model, is_labelled(x) or isinstance(x, dict)
        self.table = to_table(x)
        if not self.table.shape[0]:
            raise ValueError(f"Expected x with at least one row. Received: {self.table.shape}.")
        if isinstance(model, (keras.Model, DeepEnsemble)):
            features(self.table)
            self.table = self.table.astype("float64")
        self.numeric = [c for c in self.table.columns if self.table[c].dtype.kind in "iuf"]
        features(self.table[self.numeric])
        formula = model.model.formula if isinstance(model, Results) else None
        if formula is not None:
            used = set().union(*(part.required_variables for part in formula.parts.values()))
            self.table = self.table[[c for c in self.table.columns if c in used]]
            self.numeric = [c for c in self.numeric if c in used]
        elif isinstance(model, Results) and not self._labelled:
            model.model.new_rows(self.table.to_numpy())  # raises if the columns are not the model's
            self.table.columns = self.numeric = model.model.x_names

    def name_of(self, feature):
        """Return the column that a name, or a number from 0 on, stands for."""
        columns = list(self.table.columns)
        is_place = isinstance(feature, (int, np.integer)) and feature not in columns
        if is_place and -len(columns) <= feature < len(columns):
            feature = columns[feature]
        if feature not in columns:
            raise ValueError(
                f"Expected a column of x: {', '.join(map(str, columns))}, or its number from 0 "
                f"on. Received: {feature!r}."
            )
        if feature not in self.numeric:
            raise ValueError(f"Expected a column of numbers. Received: {feature!r}, which is none.")
        return feature

    def holding(self, values):
        """Return rows in which some columns have these values, and where others are held, in words.

        Others are held at their median, text at its most frequent value; those that do not vary
        are not named, and many are counted.
        """
        columns, held = dict(values), []
        for name, column in self.table.items():
            if name in values:
                continue
            is_number = name in self.numeric
            usual = columns[name] = column.median() if is_number else column.mode()[0]
            if column.nunique() > 1:
                held.append(f"{name} = {usual:.4g}" if is_number else f"{name} = {usual}")
        n = len(next(iter(values.values())))
        table = pd.DataFrame(columns, index=range(n), columns=self.table.columns)
        if len(held) > _MOST_NAMED:
            return table, f"at the medians of the other {len(held)} inputs"
        return table, f"at {', '.join(held)}" if held else ""

    def exog(self, table):
        """Return rows in a table like that of x in the form that x had."""
        return table if self._labelled else table.to_numpy()

    def believed(self, table):
        """Return the `Predictive` of rows in a table like that of x."""
        members = self.model.members if isinstance(self.model, DeepEnsemble) else [self.model]
        if not all(_is_plain(member) for member in members):
            return predictive_of(self.model, self.exog(table))
        rows = table.to_numpy().astype(keras.config.floatx())
        each = [_of_network(member, rows) for member in members]
        return PooledPredictive(each) if isinstance(self.model, DeepEnsemble) else each[0]


def _two_dimensional(x):
    """Return one column of x as the only column of a table or of an array."""
    if hasattr(x, "to_frame") and not hasattr(x, "columns"):
        return x.to_frame("x" if x.name is None else x.name)
    return x if hasattr(x, "columns") or np.ndim(x) != 1 else to_numpy(x)[:, None]


def _is_plain(model):
    """Return whether it is a network of this package with one head."""
    return isinstance(model, keras.Model) and isinstance(getattr(model, "heads", None), Head)


def _of_network(model, rows):
    """Predict without `predict`, which compiles a program: that takes longer than one pass."""
    parts = [model(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)]
    raw = np.concatenate([keras.ops.convert_to_numpy(part) for part in parts]).astype("float64")
    return Predictive(model.heads.family, model.heads.to_params(raw))
