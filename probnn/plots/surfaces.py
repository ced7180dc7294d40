"""What a model believes over two inputs: the surface of a probability, and its boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn.calibration import checks
from probnn.data.frames import name_of
from probnn.plots._axes import COLORS, MARKERS, POINT, axes, on_axes
from probnn.plots._inputs import Inputs
from probnn.predictive import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from probnn._types import AnyModel, ArrayLike, Rows

_LAYERS = 30  # of points, each with some of every class, so that none covers the others
_PAD = 0.05  # of the range, on each side


@on_axes
def decision_boundary(
    model: AnyModel,
    x: Rows,
    y: ArrayLike | None = None,
    *,
    features: Sequence[str | int] | None = None,
    grid: int = 200,
    level: float = 0.5,
    ax: Axes | None = None,
) -> Axes:
    """Draw P(Y = 1 | x) over two inputs, the line where it has a level, and the data.

    Parameters
    ----------
    model : probnn.Model, DeepEnsemble, Results, or a recalibrated model
        Of the Bernoulli family, or of classes: then the regions of the most probable class, the
        darker the more probable it is, and no level.
    x : array_like, shape (n, p)
        The rows that are drawn, as the model takes them: for `Results` with the constant, or the
        data frame of a formula.
    y : array_like, shape (n,), optional
        Their classes, labels where the model knows them, else 0, 1, ...; the name of a pandas
        Series is what the legend calls them.
    features : sequence of 2 str or int, optional
        The columns of the horizontal and the vertical axis, by name or number. They may be left out
        if two columns vary.
    grid : int
        The points along each axis: the model predicts grid x grid rows.
    level : float
        The probability on the line.
    {axes}

    Raises
    ------
    ValueError
        If the model has no probabilities of classes, the columns are not two, y does not fit, the
        level is not between 0 and 1, or the grid is less than 2.

    Notes
    -----
    Other columns are held at their median, text at its most frequent value, as the title says.
    Points are drawn in random order. Where most share their place with others, as on a grid, they
    are moved at random by less than a third of the least distance of two places.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> x = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [1.0, 2.0], [2.0, 2.0], [0.0, 0.0]])
    >>> y = np.array([0, 1, 1, 0, 1, 0])
    >>> results = pn.glm.Logit(y, np.column_stack([np.ones(6), x])).fit_regularized(1.0)
    >>> ax = pn.plots.decision_boundary(results, np.column_stack([np.ones(6), x]), y, grid=20)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('x1', 'x2')
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"Expected a level between 0 and 1. Received: {level}.")
    grid = checks.count(grid, "grid", 2)
    rows = Inputs(model, x)
    shown = _two_columns(rows, features)
    sides = [_padded(rows.table[name].to_numpy(dtype="float64"), grid) for name in shown]
    mesh = [values.ravel() for values in np.meshgrid(*sides)]
    table, held = rows.holding(dict(zip(shown, mesh, strict=True)))
    believed = rows.believed(table)
    family, probs = believed.family, believed.mean()
    if family.kind != "binary" and (family.classes is None or probs.ndim != 2):
        raise ValueError(f"Expected a model of probabilities of classes. Received: {family!r}.")
    name = name_of(y) or rows.y_name
    if y is not None:
        _, y = believed.coded(rows.response(y))
        y = numbers(y).ravel()
        if len(y) != len(rows.table):
            raise ValueError(
                f"Expected y with a class for each of the {len(rows.table)} rows of x. Received: "
                f"{len(y)} values of type {y.dtype}."
            )
        family.check(y)
    ax = axes(ax)
    line = _draw_probability if probs.ndim == 1 else _draw_classes
    names = [f"{name} = {label}" for label in believed.classes]
    handles = line(ax, sides, probs.reshape(grid, grid, *probs.shape[1:]), level, names)
    _scatter(ax, rows.table[list(shown)].to_numpy(dtype="float64"), y, names, handles)
    ax.set(xlabel=str(shown[0]), ylabel=str(shown[1]))
    ax.set_title(held, fontsize="medium")
    return ax


