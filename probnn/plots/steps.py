"""Gradient descent on the loss of one weight, at several learning rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probnn import families
from probnn.calibration import checks
from probnn.data import align_all, to_numpy
from probnn.fitting.likelihood import Likelihood
from probnn.fitting.solve import solve
from probnn.glm.model import GLM
from probnn.plots._axes import COLORS, MARKERS, axes, on_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probnn._types import ArrayLike
    from probnn.families.base import Family


def descent(
    x: ArrayLike,
    y: ArrayLike,
    *,
    family: str | Family = "bernoulli",
    learning_rates: ArrayLike | None = None,
    steps: int = 15,
    start: float | None = None,
) -> pd.DataFrame:
    """Return the paths of gradient descent on the mean negative log-likelihood of one weight.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        One input, and the responses. The model's raw location is w x, without an intercept.
    family : str or Family
        Its other parameters are those of the marginal distribution of y.
    learning_rates : sequence of float, optional
        By default three: 1 / h, which is good, and 0.05 / h, too small, with h the largest
        curvature on a line from the start to the optimum; and a rate that is too large: 1.05 times
        that at which the first step leaves the loss as it is, and 1.2 times as much until none of
        100 steps goes below the loss at the start.
    steps : int
        The steps of each path.
    start : float, optional
        The first weight. By default it is 0.3 / sqrt(h) from the optimum, on the side of zero,
        where the loss is still almost a parabola.

    Returns
    -------
    pandas.DataFrame
        Columns rate, step, weight and nll: for each rate the start, step 0, and every step as long
        as the weight is finite.

    Raises
    ------
    ValueError
        For shapes that do not fit, numbers that are not finite or positive, a y outside the
        family's support, a family of several raw locations, or data without an optimum.

    Notes
    -----
    w <- w - rate * d/dw NLL(w). Near the optimum a step multiplies the distance to it by
    1 - rate * h, so that the path converges for rates below 2 / h: Boyd and Vandenberghe, *Convex
    Optimization*, 2004, section 9.3, doi:10.1017/CBO9780511804441.

    Examples
    --------
    >>> import probnn as pn
    >>> x, y = [1.0, 2.0], [1.0, 4.0]
    >>> table = pn.plots.descent(x, y, family="normal", learning_rates=[0.1], start=0.0)
    >>> table["weight"][:2].round(6).tolist()  # the gradient at 0 is -4.5 / 2.25
    [0.0, 0.2]
    """
    curve = _Curve(x, y, family)
    steps = checks.count(steps, "steps")
    start = curve.near() if start is None else start
    if not np.isfinite(start):
        raise ValueError(f"Expected a finite start. Received: {start!r}.")
    rates = _default_rates(curve, start) if learning_rates is None else learning_rates
    rates = np.atleast_1d(np.asarray(rates, dtype="float64"))
    if not rates.size or not (np.isfinite(rates).all() and (rates > 0).all()):
        raise ValueError(f"Expected positive learning rates. Received: {learning_rates!r}.")
    table = []
    for rate in rates:
        for step, (weight, value) in enumerate(_walk(curve, start, rate, steps)):
            table.append((float(rate), step, weight, value))
    return pd.DataFrame(table, columns=["rate", "step", "weight", "nll"])


@on_axes
def gradient_descent(
    x: ArrayLike,
    y: ArrayLike,
    *,
    family: str | Family = "bernoulli",
    learning_rates: ArrayLike | None = None,
    steps: int = 15,
    start: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw gradient descent on the loss of one weight: at a good, a small and a large rate.

    Parameters
    ----------
    x, y, family, learning_rates, steps, start
        As for `descent`.
    {axes}

    Raises
    ------
    ValueError
        As `descent`.

    Examples
    --------
    >>> import probnn as pn
    >>> ax = pn.plots.gradient_descent([1.0, 2.0, 3.0], [1.0, 4.0, 5.0], family="normal")
    >>> ax.get_xlabel()
    'weight'
    """
    options = {"family": family, "steps": steps, "start": start}
    table = descent(x, y, learning_rates=learning_rates, **options)
    curve = _Curve(x, y, family)
    best = curve.optimum()
    # A path that runs away leaves the picture, at four times the distance of the start.
    away = 4.0 * (abs(table["weight"][0] - best) or 1.0)
    seen = table["weight"].clip(best - away, best + away)
    low, high = min(seen.min(), best), max(seen.max(), best)
    pad = 0.08 * (high - low)
    weights = np.linspace(low - pad, high + pad, 200)
    values = np.array([curve.at(weight)[0] for weight in weights])
    ax = axes(ax)
    ax.plot(weights, values, color="#777777", linewidth=1.2, label="mean NLL")
    words = (", good", ", too small", ", too large")
    # By their starts, as two rates may be equal.
    for i, path in table.groupby((table["step"] == 0).cumsum().to_numpy() - 1):
        note = words[i] if learning_rates is None else ""
        ax.plot(
            path["weight"],
            path["nll"],
            color=COLORS[i % len(COLORS)],
            marker=MARKERS[i % len(MARKERS)],
            linestyle=(0, (1, 1)),
            linewidth=1.0,
            markersize=5,
            markeredgecolor="black",
            markeredgewidth=0.4,
            label=f"rate {path['rate'].iloc[0]:.3g}{note}",
        )
    ax.plot(
        *(best, curve.at(best)[0]),
        **{"marker": "*", "color": "white", "markeredgecolor": "black", "markersize": 13},
        linestyle="none",
        zorder=1.5,
        label="optimum",
    )
    rise = values.max() - values.min()
    ax.set(
        xlabel="weight",
        ylabel="mean NLL (nats)",
        xlim=weights[[0, -1]],
        ylim=(values.min() - 0.06 * rise, values.max() + 0.06 * rise),
    )
    ax.legend(loc="best")
    return ax


