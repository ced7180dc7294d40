"""The loss over two coefficients: its surface, its gradient, and the path of an optimiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from probnn.bridge import HeadModel
from probnn.fitting.curvature import Curvature
from probnn.plots._axes import COLORS, axes, on_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras
    from matplotlib.axes import Axes

    from probnn._types import ArrayLike, Rows
    from probnn.training.callbacks import WeightPath

_BATCH = 500_000  # rows, those of all points of a grid, whose likelihood is computed at once


@dataclass(frozen=True)
class LossGrid:
    """The mean negative log-likelihood over two coefficients.

    Attributes
    ----------
    names : tuple of 2 str
        The coefficients.
    first, second : numpy.ndarray, shape (grid,)
        Their values.
    nll : numpy.ndarray, shape (grid, grid)
        nll[i, j] is that at second[i] and first[j], in nats.
    optimum : numpy.ndarray, shape (2,)
        Where it is least.
    at : numpy.ndarray, shape (2,)
        The network's own coefficients.
    path : numpy.ndarray, shape (steps, 2), or None
        The path, in these two coefficients.
    """

    names: tuple
    first: np.ndarray
    second: np.ndarray
    nll: np.ndarray
    optimum: np.ndarray
    at: np.ndarray
    path: np.ndarray | None
    _slice: object

    def gradient(self, points):
        """Return the gradient of the mean NLL in the two coefficients, at points (m, 2)."""
        return np.array([self._slice.gradient(point) for point in points])


def loss_grid(
    model: keras.Model,
    x: Rows,
    y: ArrayLike,
    *,
    weights: Sequence[int | str] = (0, 1),
    path: WeightPath | ArrayLike | None = None,
    span: ArrayLike | None = None,
    grid: int = 60,
) -> LossGrid:
    """Return the mean negative log-likelihood of a linear network over two of its coefficients.

    Parameters
    ----------
    model : keras.Model
        A network that ends in one `Head`, whose layers before it are linear.
    x, y : array_like, shape (n, p) and (n,)
        The data.
    weights : pair of int or str
        The coefficients, by number or by the names of `probnn.inference`; the constant is first.
    path : WeightPath, or array_like of shape (steps, 2) or (steps, coefficients), optional
        Coefficients in the units of the data, as `probnn.training.WeightPath` records them.
    span : pair of pairs, optional
        The ranges (low, high) of both coefficients. By default they hold the path, the network's
        own coefficients, and three standard errors around the optimum.
    grid : int
        The points along each axis.

    Returns
    -------
    LossGrid

    Raises
    ------
    ValueError
        If hidden layers are not linear, names or shapes do not fit, or there is no optimum.

    Notes
    -----
    Other coefficients are held at the optimum, which Newton's method finds. A constant parameter,
    as a scale, is on the scale of its link.
    """
    bridge = HeadModel(model, x, y)
    if bridge.is_conditional:
        raise ValueError(
            "Expected a network whose layers before the head are linear, so that the head's "
            "coefficients are those of x. Received: one with hidden layers."
        )
    names = list(bridge.full.parameter_names)
    pair = _pair(weights, names)
    own = bridge.coef()
    best = bridge.optimum(own)
    if not best.converged:
        raise ValueError(
            "Expected data with a finite optimum. Received: a likelihood on which Newton's method "
            "found none."
        )
    path = _read_path(path, pair, len(names))
    half = 3.0 * np.linalg.norm(Curvature(best.hessian).inverse_root(), axis=1)[pair]
    optimum = best.coef[pair]
    inside = np.vstack([optimum - half, optimum + half, own[pair], *([] if path is None else path)])
    sides = _sides(span, inside, grid)
    part = _Slice(bridge.full.likelihood(), best.coef, pair)
    natural = bridge.full.natural
    links = bridge.full.family.links
    labels = tuple(
        f"{links[natural[j]].name}({names[j]})" if j in natural else names[j] for j in pair
    )
    nll = part(np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)).reshape(grid, grid)
    return LossGrid(labels, *sides, nll, optimum, own[pair], path, part)


@on_axes
def loss_surface(
    model: keras.Model,
    x: Rows,
    y: ArrayLike,
    *,
    weights: Sequence[int | str] = (0, 1),
    path: WeightPath | ArrayLike | None = None,
    span: ArrayLike | None = None,
    grid: int = 60,
    gradient: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss of a linear network over two coefficients, its optimum, and a path to it.

    Parameters
    ----------
    model, x, y, weights, path, span, grid
        As for `loss_grid`.
    gradient : bool
        Whether arrows along the path, or at the network's own coefficients, show the direction of
        the negative gradient. Both axes then have one scale, on which arrows stand at right angles
        to contours: take two coefficients of about one size.
    {axes}

    Raises
    ------
    ValueError
        As `loss_grid`.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> x, y = np.array([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]]), np.array([0, 0, 1, 0, 1, 1])
    >>> neuron = pn.Sequential([keras.Input((1,)), pn.Head("bernoulli")])
    >>> ax = pn.plots.loss_surface(neuron, x, y, grid=20)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('const', 'x1')
    """
    options = {"weights": weights, "path": path, "grid": grid}
    found = loss_grid(model, x, y, span=span, **options)
    if gradient and span is None:  # with one scale, a narrow range would be a strip
        found = loss_grid(model, x, y, span=_square(found), **options)
    ax = axes(ax)
    levels = _levels(found.nll)
    ax.contour(found.first, found.second, found.nll, levels, colors="#777777", linewidths=0.7)
    filled = ax.contourf(
        found.first, found.second, found.nll, levels, cmap="Greys", vmax=_beyond(levels)
    )
    bar = ax.figure.colorbar(filled, ax=ax, label="mean NLL (nats)")
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    if found.path is not None:
        ax.plot(
            *found.path.T,
            **{"color": COLORS[4], "marker": ".", "markersize": 5, "linewidth": 1.8},
            label="path",
            zorder=3,
        )
        start = {"color": COLORS[4], "markeredgecolor": "black", "zorder": 3.1}
        ax.plot(*found.path[0], "o", label="start", **start)
    else:
        ax.plot(*found.at, "o", color=COLORS[4], markeredgecolor="black", label="network")
    ax.plot(
        *found.optimum,
        "*",
        **{"color": "white", "markeredgecolor": "black", "markersize": 13, "zorder": 3.2},
        label="optimum",
    )
    arrows = _draw_gradients(ax, found) if gradient else []
    if gradient:
        ax.set_aspect("equal", adjustable="box")
    ax.set(
        xlabel=found.names[0],
        ylabel=found.names[1],
        xlim=found.first[[0, -1]],
        ylim=found.second[[0, -1]],
    )
    handles = ax.get_legend_handles_labels()[0]
    ax.legend(handles=[*handles, *arrows], loc="best")
    return ax