def _two_columns(rows, features):
    """Return the names of the two columns that are shown."""
    if features is None:
        features = [c for c in rows.numeric if rows.table[c].nunique() > 1]
        if len(features) != 2:
            raise ValueError(
                "Expected `features`, the two columns to show, where other than two vary. "
                f"Received: none, and {len(features)} columns: {', '.join(map(str, features))}."
            )
    if isinstance(features, str) or len(features) != 2:
        raise ValueError(f"Expected `features` to be two columns. Received: {features!r}.")
    shown = tuple(rows.name_of(feature) for feature in features)
    if shown[0] == shown[1]:
        raise ValueError(f"Expected two different columns. Received: {shown[0]!r} twice.")
    return shown


def _padded(values, grid):
    """Return points from below the least to above the largest value."""
    low, high = values.min(), values.max()
    pad = _PAD * (high - low) or 1.0
    return np.linspace(low - pad, high + pad, grid)


def _draw_probability(ax, sides, probs, level, names):
    """Draw the surface of one probability and the line at the level; return legend handles."""
    from matplotlib.lines import Line2D

    filled = ax.contourf(*sides, probs, np.linspace(0.0, 1.0, 11), cmap="Greys", vmax=2.0)
    ax.figure.colorbar(filled, ax=ax, label=f"P({names[1]})")
    if not probs.min() < level < probs.max():  # matplotlib warns of levels that are nowhere
        return []
    line = {"color": "black", "linewidth": 1.8}
    ax.contour(*sides, probs, [level], colors=line["color"], linewidths=line["linewidth"])
    return [Line2D([], [], label=f"P({names[1]}) = {level:g}", **line)]


def _draw_classes(ax, sides, probs, level, names):
    """Draw the region of each class, the more colour the more probable; no legend handles."""
    from matplotlib.colors import to_rgb

    best = probs.argmax(axis=-1)
    colors = np.array([to_rgb(COLORS[c % len(COLORS)]) for c in range(probs.shape[-1])])
    weight = 0.45 * probs.max(axis=-1)[..., None] ** 2
    ax.pcolormesh(*sides, 1.0 - weight * (1.0 - colors[best]), shading="nearest", rasterized=True)
    for c in np.unique(best):
        lead = probs[..., c] - np.delete(probs, c, axis=-1).max(axis=-1)
        if lead.min() < 0.0 < lead.max():
            ax.contour(*sides, lead, [0.0], colors="black", linewidths=1.2)
    return []


def _scatter(ax, points, y, names, handles):
    """Draw the rows, those of each class alike, and the legend."""
    rng = np.random.default_rng(0)
    points, many = _apart(points, rng), len(points) > 1000
    if y is None:
        ax.plot(*points.T, **POINT)
    else:
        layers = np.array_split(rng.permutation(len(points)), min(_LAYERS, len(points)))
        for i, value in enumerate(np.unique(y)):
            look = {
                "color": COLORS[i % len(COLORS)],
                "marker": MARKERS[i % len(MARKERS)],
                "markersize": 3.5 if many else 5,
                "markeredgecolor": "white",
                "markeredgewidth": 0.3 if many else 0.5,
                "linestyle": "none",
            }
            for j, layer in enumerate(layers):
                here = points[layer[y[layer] == value]]
                ax.plot(*here.T, zorder=2.0 + j / len(layers), **look)
            ax.plot([], [], label=names[int(value)], **{**look, "markersize": 6})
    handles = [*ax.get_legend_handles_labels()[0], *handles]
    if handles:
        ax.legend(handles=handles, loc="best", fontsize="small")


def _apart(points, rng):
    """Return points moved at random, where most share their place with others."""
    if 2 * len(np.unique(points, axis=0)) > len(points):
        return points
    moved = points.copy()
    for j, column in enumerate(points.T):
        own = np.unique(column)
        if len(own) > 1:
            most = min(0.3 * np.diff(own).min(), 0.8 * _PAD * (own[-1] - own[0]))
            moved[:, j] += rng.uniform(-most, most, len(column))
    return moved