class _Curve:
    """The mean NLL of a model whose raw location is w x, with its derivatives in w."""

    def __init__(self, x, y, family):
        x, y, _ = align_all(x, y)
        x, y = (to_numpy(values).astype("float64") for values in (x, y))
        x = x[:, 0] if x.ndim == 2 and x.shape[1] == 1 else x
        if x.ndim != 1 or y.shape != x.shape or not len(x):
            raise ValueError(
                "Expected x and y of shape (n,), one input and one response for each row. "
                f"Received: shapes {x.shape} and {y.shape}."
            )
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise ValueError("Expected x and y of finite numbers. Received: NaN or infinity.")
        family = families.get(family)
        if family.params[family.location].size is not None or family.y_columns is not None:
            raise ValueError(
                f"Expected a family of one location, of numbers. Received: {family!r}."
            )
        known, design = family.marginal(y), x[:, None]
        GLM(y, pd.DataFrame({"x": x}), family=family).check_identified()  # of classes apart, too
        self._likelihood = Likelihood(family, y, [design, *[None] * (family.size - 1)], known)
        # What derivatives leave out: the terms that depend on y alone.
        raw = self._likelihood.raw(np.zeros(1))
        self._rest = -float(np.sum(family.log_prob(y, raw))) - self._likelihood(np.zeros(1))[0]

    def at(self, weight):
        """Return the mean NLL, and its first and second derivative, at a weight."""
        value, slope, curvature = self._likelihood(np.array([weight]))
        n = len(self._likelihood)
        return (value + self._rest) / n, float(slope[0]) / n, float(curvature[0, 0]) / n

    def optimum(self):
        """Return the weight of the least loss."""
        best = solve(self._likelihood, np.zeros(1))
        if not best.converged:
            raise ValueError(
                "Expected data with a finite optimum. Received: a likelihood on which Newton's "
                "method found none."
            )
        return float(best.coef[0])

    def near(self):
        """Return a weight near the optimum, on the side of zero."""
        best = self.optimum()
        return best - np.copysign(0.3 / np.sqrt(self.at(best)[2]), best)


def _default_rates(curve, start):
    """Return a good, a too small and a too large learning rate."""
    best = curve.optimum()
    most = max(curve.at(weight)[2] for weight in np.linspace(start, best, 9))
    return [1.0 / most, 0.05 / most, _too_large(curve, start, 2.0 / most)]


def _too_large(curve, start, rate):
    """Return a rate from one on at which no step goes below the loss at the start."""
    value, slope, curvature = curve.at(start)
    if abs(slope) < 1e-12:  # at the optimum, which no rate leaves
        return 2.1 / curvature

    def rise(rate):
        return curve.at(start - rate * slope)[0] - value

    low = high = 0.5 * rate  # at which the loss falls, as the step ends before the optimum
    while rise(high) < 0.0:
        low, high = high, 2.0 * high
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if rise(middle) < 0.0 else (low, middle)
    rate = 1.05 * high
    while min(each for _, each in _walk(curve, start, rate, 100)) < value:
        rate *= 1.2
    return rate


def _walk(curve, start, rate, steps):
    """Yield the weights and losses of the start and of each step, as long as they are finite."""
    weight = float(start)
    for _ in range(steps + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            value, slope, _ = curve.at(weight)
        if not (np.isfinite(weight) and np.isfinite(value)):
            return
        yield weight, value
        weight -= rate * slope
