"""Residuals, which have one distribution for any family if the model is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from probnn.calibration import checks
from probnn.calibration._groups import grouped
from probnn.calibration.residuals import quantile_residuals
from probnn.plots._axes import BAND, COLORS, MARKERS, POINT, REFERENCE, axes, legend_on_top, on_axes
from probnn.plots._inputs import fitted_rows

if TYPE_CHECKING:
    from typing import Literal

    from matplotlib.axes import Axes

    from probnn._types import ArrayLike
    from probnn.glm.results import Results
    from probnn.predictive import Predictive

_MOST_POINTS = 5000  # of a cloud, or of a curve through sorted residuals


@on_axes
def residuals(
    y: ArrayLike | Results,
    d: Predictive | None = None,
    *,
    kind: Literal["worm", "qq", "fitted", "binned"] = "worm",
    level: float = 0.95,
    seed: int | np.random.Generator = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw residuals that have the same distribution for any family, if the model is right.

    Parameters
    ----------
    y : array_like, shape (n,) or (n, 1); or Results
        What was observed; or results that hold the rows that they were fitted to.
    d : Predictive, optional
        What the model believes about it; of results, what they say of their rows.
    kind : {"worm", "qq", "fitted", "binned"}
        "worm": sorted quantile residuals, less what they should be, against what they should be.
        "qq": the same, not less. "fitted": quantile residuals against the mean, and a smooth curve.
        "binned": means of y less its mean in groups of rows with like means; for classes, of each.
    level : float
        The probability of the pointwise band.
    seed : int
        For discrete families, whose quantile residuals are randomised.
    {axes}

    Raises
    ------
    ValueError
        For an unknown kind, classes against a mean, or as `quantile_residuals`.

    Notes
    -----
    Quantile residuals: `probnn.calibration.quantile_residuals`. The worm plot is that of van Buuren
    and Fredriks (2001), doi:10.1002/sim.746: a level other than 0 tells of a bias, a slope of a
    wrong scale, a bend of a wrong skewness, an S of wrong tails. Its band, and that of the
    quantiles, is z sqrt(p (1 - p) / n) / phi(q) about q, the standard normal quantile at p =
    (i - 1/2) / n. The curve of "fitted" is Cleveland's lowess (1979), doi:10.2307/2286407, of at
    most 5,000 rows, evenly taken by their means. Groups of "binned" are sqrt(n), at most 40, 15 of
    classes, fewer where rows have equal forecasts, which stay together; the band is z times the
    standard error of a group's mean: Gelman et al. (2000), doi:10.1111/1467-9876.00190. Of more
    than 5,000 rows, points are drawn for a part, with all of both tails.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> d = pn.Predictive("poisson", {"rate": np.full(100, 4.0)})
    >>> ax = pn.plots.residuals(d.sample(seed=0)[0], d)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('standard normal quantile', 'residual - quantile')
    """
    checks.known("`kind`", kind, _KINDS)
    level = checks.fraction(level)
    if d is None:
        _, y, d = fitted_rows(y)
    names = checks.predictive(d).classes
    d, y = checks.rows(y, d, censored=kind != "binned")
    if kind == "fitted" and d.mean().ndim > len(d.shape):
        raise ValueError(
            f"Expected one mean in each row. Received: {d!r}. Choose kind='binned' for classes."
        )
    residual = None if kind == "binned" else quantile_residuals(y, d, seed=seed).ravel()
    ax = axes(ax)
    z, share = stats.norm.isf(0.5 * (1.0 - level)), f"{100 * level:g} %"
    if kind == "binned":
        _binned(ax, y, d, names, z, share)
    else:
        _KINDS[kind](ax, d, residual, z, share)
    return ax


# ---- kinds of plots -----------------------------------------------------------------------------


