"""The rows of a model, as its likelihood and its residuals read them."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from probnn.data.frames import index_of, name_of, to_numpy
from probnn.data.source import Source
from probnn.data.tables import check_range, is_labelled, numeric
from probnn.design.matrix import take_rows
from probnn.fitting.likelihood import Likelihood


@dataclass
class Observations(Source):
    """Rows of data, as the likelihood and the residuals read them.

    Rows of weight 0 are no observations: what sums over rows is of `used`, as if they were not
    there, and what is of each row has them too.

    Attributes
    ----------
    y : numpy.ndarray, shape (n,)
        Responses; proportions where `trials` are given.
    designs : list
        The design of each raw column of the family, or None.
    offsets : dict
        Raw column -> array (n,).
    freq_weights, var_weights, trials : numpy.ndarray, shape (n,), or None
        How many rows each row stands for; how precise it is; of how many trials y is a proportion.
    frame : pandas.DataFrame, or None
        What formulas read of these rows.
    """

    y: np.ndarray
    designs: list
    offsets: dict = field(default_factory=dict)
    freq_weights: np.ndarray | None = None
    var_weights: np.ndarray | None = None
    trials: np.ndarray | None = None
    frame: object = None
    _likelihood: Likelihood | None = field(default=None, init=False, repr=False, compare=False)

    def __len__(self):
        return len(self.y)

    @property
    def rows(self):
        """These rows, which are in memory."""
        return self

    @property
    def counts(self):
        """Which rows have a weight other than 0, (n,) of bool; None if all have."""
        weights = self.weights
        return None if weights is None or weights.all() else weights != 0

    @cached_property
    def used(self):
        """The rows whose weight is not 0."""
        counts = self.counts
        if counts is None:
            return self
        by_row = ("y", "freq_weights", "var_weights", "trials")
        taken = {name: getattr(self, name) for name in by_row}
        taken = {name: None if v is None else v[counts] for name, v in taken.items()}
        if self.frame is not None:
            taken["frame"] = self.frame[counts].reset_index(drop=True)
        designs = take_rows(self.designs, counts)
        offsets = {a: offset[counts] for a, offset in self.offsets.items()}
        return replace(self, **taken, designs=designs, offsets=offsets)

    def filled(self, values):
        """Return values (m, ...) of the rows that count as values of all, 0 in the others."""
        if self.counts is None:
            return values
        found = np.zeros((len(self), *values.shape[1:]))
        found[self.counts] = values
        return found

    def parts(self):
        """Yield the rows that count, all at once."""
        yield self.used

    def sample(self):
        """Return the rows that count."""
        return self.used

    def map(self, function):
        """Return what a function makes of these rows."""
        return function(self)

    @property
    def precision(self):
        """The product of what makes rows precise, but for their frequency; None if all are 1."""
        return _product(self.var_weights, self.trials)

    @property
    def weights(self):
        """The product of all weights; None if all are 1."""
        return _product(self.freq_weights, self.precision)

    @property
    def nobs(self):
        """The number of rows that count, each as often as its frequency says."""
        often = self.used.freq_weights
        return len(self.used) if often is None else float(np.sum(often))

    def likelihood(self, family, known):
        """Return the `Likelihood` of these rows: the last one, if it is asked for again."""
        last = self._likelihood
        if last is None or last.family is not family or last.known is not known:
            columns = (self.y, self.designs, known, self.offsets, self.weights)
            self._likelihood = Likelihood(family, *columns)
        return self._likelihood


def _product(a, b):
    if a is None or b is None:
        return b if a is None else a
    return a * b


def as_bernoulli(family, y):
    """Return a family of trials as that of each, with y as numbers of successes and of failures.

    The likelihoods differ by terms of y alone, which `Results.llf` counts; others pass unchanged.
    """
    each = family.per_trial()
    if each is None:
        return family, y
    values = numeric(to_numpy(y), "y")
    if family.trials is not None and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 + len(family.y_shape):
        raise ValueError(
            "Expected y of shape (n, 2), successes and trials, or with trials= of the family (n,). "
            f"Received: shape {values.shape}. A y of 0 and 1 is of family='bernoulli'."
        )
    family.check(values)
    successes, trials = values.T if family.trials is None else (values, float(family.trials))
    pairs = np.column_stack([successes, trials - successes])
    if is_labelled(y):
        import pandas as pd

        pairs = pd.DataFrame(pairs, index_of(y), [str(name_of(y) or "y"), "failures"])
    return each, pairs


def read_response(y, family):
    """Return y (n,), the number of trials of each row or None, and its name.

    Two columns, for the Bernoulli family, are numbers of successes and of failures.
    """
    name = name_of(y)
    y = numeric(to_numpy(y), "y")
    columns = family.y_columns
    if columns is not None:
        if y.ndim != 2 or y.shape[1] != columns or not len(y):
            raise ValueError(family.columns_problem("y", f"(n, {columns})", y.shape))
        family.check(y)
        check_range(y, "y")
        return np.ascontiguousarray(y), None, str(name or "y")
    if y.ndim == 0 or y.shape[0] == 0:
        raise ValueError(f"Expected y with at least one row. Received: shape {y.shape}.")
    trials = None
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and y.shape[1] == 2 and family.proportions:
        trials = y.sum(axis=1)
        if not (np.isfinite(y).all() and (y >= 0).all() and (trials > 0).all()):
            raise ValueError(
                "Expected two columns of y to be numbers of successes and failures, from 0 on, "
                "with at least one trial in each row. Received others."
            )
        return y[:, 0] / trials, trials, name or "y"
    if y.ndim != 1:
        raise ValueError(
            f"Expected y of shape (n,), for the {family.name} family. Received: shape {y.shape}. "
            "Successes and failures, in two columns, are for the bernoulli family."
        )
    family.check(y)
    check_range(y, "y")
    return np.ascontiguousarray(y), None, str(name) if name is not None else "y"
