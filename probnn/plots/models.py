"""Coefficients of models side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probnn.calibration import checks
from probnn.data import to_numpy
from probnn.data.alignment import RowIndex
from probnn.fitted.dispatch import named
from probnn.fitted.tables import CONSTANTS, labelled, split_name, to_table
from probnn.plots._axes import COLORS, MARKERS, REFERENCE, axes, on_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from probnn._types import AnyModel, ArrayLike, Rows


def coefficient_table(
    models: AnyModel,
    *,
    level: float = 0.95,
    names: Sequence[str] | None = None,
    intercept: bool = False,
    x: Rows = None,
    y: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the coefficients of fitted models with their confidence intervals.

    Parameters
    ----------
    models : dict of name to model, a list of models, or one model
        Those of a list are called model 1, model 2, ... Networks that end in one `Head`, whose
        layers before it are linear; results of probnn.glm or of statsmodels; fitted estimators of
        scikit-learn.
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
    normal distribution; of a posterior it is the central interval, and the estimate the mean.

    Examples
    --------
    >>> import probnn as pn
    >>> results = pn.glm.OLS([1.0, 2.0, 4.0, 4.0], [[1, 0], [1, 1], [1, 2], [1, 3]]).fit()
    >>> pn.plots.coefficient_table(results).round(2).to_numpy().tolist()
    [['OLS', 'x1', 1.1, -0.04, 2.24]]
    """
    return table_of(read(models, x, y), checks.fraction(level), names, intercept)


def read(models, x=None, y=None):
    """Return the `Fit` of each of models; raise if one has no coefficients of x."""
    if isinstance(models, (list, tuple)):
        models = {f"model {i + 1}": model for i, model in enumerate(models)}
    models, labels = named((models,))
    table = None if x is None else to_table(x)
    y = None if y is None else to_numpy(RowIndex.of(x, "x").align(y, "y")).ravel()
    fits = [model.read(label, table, y) for model, label in zip(models, labels, strict=True)]
    for fit in fits:
        if fit.hidden:
            raise ValueError(
                f"Expected networks whose layers before the head are linear. Received: "
                f"{fit.name!r}, with hidden layers, which has no coefficients of x: draw "
                "probnn.plots.effect."
            )
    return fits


def table_of(fits, level, names, intercept):
    """Return `coefficient_table` of fits."""
    found = []
    for fit in fits:
        for (name, estimate), ends in zip(fit.coef.items(), fit.interval(level), strict=True):
            if names is None and not intercept and _is_constant(name, fit):
                continue
            found.append((fit.name, labelled(name, fits), estimate, *ends))
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


@on_axes
def coefficients(
    models: AnyModel,
    *,
    level: float = 0.95,
    names: Sequence[str] | None = None,
    intercept: bool = False,
    x: Rows = None,
    y: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the coefficients of fitted models side by side, with their confidence intervals.

    Parameters
    ----------
    models, level, names, intercept, x, y
        As for `coefficient_table`.
    {axes}

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
        sides = part["estimate"] - part["lower"], part["upper"] - part["estimate"]
        ax.errorbar(
            part["estimate"],
            places + 0.6 * ((i + 0.5) / len(labels) - 0.5),
            xerr=np.nan_to_num(np.array(sides)),
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


def _is_constant(name, fit):
    """Return whether a coefficient is a constant, or a parameter that is one number."""
    prefix, core, _ = split_name(name)
    return core in CONSTANTS or bool(not prefix and fit.inputs and core not in fit.inputs)
