"""Models side by side: coefficients, likelihoods, and why they differ."""

from __future__ import annotations

import html
import itertools
from typing import TYPE_CHECKING

import numpy as np

from probnn.comparison.causes import explain, quoted
from probnn.comparison.pairs import distinct, standard_error, tested
from probnn.data import to_numpy
from probnn.data.alignment import RowIndex
from probnn.fitted.dispatch import named
from probnn.fitted.tables import labelled, to_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probnn._types import AnyModel, ArrayLike, Rows

_ROWS = {
    "observations": lambda c: c.nobs,
    "log-likelihood": lambda c: c.llf,
    "parameters": lambda c: c.size,
    "AIC": lambda c: c.aic,
    "BIC": lambda c: c.bic,
    "scale": lambda c: c.scale,
}
_PLAIN = "nonrobust"  # the cov_type that supposes what tests of likelihoods do
_HELD_OUT = "held-out NLL"


def compare(
    *models: AnyModel,
    x: Rows = None,
    y: ArrayLike | None = None,
    x_test: Rows = None,
    y_test: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> Comparison:
    """Set fitted models side by side, and say why their numbers differ.

    Parameters
    ----------
    *models : keras.Model, Results, or fitted models of statsmodels or scikit-learn
        Or one dict, name -> model. Networks end in one `Head`; estimators of scikit-learn may be
        pipelines. `probnn.fitted.adapt.register` adds other kinds.
    x : array_like, shape (n, p), optional
        The training rows, as networks and estimators take them: without a constant. Networks need
        them; without, estimators have coefficients alone.
    y : array_like, shape (n,), optional
        Their responses.
    x_test, y_test : array_like, shape (m, p) and (m,), optional
        Rows that no model has seen, in the form of x (for models of a formula: a data frame).
    names : list of str, optional
        What to call the models.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If there is nothing to compare, a network comes without x and y, a model is not fitted, or
        rows do not fit the models.

    Notes
    -----
    Coefficients are those of linear predictors in the units of the data: linear layers of networks
    and of pipelines are collapsed. Those of a network, and their standard errors, are
    `probnn.inference`'s, at its own weights. Log-likelihoods are at the maximum over a dispersion,
    and "parameters" counts it, but not the variance of a linear model, as in statsmodels. The
    held-out NLL is the mean of -log p(y | x) with its standard error, the standard deviation over
    sqrt(m): p is the predictive distribution at the estimates, for regressors of scikit-learn a
    normal one with the maximum-likelihood scale.

    A network with hidden layers is tested against the other models, and against its head on x alone
    if there is none: on held-out rows by the mean difference of their log-likelihoods over its
    standard error; else on the training rows by Vuong's test of non-nested models, (1989),
    doi:10.2307/1912557. Its likelihood-ratio statistic has no chi-squared distribution, because
    without an effect the hidden weights are not identified: Davies (1987),
    doi:10.1093/biomet/74.1.33. Models without hidden layers have the likelihood-ratio test if the
    columns of one are among those of the other, else the tests above.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> x = np.array([[0.0], [0.0], [1.0], [1.0], [1.0], [1.0]])
    >>> y = np.array([0, 1, 0, 1, 1, 1])
    >>> with_x = pn.glm.Logit(y, np.column_stack([np.ones(6), x])).fit()
    >>> alone = pn.glm.Logit(y, np.ones((6, 1))).fit()
    >>> found = pn.compare({"x": with_x, "constant": alone})
    >>> float(found.to_frame().loc["x1", ("x", "value")].round(6))
    1.098612
    >>> found.notes[0]
    "Columns differ: 'x1' not in 'constant'."
    >>> found.tests.loc[0, "test"], round(float(found.tests.loc[0, "pvalue"]), 3)
    ('likelihood ratio', 0.545)
    """
    models, names = named(models, names)
    for what, one, two in (("x", x, y), ("x_test", x_test, y_test)):
        if (one is None) != (two is None):
            missing = f"y{what[1:]}" if two is None else what
            raise ValueError(f"Expected {what} and y{what[1:]} together. Received no {missing}.")
    table = None if x is None else to_table(x)
    y = None if y is None else _response(y, table, "y", x)
    found = [model.read(name, table, y) for model, name in zip(models, names, strict=True)]
    notes = []
    if all(fit.hidden for fit in found):
        rivals = {fit.family: model for model, fit in zip(models, found, strict=True)}
        for family, model in rivals.items():
            name = f"one neuron, {family}"
            try:
                found.append(model.without_hidden(name, table, y))
                notes.append(f"'{name}' is the head on x alone, fitted here to its optimum.")
            except ValueError as error:
                notes.append(f"There is no model of the {family} head on x alone: {error}")
    if x_test is not None:
        notes += _score(found, x_test, y_test)
    return Comparison(found, notes)


def _response(y, table, what, x):
    """Return y as an array, one value for each row of x, of which there is a table."""
    y = to_numpy(RowIndex.of(x, what.replace("y", "x")).align(y, what))
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.shape != (len(table),):
        raise ValueError(
            f"Expected {what} with one value for each of {len(table)} rows. Received: shape "
            f"{y.shape}. Models of bounds, of successes and trials, or of vectors are compared by "
            "the log_prob of their predict_distribution on held-out rows."
        )
    return y


def _score(fits, x, y):
    """Give fits the negative log-likelihoods of held-out rows; say where there are none."""
    table = to_table(x, "x_test")
    y, notes = _response(y, table, "y_test", x), []
    for fit in fits:
        unknown = fit.offset or ("var_weights" in fit.weights and fit.weights)
        if unknown:
            notes.append(f"'{fit.name}' has {unknown}, not known of held-out rows: no score.")
        elif fit.log_prob is None:
            notes.append(f"'{fit.name}' has no distribution for held-out rows: no score.")
        else:
            fit.held_out = -fit.log_prob(table, y)
    return notes


class Comparison:
    """Models side by side, as `probnn.compare` makes it.

    Attributes
    ----------
    names : list of str
        The models.
    notes : list of str
        Why numbers differ, and what tests of the models say.
    tests : pandas.DataFrame
        One row for each test of two models: `first`, `second`, `test`, the mean `gain` of the first
        in log-likelihood for each row with its standard error `se`, `statistic`, `df` (0 if it is
        a z) and two-sided `pvalue`. A model that equals an earlier one is not tested again.
    """

    def __init__(self, fits, notes=()):
        import pandas as pd

        self._fits = fits
        self.names = [fit.name for fit in fits]
        pairs = itertools.combinations(distinct(fits), 2)
        made = [test for pair in pairs if (test := tested(*pair)) is not None]
        labels = ["first", "second", "test", "gain", "se", "statistic", "df", "pvalue"]
        self.tests = pd.DataFrame(made, columns=labels)
        hidden = [fit for fit in fits if fit.hidden]
        self.notes = [*notes, *explain(fits), *self._say_tests(hidden)]

    def _say_tests(self, hidden):
        notes = []
        for test in self.tests.itertuples():
            which = f"{test.test}: {test.statistic:.4g}" + (f" on {test.df} df" * (test.df > 0))
            by = "gains" if test.gain > 0 else "loses"
            notes.append(
                f"'{test.first}' {by} {abs(test.gain):.4g} in log-likelihood for each row against "
                f"'{test.second}' ({which}, p = {test.pvalue:.3g})."
            )
        of_ratio = self.tests[self.tests["test"] == "likelihood ratio"]
        tested = {*of_ratio["first"], *of_ratio["second"]}
        robust = [f for f in self._fits if f.name in tested and f.cov_type not in (None, _PLAIN)]
        if robust:
            notes.append(
                "The likelihood-ratio test supposes that the model's variance is right and its "
                f"rows independent, which the standard errors of {quoted(robust)} do not."
            )
        if hidden:
            notes.append(
                f"No likelihood-ratio test is made for {quoted(hidden)}: without an effect its "
                "hidden weights are not identified, and the statistic is not chi-squared (Davies "
                "1987, doi:10.1093/biomet/74.1.33); nor do AIC and BIC hold."
            )
            if "Vuong z" in self.tests["test"].tolist():
                notes.append(
                    "Vuong's test is of the training rows, and optimistic for a network that "
                    "overfits them: give x_test and y_test."
                )
        return notes

    def to_frame(self):
        """Return a pandas DataFrame: a row for each quantity, (model, "value" or "se") columns."""
        import pandas as pd

        names = list(dict.fromkeys(n for fit in self._fits for n in fit.coef))
        if "const" in names:
            names = ["const", *(n for n in names if n != "const")]
        data = {}
        for c in self._fits:
            values = [c.coef.get(n, np.nan) for n in names] + [get(c) for get in _ROWS.values()]
            errors = [c.se.get(n, np.nan) for n in names] + [np.nan] * len(_ROWS)
            known = c.held_out is not None
            values.append(np.mean(c.held_out) if known else np.nan)
            spread = known and len(c.held_out) > 1
            errors.append(standard_error(c.held_out) if spread else np.nan)
            data[c.name, "value"], data[c.name, "se"] = values, errors
        labels = [labelled(name, self._fits) for name in names]
        frame = pd.DataFrame(data, index=[*labels, *_ROWS, _HELD_OUT], dtype="float64")
        return frame[frame.notna().any(axis=1)]

    def _texts(self):
        """Return the table's cells as text: a frame with a column for each model."""
        import pandas as pd

        frame = self.to_frame()
        rows = [_cells(name, frame.iloc[j].to_numpy()) for j, name in enumerate(frame.index)]
        table = pd.DataFrame(rows, index=frame.index, columns=frame.columns)
        cells = {}
        for name in self.names:
            pair = [_padded(table[name, part]) for part in ("value", "se")]
            cells[name] = [
                f"{a} {b}".rstrip() if b.strip() else a for a, b in zip(*pair, strict=True)
            ]
            width = max(map(len, cells[name]))
            cells[name] = [cell.ljust(width) for cell in cells[name]]
        return pd.DataFrame(cells, index=frame.index)

    def __str__(self):
        table = self._texts()
        left = max(map(len, table.index))
        widths = [max(len(name), len(table[name].iloc[0])) for name in table]
        lines = [_line("", table.columns, left, widths)]
        rule = "-" * len(lines[0])
        lines.append(rule)
        lines += (
            _line(name, cells, left, widths).rstrip()
            for name, cells in zip(table.index, table.to_numpy(), strict=True)
        )
        lines.insert(2 + len({n for fit in self._fits for n in fit.coef}), rule)
        return "\n".join([*lines, rule, "Standard errors in parentheses.", *self.notes])

    __repr__ = __str__

    def to_html(self):
        """Return the table and the notes as HTML."""
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        table = self._texts().apply(lambda fit: fit.str.strip()).to_html()
        return f"{table}<p>Standard errors in parentheses.</p><ul>{notes}</ul>"

    def _repr_html_(self):
        return self.to_html()


# ---- text ---------------------------------------------------------------------------------------


def _cells(name, values):
    """Return the numbers of a row as text, with the decimals that the smallest needs."""
    errors, whole = values[1::2], name in ("observations", "parameters")
    sizes = np.abs(values if np.isnan(errors).all() else errors)
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    exponent = np.floor(np.log10(sizes.min())) if len(sizes) else 0.0
    style = f".{int(np.clip(3 - exponent, 1, 7))}f" if exponent > -5 else ".4g"
    texts = ["" if np.isnan(v) else f"{v:{'.0f' if whole else style}}" for v in values]
    return [t if j % 2 == 0 or not t else f"({t})" for j, t in enumerate(texts)]


def _padded(texts):
    return texts.str.rjust(texts.str.len().max())


def _line(name, cells, left, widths):
    cells = (str(cell).rjust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join([name.ljust(left), *cells])
