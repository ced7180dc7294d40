"""The effect of one input on the mean that a model predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probnn.calibration import checks
from probnn.data.classes import Classes
from probnn.plots._axes import BAND, COLORS, axes, on_axes
from probnn.plots._inputs import Inputs, inside

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probnn._types import AnyModel, ArrayLike, Rows

_MOST = 1000  # rows that an effect is averaged over
_FEW = 15  # values that are marked


def partial_dependence(
    model: AnyModel,
    x: Rows,
    feature: str | int,
    *,
    of: int | str | None = None,
    level: float = 0.9,
    grid: int | ArrayLike = 50,
) -> pd.DataFrame:
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
    of : int or str, optional
        Of a model of classes, that whose probability is averaged: its label, else its code.
    level : float
        The probability of the interval.
    grid : int or array_like
        How many values, evenly spaced over those of x, or the values. A column with fewer values
        has those.

    Returns
    -------
    pandas.DataFrame
        Columns value, mean, lower and upper. Between lower and upper lies: for `Results`, the
        confidence interval of the averaged mean, by the delta method, NaN for penalised ones; for a
        `DeepEnsemble`, the averaged mean +- z standard deviations of those of its members; for
        others, the average of the central intervals of a new y, NaN for a binary y and for classes.
        The first two end where y does.

    Raises
    ------
    ValueError
        For an unknown column or one of text, a model of several responses, a class that is none, a
        level that is not between 0 and 1, or values that are not finite.

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
    return _averaged(Inputs(model, x), feature, of, level, grid)[0]


@on_axes
def effect(
    model: AnyModel,
    x: Rows,
    feature: str | int,
    *,
    of: int | str | None = None,
    level: float = 0.9,
    grid: int | ArrayLike = 50,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean that a model predicts at values of one input, averaged over rows.

    Parameters
    ----------
    model, x, feature, of, level, grid
        As for `partial_dependence`.
    {axes}
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
    rows = Inputs(model, x)
    frame, kind = _averaged(rows, feature, of, level, grid)
    feature = rows.name_of(feature)
    ax = axes(ax)
    line = {"color": COLORS[0], "linewidth": 1.8, "label": "mean" if of is None else "probability"}
    # Few values may stand at uneven distances: marks tell them from what joins them.
    marker = "o" if len(frame) <= _FEW else None
    ax.plot(frame["value"], frame["mean"], marker=marker, markersize=5, **line)
    if frame["lower"].notna().any():
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
    shown = f"mean of {rows.y_name}" if of is None else f"P({rows.y_name} = {of})"
    ax.set(xlabel=str(feature), ylabel=f"{shown}, averaged over rows")
    ax.set_title(rows.index.note, fontsize="medium")
    ax.legend(loc="best")
    return ax


def _averaged(rows, feature, of, level, grid):
    """Return the table of `partial_dependence`, and what its interval is, in words."""
    checks.fraction(level)
    feature = rows.name_of(feature)
    values = _values(rows.table[feature].to_numpy(dtype="float64"), grid)
    n = len(rows.table)
    table = rows.table.iloc[np.linspace(0, n - 1, min(n, _MOST)).round().astype(int)]
    m = len(table)
    tiled = pd.concat([table] * len(values), ignore_index=True)
    tiled[feature] = np.repeat(values, m)

    d = rows.believed(tiled)
    code = _code(d, of)

    def average(each):
        """Return the averages of the rows of each value, of a class if one is asked for."""
        each = np.asarray(each) if code is None else np.asarray(each)[:, code]
        return each.reshape(len(values), m).mean(axis=1)

    mean = average(d.mean())
    half, kind = rows.half_width(tiled, d, average, len(values), code, level)
    if half is not None:
        lower, upper = inside(d.family, mean - half, mean + half)
    else:
        kind = "interval of a new y, averaged"
        ends = (np.nan, np.nan)
        if d.family.kind != "binary" and of is None:
            ends = (average(end) for end in d.interval(level))
        lower, upper = ends
    frame = pd.DataFrame({"value": values, "mean": mean, "lower": lower, "upper": upper})
    return frame, kind


def _values(column, grid):
    """Return the values of a column at which the mean is averaged."""
    if np.ndim(grid):
        values = np.asarray(grid, dtype="float64").ravel()
        if not values.size or not np.isfinite(values).all():
            raise ValueError(f"Expected a grid of finite numbers. Received: {grid!r}.")
        return values
    grid = checks.count(grid, "grid", 2)
    own = np.unique(column)
    return own if len(own) <= grid else np.linspace(own[0], own[-1], grid)


def _code(d, of):
    """Return the code of a class, None of numbers; raise if `of` is none, or means are vectors."""
    shape = d.mean().shape[1:]
    if d.family.classes is None or len(shape) != 1:
        if shape or of is not None:
            raise ValueError(
                f"Expected a model of one number, and of= for one of classes alone. Received: "
                f"{d.family!r}, whose means have shape {shape} in each row, and of={of!r}."
            )
        return None
    labels = d.classes.tolist()
    if of not in labels or type(of) is bool is not type(labels[labels.index(of)]):
        raise ValueError(
            f"Expected of= one of the classes, {Classes(labels)}, for a model of classes. "
            f"Received: of={of!r}."
        )
    return labels.index(of)
