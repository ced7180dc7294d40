"""Coefficients of models side by side, and the effect of one input on the mean."""

import re

import keras
import numpy as np
import pandas as pd

from probnn.data import to_numpy
from probnn.glm.columns import CONSTANTS, read, to_table
from probnn.glm.compare import _named
from probnn.glm.network import inference
from probnn.glm.results import Results
from probnn.plots._axes import BAND, COLORS, MARKERS, REFERENCE, axes
from probnn.plots._rows import Rows
from probnn.pooled import PooledPredictive

_MOST = 1000  # rows that an effect is averaged over


def coefficient_table(models, *, level=0.95, names=None, intercept=False, x=None, y=None):
    """Return the coefficients of fitted models with their confidence intervals.

    Parameters
    ----------
    models : dict of name to model, or one model
        Networks that end in one `Head`, whose layers before it are linear; results of probnn.glm
        or of statsmodels; fitted estimators of scikit-learn.
    level : float
        The confidence.
    names : list of str, optional
        The coefficients, in this order; by default all.
    intercept : bool
        Whether constants, and constant parameters as a scale, are among all.
    x, y : array_like, shape (n, p) and (n,), optional
        The training data: networks need them.

    Returns
    -------
    pandas.DataFrame
        Columns model, name, estimate, lower and upper, in the units of the data; lower and upper
        are NaN where there is no standard error.

    Raises
    ------
    ValueError
        For unknown models or names, a network with hidden layers or without x and y, or a level
        that is not between 0 and 1.

    Notes
    -----
    Estimates are read as `probnn.compare` reads them. The interval is the estimate +- q standard
    errors, with the quantile q of Student's t where the model's own table has it, else of the
    normal distribution.

    Examples
    --------
    >>> import probnn as pn
    >>> results = pn.glm.OLS([1.0, 2.0, 4.0, 4.0], [[1, 0], [1, 1], [1, 2], [1, 3]]).fit()
    >>> pn.plots.coefficient_table(results).round(2).to_numpy().tolist()
    [['OLS', 'x1', 1.1, -0.04, 2.24]]
    """
    _check_level(level)
    models, labels = _named((models,), None)
    table = None if x is None else to_table(x)
    y = None if y is None else to_numpy(y).ravel()
    found = []
    for model, label in zip(models, labels, strict=True):
        if isinstance(model, keras.Model):
            model = _inferred(model, label, table, y)
        column, factor = read(model, label, table, y), _quantile(model, 0.5 + level / 2.0)
        for name, estimate in column.coef.items():
            if names is None and not intercept and _is_constant(name, column):
                continue
            half = factor * column.se.get(name, np.nan)
            found.append((label, name, estimate, estimate - half, estimate + half))
    if not found:
        raise ValueError(
            "Expected models with coefficients. Received: none but constants. Show them by "
            "intercept=True."
        )
    frame = pd.DataFrame(found, columns=["model", "name", "estimate", "lower", "upper"])
    if names is not None:
        unknown = [name for name in names if name not in set(frame["name"])]
        if unknown or not names:
            raise ValueError(
                f"Expected names among {', '.join(dict.fromkeys(frame['name']))}. Received: "
                f"{', '.join(map(repr, unknown)) or 'none'}."
            )
        place = {name: i for i, name in enumerate(names)}
        frame = frame[frame["name"].isin(names)]
        frame = frame.sort_values("name", key=lambda column: column.map(place), kind="stable")
    return frame.reset_index(drop=True)


def coefficients(models, *, level=0.95, names=None, intercept=False, x=None, y=None, ax=None):
    """Draw the coefficients of fitted models side by side, with their confidence intervals.

    Parameters
    ----------
    models, level, names, intercept, x, y
        As for `coefficient_table`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        As `coefficient_table`.

    Examples
    --------
    >>> import probnn as pn
    >>> results = pn.glm.OLS([1.0, 2.0, 4.0, 4.0], [[1, 0], [1, 1], [1, 2], [1, 3]]).fit()
    >>> ax = pn.plots.coefficients({"least squares": results})
    >>> ax.get_xlabel()
    'coefficient, with 95% confidence interval'
    """
    frame = coefficient_table(models, level=level, names=names, intercept=intercept, x=x, y=y)
    shown, labels = frame["name"].unique(), frame["model"].unique()
    ax = axes(ax)
    ax.axvline(0.0, **REFERENCE)
    for i, label in enumerate(labels):
        part = frame[frame["model"] == label]
        places = np.array([list(shown).index(name) for name in part["name"]])
        half = np.nan_to_num((part["upper"] - part["estimate"]).to_numpy())
        ax.errorbar(
            part["estimate"],
            places + 0.6 * ((i + 0.5) / len(labels) - 0.5),
            xerr=half,
            color=COLORS[i % len(COLORS)],
            marker=MARKERS[i % len(MARKERS)],
            linestyle="none",
            markersize=6,
            markeredgecolor="black",
            markeredgewidth=0.5,
            capsize=3,
            label=label,
        )
    ax.set_yticks(range(len(shown)), shown)
    ax.set(
        xlabel=f"coefficient, with {100 * level:.4g}% confidence interval",
        ylabel="column",
        ylim=(len(shown) - 0.5, -0.5),
    )
    if len(labels) > 1:
        ax.legend(loc="best")
    return ax