def _worm(ax, d, residual, z, share, detrended=True):
    """Draw sorted residuals against normal quantiles, and the band of a right model."""
    n = len(residual)
    bound = max(stats.norm.isf(0.5 / n), 1.0)
    q = np.linspace(-bound, bound, 201)
    half = z * np.sqrt(stats.norm.cdf(q) * stats.norm.sf(q) / n) / stats.norm.pdf(q)
    trend = 0.0 if detrended else q
    ax.fill_between(q, trend - half, trend + half, label=f"{share} band if right", **BAND)
    ax.plot(q, trend + 0.0 * q, **REFERENCE)
    i = np.arange(n)
    if n > _MOST_POINTS:  # those nearest to equal steps of the quantile
        p = stats.norm.cdf(np.linspace(-bound, bound, _MOST_POINTS))
        i = np.unique(np.clip(np.round(n * p - 0.5), 0, n - 1).astype(int))
    quantile = stats.norm.ppf((i + 0.5) / n)
    value = np.sort(residual)[i] - (quantile if detrended else 0.0)
    ax.plot(quantile, value, label="residuals", **{**POINT, "alpha": 0.8})
    if detrended:
        top = max(1.5 * half[100], 1.15 * np.abs(value).max(), 3.0 * half[100])
        ax.set_ylim(-top, top)
    ax.set_xlabel("standard normal quantile")
    ax.set_ylabel("residual - quantile" if detrended else "quantile residual")
    legend_on_top(ax)


def _qq(*args):
    _worm(*args, detrended=False)


def _fitted(ax, d, residual, z, share):
    """Draw residuals against the mean, and a smooth curve that is 0 for a right model."""
    from statsmodels.nonparametric.smoothers_lowess import lowess

    mean = d.mean().ravel()
    order = np.argsort(mean, kind="stable")
    if len(order) > _MOST_POINTS:
        order = order[np.linspace(0, len(order) - 1, _MOST_POINTS).round().astype(int)]
    mean, residual = mean[order], residual[order]
    ax.plot(mean, residual, label="residuals", **POINT)
    ax.axhline(0.0, **REFERENCE)
    for end in (-z, z):
        ax.axhline(end, color="#777777", linewidth=1, linestyle=":")
    if mean[0] < mean[-1]:
        near = 0.01 * (mean[-1] - mean[0])
        smooth = lowess(residual, mean, delta=near, is_sorted=True, return_sorted=False)
        fine = np.isfinite(smooth)
        ax.plot(mean[fine], smooth[fine], color=COLORS[4], linewidth=2, label="smooth (lowess)")
    ax.set_xlabel("predicted mean")
    ax.set_ylabel("quantile residual")
    legend_on_top(ax)


def _binned(ax, y, d, names, z, share):
    """Draw the means of y less its mean in groups of rows, and the band of a right model."""
    several = d.family.classes is not None
    if several:
        mean = checks.class_probs(d)
        variance, seen = mean * (1.0 - mean), y.ravel()[:, None] == np.arange(mean.shape[1])
    else:
        mean, variance, seen = (v.reshape(-1, 1) for v in (d.mean(), d.variance(), y))
    count = round(min(np.sqrt(len(mean)), 15 if several else 40))
    band = f"{share} band if right"
    for k, forecast in enumerate(mean.T):
        group = grouped(forecast, count)
        rows = np.bincount(group)
        middle = np.bincount(group, forecast) / rows
        gap = np.bincount(group, seen[:, k] - forecast) / rows
        half = z * np.sqrt(np.bincount(group, variance[:, k])) / rows
        color, marker = COLORS[k % len(COLORS)], MARKERS[k % len(MARKERS)]
        points = {"marker": marker, "color": color, "markersize": 5, "linestyle": "none"}
        if several:
            ax.plot(middle, half, color=color, linewidth=0.8, label=None if k else band)
            ax.plot(middle, -half, color=color, linewidth=0.8)
        else:
            ax.fill_between(middle, -half, half, label=band, **BAND)
        ax.plot(middle, gap, label=f"class {names[k]}" if several else "groups of rows", **points)
    ax.axhline(0.0, **REFERENCE)
    ax.set_xlabel("forecast probability" if d.family.has_classes else "predicted mean")
    ax.set_ylabel("mean of observed - predicted")
    legend_on_top(ax)


_KINDS = {"worm": _worm, "qq": _qq, "fitted": _fitted, "binned": _binned}