class _Slice:
    """The mean NLL as a function of two coefficients, the others held."""

    def __init__(self, likelihood, coef, pair):
        self._likelihood, self._coef, self._pair = likelihood, coef, pair
        self._raw = likelihood.raw(coef)
        self._columns = []  # of each coefficient: the raw column, and the design's
        for j in pair:
            a = next(a for a in likelihood.predicted if j in range(self.size)[likelihood.slices[a]])
            self._columns.append(
                (a, likelihood.designs[a].toarray()[:, j - likelihood.slices[a].start])
            )

    @property
    def size(self):
        return self._likelihood.size

    def __call__(self, points):
        """Return the mean NLL at points (m, 2), with all terms of the density."""
        family, y = self._likelihood.family, self._likelihood.y
        step = max(1, _BATCH // len(y))
        found = []
        for block in np.split(points, range(step, len(points), step)):
            raw = np.repeat(self._raw[None], len(block), axis=0)
            for k, (a, column) in enumerate(self._columns):
                raw[:, :, a] += np.outer(block[:, k] - self._coef[self._pair[k]], column)
            repeated = np.broadcast_to(y, (len(block), *y.shape)).reshape(-1, *y.shape[1:])
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                each = family.log_prob(repeated, raw.reshape(-1, raw.shape[-1]))
            found.append(-np.asarray(each).reshape(len(block), -1).mean(axis=1))
        return np.concatenate(found)

    def gradient(self, point):
        """Return the gradient at a point (2,)."""
        coef = self._coef.copy()
        coef[self._pair] = point
        return self._likelihood(coef, second=False)[1][self._pair] / len(self._likelihood)


def _pair(weights, names):
    """Return the positions of two coefficients that are named or numbered."""
    if isinstance(weights, str) or np.size(weights) != 2:
        raise ValueError(f"Expected `weights` to be two coefficients. Received: {weights!r}.")
    found = []
    for each in weights:
        if isinstance(each, str) and each in names:
            found.append(names.index(each))
        elif isinstance(each, (int, np.integer)) and -len(names) <= each < len(names):
            found.append(int(each) % len(names))
        else:
            raise ValueError(
                f"Expected `weights` among the coefficients {', '.join(names)}, or their numbers "
                f"from 0 on. Received: {each!r}."
            )
    if found[0] == found[1]:
        raise ValueError(f"Expected two different coefficients. Received: {weights!r}.")
    return found


def _read_path(path, pair, size):
    if path is None:
        return None
    path = np.asarray(getattr(path, "path", path), dtype="float64")
    if path.ndim != 2 or path.shape[1] not in (2, size) or not len(path):
        raise ValueError(
            f"Expected a path of shape (steps, 2), or (steps, {size}) of all coefficients. "
            f"Received: shape {path.shape}."
        )
    if not np.isfinite(path).all():
        raise ValueError("Expected a path of finite numbers. Received: NaN or infinity.")
    return path[:, pair] if path.shape[1] == size else path


def _sides(span, inside, grid):
    """Return the values along both axes."""
    if span is None:
        low, high = inside.min(axis=0), inside.max(axis=0)
        pad = 0.08 * (high - low)
        span = zip(low - pad, high + pad, strict=True)
    span = np.array([*span], dtype="float64")
    if span.shape != (2, 2) or not (span[:, 0] < span[:, 1]).all():
        raise ValueError(
            "Expected span as ((low, high), (low, high)), the ranges of two coefficients. "
            f"Received: {span.tolist()}."
        )
    return [np.linspace(*ends, grid) for ends in span]


def _square(found):
    """Return the ranges, the shorter one made as long as the other."""
    ends = np.array([found.first[[0, -1]], found.second[[0, -1]]])
    middle, half = ends.mean(axis=1), np.diff(ends).max() / 2.0
    return np.column_stack([middle - half, middle + half])


def _levels(nll):
    """Return levels that are as close, relative to the rise, at the optimum as far from it."""
    seen = nll[np.isfinite(nll)]
    low, high = seen.min(), seen.max()
    return low + (high - low) * np.linspace(0.0, 1.0, 13) ** 2


def _beyond(levels):
    """Return a value that is black, so that no level is."""
    return levels[-1] + 0.6 * (levels[-1] - levels[0])


def _draw_gradients(ax, found, count=6):
    """Draw arrows of one length downhill, where they do not hide the optimum; return handles."""
    from matplotlib.lines import Line2D

    reach = 0.16 * min(np.ptp(found.first), np.ptp(found.second))
    points = found.at[None] if found.path is None else found.path
    points = points[np.linalg.norm(points - found.optimum, axis=1) > 0.5 * reach]
    if not len(points):
        return []
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    points = points[np.unique(np.searchsorted(length, np.linspace(0.0, 1.0, count) * length[-1]))]
    slope = -found.gradient(points)
    ax.quiver(
        *points.T,
        *(reach * slope / np.linalg.norm(slope, axis=1, keepdims=True)).T,
        angles="xy",
        scale_units="xy",
        scale=1.0,
        color=COLORS[0],
        width=0.008,
        zorder=2.5,  # under the path
    )
    look = {"marker": r"$\rightarrow$", "markersize": 14, "linestyle": "none"}
    return [Line2D([], [], color=COLORS[0], label="negative gradient", **look)]