def partial_dependence(model, x, feature, *, level=0.9, grid=50):
    """Return the mean that a model predicts at values of one input, averaged over rows.

    Parameters
    ----------
    model : probnn.Model, DeepEnsemble, Results, or a recalibrated model
        Of numbers; of a binary y the mean is P(Y = 1 | x).
    x : array_like, shape (n, p)
        The rows to average over, as the model takes them: for `Results` with the constant, or the
        data frame of a formula. Of more than 1,000 rows, 1,000 evenly spaced ones are taken.
    feature : str or int
        The column, by name or number.
    level : float
        The probability of the interval.
    grid : int or array_like
        How many values, evenly spaced over those of x, or the values. A column with fewer values
        has those.

    Returns
    -------
    pandas.DataFrame
        Columns value, mean, lower and upper. Between lower and upper lies: for `Results`, the
        confidence interval of the averaged mean, by the delta method; for a `DeepEnsemble`, the
        averaged mean +- z standard deviations of those of its members; for others, the average of
        the central intervals of a new y, NaN for a binary y. The first two end where y does.

    Raises
    ------
    ValueError
        For an unknown column or one of text, a model of classes or of several responses, a level
        that is not between 0 and 1, or values that are not finite.

    Notes
    -----
    PD(v) = mean over i of E(Y | x_i with v in the column): Friedman (2001),
    doi:10.1214/aos/1013203451. It says what the model does, and shows rows that no data have where
    columns depend on each other. For `Results` its variance is J V J', with V the covariance of the
    coefficients and J the derivative of PD in them.

    Examples
    --------
    >>> import probnn as pn
    >>> x = [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]
    >>> results = pn.glm.OLS([1.0, 2.0, 4.0, 4.0], x).fit()
    >>> pn.plots.partial_dependence(results, x, "x1", grid=[0.0, 2.0])["mean"].round(6).tolist()
    [1.1, 3.3]
    """
    _check_level(level)
    rows = Rows(model, x)
    feature = rows.name_of(feature)
    values = _values(rows.table[feature].to_numpy(dtype="float64"), grid)
    n = len(rows.table)
    table = rows.table.iloc[np.linspace(0, n - 1, min(n, _MOST)).round().astype(int)]
    m = len(table)
    tiled = pd.concat([table] * len(values), ignore_index=True)
    tiled[feature] = np.repeat(values, m)

    def average(each):
        return np.asarray(each).reshape(len(values), m).mean(axis=1)

    d = rows.believed(tiled)
    if d.mean().ndim != 1:
        raise ValueError(
            f"Expected a model of one number. Received: {d.family!r}, whose means have shape "
            f"{d.mean().shape[1:]} in each row."
        )
    mean = average(d.mean())
    if isinstance(model, Results):
        half = _quantile(model, 0.5 + level / 2.0) * _delta(model, rows.exog(tiled), len(values))
        lower, upper = _inside(d.family, mean - half, mean + half)
    elif isinstance(d, PooledPredictive):
        spread = np.std([average(member.mean()) for member in d.members], axis=0)
        half = _quantile(model, 0.5 + level / 2.0) * spread
        lower, upper = _inside(d.family, mean - half, mean + half)
    elif d.family.name == "bernoulli":
        lower = upper = np.full(len(values), np.nan)
    else:
        lower, upper = (average(end) for end in d.interval(level))
    return pd.DataFrame({"value": values, "mean": mean, "lower": lower, "upper": upper})


