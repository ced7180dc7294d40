"""What plots of a model as a function share: rows as a table, and one prediction of many rows."""

import textwrap

import numpy as np
import pandas as pd

from probnn.data import features, to_numpy
from probnn.data.frames import frame_of, take
from probnn.data.tables import is_labelled
from probnn.fitted import adapt
from probnn.fitted.fit import quantile
from probnn.fitted.tables import to_table

_MOST_NAMED = 4  # columns whose medians are written out
_WIDE = 60  # characters in a line of a title


class Inputs:
    """Rows of x as a pandas table, and what a model believes about rows like them.

    Of rows that the model was fitted to, `fitted`, it knows what x does not tell.
    """

    def __init__(self, model, x, fitted=False):
        self.model = model = adapt(model)
        _check_inputs(model, fitted)
        self.index, x = model.rows(x), _two_dimensional(x)
        self.y_name, self._labelled = model.y_name, is_labelled(x) or isinstance(x, dict)
        table = to_table(x)
        table = table if self.index.kept is None else table.iloc[self.index.kept]
        if not table.shape[0]:
            raise ValueError(f"Expected x with at least one row. Received: {table.shape}.")
        self.table = model.used(table, self._labelled)
        whole = self.table.shape == table.shape
        self._given = list((self.table if whole else table).columns)  # by which numbers count
        self.numeric = [c for c in self.table.columns if self.table[c].dtype.kind in "iuf"]
        features(self.table[self.numeric])

    def name_of(self, feature):
        """Return the column that a name, or a number from 0 on, stands for."""
        columns, given, received = list(self.table.columns), self._given, repr(feature)
        is_place = isinstance(feature, (int, np.integer)) and feature not in given
        if is_place and not isinstance(feature, bool) and -len(given) <= feature < len(given):
            feature = given[feature]
            received += f", which is {feature!r}"
        if isinstance(feature, bool) or feature not in given:
            raise ValueError(
                f"Expected a column of x: {', '.join(map(str, columns))}, or its number from 0 "
                f"on. Received: {received}."
            )
        if feature not in columns:
            raise ValueError(
                f"Expected a column that the model uses: {', '.join(map(str, columns))}. Received: "
                f"{received}, which it does not use."
            )
        if feature not in self.numeric:
            raise ValueError(f"Expected a column of numbers. Received: {feature!r}, which is none.")
        return feature

    def holding(self, values):
        """Return rows in which some columns have these values, and where others are held, in words.

        Others are held at their median, text at its most frequent value; those that do not vary
        are not named, and those that two lines have no room for are counted. So are rows left out.
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
        lines = textwrap.wrap(f"at {', '.join(held)}", _WIDE, break_long_words=False)
        if len(held) > _MOST_NAMED or len(lines) > 2 or max(map(len, lines)) > _WIDE:
            inputs = "inputs" if len(held) > 1 else "input"
            lines = [f"at the medians of the other {len(held)} {inputs}"]
        return table, "\n".join([*(lines if held else []), *filter(None, [self.index.note])])

    def exog(self, table):
        """Return rows in a table like that of x in the form that x had."""
        return table if self._labelled else table.to_numpy()

    def believed(self, table):
        """Return the `Predictive` of rows in a table like that of x."""
        return self.model.predict_distribution(self.exog(table))

    def response(self, y):
        """Return y as an array, in the order of the rows; None stays None."""
        return None if y is None else to_numpy(self.model.response(self.index.align(y, "y")))

    def half_width(self, table, d, average, parts, of, level):
        """Return half the widths of intervals of averages of rows' means, and what these are.

        Of rows in a table like that of x, of which d is believed; `average` makes the averages of
        their means, those of equal parts; of classes `of` is that whose probability is averaged.
        None if nothing tells how far a mean is known.
        """
        half = self.model.half_width(self.exog(table), parts, of, level)
        if half is not None or not d.members:
            return half, "confidence interval of the mean"
        means = np.stack([average(member.mean()) for member in d.members])
        away = np.square(means - np.average(means, axis=0, weights=d.weights))
        spread = np.sqrt(np.average(away, axis=0, weights=d.weights))
        return quantile(0.5 + level / 2.0) * spread, "spread of the members' means"


def fitted_rows(model):
    """Return x, y and d of the rows that results were fitted to, without those of weight 0."""
    model = adapt(model)
    x, y = model.training()
    y, d = model.of_trials(y, model.predict_distribution(None))
    if model.counts is None:
        return x, y, d
    return take(x, model.counts), y[model.counts], d[model.counts]


def inside(family, lower, upper):
    """Return intervals of means, cut where y ends; those of classes, where probabilities do."""
    low, high = (0.0, 1.0) if family.classes else (family.support.low, family.support.high)
    return np.maximum(lower, low), np.minimum(upper, high)


def _check_inputs(model, fitted):
    """Raise if results have an offset that plots would leave out, or a network several inputs."""
    if model.offset and not fitted:
        raise ValueError(
            "Expected a model without offset= or exposure=, as rows of x do not tell theirs. "
            "Received: one that was fitted with them. Draw what "
            "results.predict_distribution(x, offset=...) returns, by the functions that take "
            "a Predictive."
        )
    shapes = model.input_shapes
    if len(shapes) > 1 or any(len(shape) != 2 for shape in shapes):
        raise ValueError(
            f"Expected a network of one input of shape (None, p), a table of rows. Received: one "
            f"of {', '.join(map(str, shapes))}."
        )


def _two_dimensional(x):
    """Return one column of x as the only column of a table or of an array."""
    if isinstance(x, dict) and any(np.ndim(column) != 1 for column in x.values()):
        shapes = ", ".join(f"{name!r} of shape {np.shape(column)}" for name, column in x.items())
        raise ValueError(
            f"Expected x of shape (n, p), a data frame, or a dict of columns of shape (n,). "
            f"Received: a dict of {shapes}."
        )
    frame = frame_of(x)
    if frame is not None and len(frame.shape) == 1:
        return frame.to_frame() if frame.name else to_table({"x": x})
    return to_numpy(x)[:, None] if frame is None and np.ndim(x) == 1 else x