def effect(model, x, feature, *, level=0.9, grid=50, ax=None):
    """Draw the mean that a model predicts at values of one input, averaged over rows.

    Parameters
    ----------
    model, x, feature, level, grid
        As for `partial_dependence`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        With marks at the values that x has, at most 1,000 of them.

    Raises
    ------
    ValueError
        As `partial_dependence`.

    Examples
    --------
    >>> import probnn as pn
    >>> x = [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]
    >>> ax = pn.plots.effect(pn.glm.OLS([1.0, 2.0, 4.0, 4.0], x).fit(), x, "x1")
    >>> ax.get_legend_handles_labels()[1]
    ['mean', '90% confidence interval of the mean']
    """
    frame = partial_dependence(model, x, feature, level=level, grid=grid)
    rows = Rows(model, x)
    feature = rows.name_of(feature)
    ax = axes(ax)
    ax.plot(frame["value"], frame["mean"], color=COLORS[0], linewidth=1.8, label="mean")
    if frame["lower"].notna().any():
        kind = (
            "confidence interval of the mean"
            if isinstance(model, Results)
            else "spread of the members' means"
            if hasattr(model, "members")
            else "interval of a new y, averaged"
        )
        label = f"{100 * level:.4g}% {kind}"
        ax.fill_between(frame["value"], frame["lower"], frame["upper"], **BAND, label=label)
    values = np.unique(rows.table[feature].to_numpy(dtype="float64"))
    if len(values) > _MOST:
        values = values[np.linspace(0, len(values) - 1, _MOST).round().astype(int)]
    ax.plot(
        values,
        np.zeros_like(values),
        marker="|",
        linestyle="none",
        color="black",
        alpha=0.4,
        markersize=8,
        transform=ax.get_xaxis_transform(),
    )
    ax.set(xlabel=str(feature), ylabel=f"mean of {rows.y_name}, averaged over rows")
    ax.legend(loc="best")
    return ax


# ---- coefficients -------------------------------------------------------------------------------


def _check_level(level):
    if not 0.0 < level < 1.0:
        raise ValueError(f"Expected a level between 0 and 1. Received: {level}.")


def _inferred(model, label, table, y):
    """Return the results at a network's weights."""
    if table is None or y is None:
        raise ValueError(
            f"Expected x= and y=, the training data, for the network {label!r}: its standard "
            "errors come from them. Received none."
        )
    results = inference(model, table, y)
    if results.is_conditional:
        raise ValueError(
            f"Expected networks whose layers before the head are linear. Received: {label!r}, with "
            "hidden layers, which has no coefficients of x: draw probnn.plots.effect."
        )
    return results


def _is_constant(name, column):
    """Return whether a coefficient is a constant, or a parameter that is one number."""
    prefix, core, _ = re.fullmatch(r"(\w+: )?(.*?)( \[\d+\])?", name, re.DOTALL).groups("")
    return core in CONSTANTS or bool(not prefix and column.inputs and core not in column.inputs)


def _quantile(model, p):
    """Return the quantile that a model's own intervals take, in standard errors."""
    from scipy import stats

    if isinstance(model, Results):
        return float(model._reference.ppf(p))
    if getattr(model, "use_t", False):
        df = getattr(model, "df_resid_inference", None) or model.df_resid
        return float(stats.t.ppf(p, df))
    return float(stats.norm.ppf(p))


# ---- effects ------------------------------------------------------------------------------------


def _values(column, grid):
    """Return the values of a column at which the mean is averaged."""
    if np.ndim(grid):
        values = np.asarray(grid, dtype="float64").ravel()
        if not values.size or not np.isfinite(values).all():
            raise ValueError(f"Expected a grid of finite numbers. Received: {grid!r}.")
        return values
    if isinstance(grid, bool) or int(grid) != grid or grid < 2:
        raise ValueError(f"Expected a grid of at least 2 values. Received: {grid!r}.")
    own = np.unique(column)
    return own if len(own) <= grid else np.linspace(own[0], own[-1], int(grid))


def _inside(family, lower, upper):
    """Return intervals of means, cut where y ends."""
    low, high = family.support.low, family.support.high
    return np.maximum(lower, low), np.minimum(upper, high)


def _delta(results, exog, count):
    """Return the standard errors (count,) of the averages of as many equal parts of the means."""
    model = results.model
    likelihood = model.new_rows(exog).likelihood(results.family, model.known)
    raw = likelihood.raw(results.coef)
    _, slope, _ = results.family.mean_derivatives(raw, second=False)
    jacobian = np.zeros((count, likelihood.size))
    for a in likelihood.predicted:
        each = slope[:, a, None] * likelihood.designs[a]
        jacobian[:, likelihood.slices[a]] = each.reshape(count, -1, each.shape[1]).mean(axis=1)
    # The covariance is that of constants in natural units, the Jacobian that of raw values.
    jacobian /= results._natural[1]
    return np.sqrt(np.einsum("gp,pq,gq->g", jacobian, results._cov, jacobian))
