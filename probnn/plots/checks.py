"""Whether a model is right: what it forecast beside what came."""

import numpy as np
from scipy import stats

from probnn import calibration
from probnn.calibration import _checks
from probnn.calibration.residuals import quantile_residuals
from probnn.plots._axes import BAND, COLORS, MARKERS, POINT, REFERENCE, axes, legend_on_top, style

_MOST_POINTS = 5000  # of a cloud, or of a curve through sorted residuals


def reliability(y, d, *, level=0.9, resamples=100, seed=0, ax=None):
    """Draw how often what was forecast with a probability came: the CORP reliability diagram.

    Parameters
    ----------
    y : array_like, shape (n,) or (n, 1)
        The classes that were observed, 0, 1, ...
    d : Predictive
        Of the Bernoulli family, or of up to seven classes: each is drawn against the others.
    level : float
        The probability of the consistency band, pointwise.
    resamples, seed : int
        Of the consistency band: see `probnn.calibration.reliability`.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        As `probnn.calibration.reliability`; or for more than seven classes.

    Notes
    -----
    The line goes through the blocks of isotonic regression, within which forecasts are equally
    often right: Dimitriadis, Gneiting and Jordan (2021), doi:10.1073/pnas.2016191118. The band is
    where it lies with the probability `level` if the forecasts are right. The bars below are the
    histogram of the forecasts. The note decomposes the mean score into miscalibration,
    discrimination and uncertainty: score = MCB - DSC + UNC.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> d = pn.Predictive("bernoulli", {"probs": np.tile([0.1, 0.4, 0.8], 10)})
    >>> ax = pn.plots.reliability(np.tile([0, 1, 1], 10), d)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('forecast probability', 'observed share')
    """
    table = calibration.reliability(y, d, level=level, resamples=resamples, seed=seed)
    parts = calibration.decompose(y, d)
    probs, several = _checks.class_probs(d), "class" in table
    if several and probs.shape[1] > len(COLORS):
        raise ValueError(
            f"Expected at most {len(COLORS)} classes in one diagram. Received: {probs.shape[1]}. "
            "Draw some of those in the table, probnn.calibration.reliability."
        )
    groups = list(table.groupby("class")) if several else [(1, table)]
    ax = axes(ax)
    ax.plot([0.0, 1.0], [0.0, 1.0], **REFERENCE)
    strip = 0.12 if len(groups) == 1 else 0.06
    for i, (k, blocks) in enumerate(groups):
        band = BAND if len(groups) == 1 else {**BAND, "color": COLORS[i], "alpha": 0.12}
        name = None if i else f"{100 * level:g} % band if right"
        at, lower, upper = (blocks[key].to_numpy() for key in ("forecast", "lower", "upper"))
        if len(at) == 1:  # so that there is something to see
            at, lower, upper = at[0] + np.array([-0.01, 0.01]), lower.repeat(2), upper.repeat(2)
        ax.fill_between(at, lower, upper, label=name, **band)
        line = {**style(i), "marker": MARKERS[i], "markersize": 4}
        label = f"class {k}" if several else "forecasts"
        ax.plot(blocks["forecast"], blocks["observed"], label=label, **line)
        counts, edges = np.histogram(probs[:, int(k)], 40, (0.0, 1.0))
        heights, floor = 0.85 * strip * counts / counts.max(), -0.03 - strip * (i + 1)
        ax.bar(edges[:-1], heights, 1 / 40, floor, align="edge", color=COLORS[i])
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.04 - strip * len(groups), 1.03)
    ax.set_yticks(np.linspace(0.0, 1.0, 6))
    ax.set_xlabel("forecast probability")
    ax.set_ylabel("observed share")
    legend_on_top(ax)
    taken = (table["forecast"] > 0.7) & (table["observed"] < 0.45)
    place = (0.04, 0.95, "left", "top") if taken.any() else (0.98, 0.05, "right", "bottom")
    _note(ax, _decomposition(parts), *place, transform=ax.transData)
    return ax


def pit(y, d, *, bins=20, level=0.95, seed=0, ax=None):
    """Draw the histogram of the probability integral transform: flat, if the model is right.

    Parameters
    ----------
    y : array_like, shape (n,) or (n, 1)
        What was observed.
    d : Predictive
        What the model believes about it.
    bins : int
        How many.
    level : float
        The probability with which each bar of a right model ends in the band.
    seed : int
        For discrete families, whose transform is randomised.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        As `probnn.calibration.pit`.

    Notes
    -----
    Bars that are high at both ends tell of forecasts that are too sharp, a hump in the middle of
    too wide ones, a slope of a bias: Gneiting, Balabdaoui and Raftery (2007),
    doi:10.1111/j.1467-9868.2007.00587.x. The p-value is that of the Kolmogorov-Smirnov test of
    uniformity, for a model that was not fitted to these rows.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> d = pn.Predictive("normal", {"loc": np.zeros(100), "scale": 1.0})
    >>> ax = pn.plots.pit(np.linspace(-2.0, 2.0, 100), d)
    >>> ax.get_xlabel()
    'probability integral transform'
    """
    table = calibration.pit(y, d, bins=bins, level=level, seed=seed)
    test = calibration.uniformity_test(y, d, seed=seed)
    ax = axes(ax)
    left, widths = table["left"].to_numpy(), (table["right"] - table["left"]).to_numpy()
    bars = {"color": COLORS[3], "edgecolor": "white", "linewidth": 0.5, "label": "observed"}
    ax.bar(left, table["density"], widths, align="edge", **bars)
    edges = np.append(left, table["right"].iloc[-1])
    lower, upper = (np.append(table[k], table[k].iloc[-1]) for k in ("lower", "upper"))
    band = {**BAND, "color": "#444444", "step": "post", "zorder": 2}
    ax.fill_between(edges, lower, upper, label=f"{100 * level:g} % band if right", **band)
    ax.axhline(1.0, **REFERENCE)
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(0.0, 1.3 * max(table["density"].max(), table["upper"].max()))
    ax.set_xlabel("probability integral transform")
    ax.set_ylabel("density")
    ax.legend(loc="upper left", ncols=2, fontsize="small")
    _note(ax, _p_value(test.pvalue), 0.98, 0.96, "right", "top", transform=ax.transAxes)
    return ax


def coverage(y, d, *, levels=None, level=0.95, ax=None):
    """Draw the share of y inside central intervals against the share that the model expects.

    Parameters
    ----------
    y : array_like, shape (n,) or (n, 1)
        What was observed.
    d : Predictive, or dict
        What a model believes about it; or name -> Predictive, of up to seven models.
    levels : sequence of float, optional
        The levels of the intervals: see `probnn.calibration.coverage`.
    level : float
        The probability with which the share of a right model lies in the band.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        As `probnn.calibration.coverage`; for an empty dict, or for more than seven models.

    Notes
    -----
    Above the diagonal intervals are too wide, below too narrow. The expected share is the level for
    continuous y; intervals of discrete y hold more, as they end at whole numbers. The band is that
    of the first model.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> y = np.random.default_rng(0).normal(size=100)
    >>> d = {f"sigma = {s}": pn.Predictive("normal", {"loc": np.zeros(100), "scale": s})
    ...      for s in (1.0, 2.0)}
    >>> ax = pn.plots.coverage(y, d)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['sigma = 1.0', 'sigma = 2.0', '95 % band if right']
    """
    models = d if isinstance(d, dict) else {"observed": d}
    if not 1 <= len(models) <= len(COLORS):
        raise ValueError(f"Expected one to {len(COLORS)} models. Received: {len(models)}.")
    tables = {
        name: calibration.coverage(y, each, levels=levels, level=level)
        for name, each in models.items()
    }
    ax = axes(ax)
    ax.plot([0.0, 1.0], [0.0, 1.0], **REFERENCE)
    for i, (name, table) in enumerate(tables.items()):
        line = {**style(i), "marker": MARKERS[i], "markersize": 4}
        ax.plot(table["expected"], table["coverage"], label=str(name), zorder=3, **line)
    first = next(iter(tables.values())).sort_values("expected")
    band = {**BAND, "label": f"{100 * level:g} % band if right"}
    ax.fill_between(first["expected"], first["lower"], first["upper"], zorder=1, **band)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("expected share inside central intervals")
    ax.set_ylabel("observed share")
    ax.legend(fontsize="small")
    return ax


def residuals(y, d, *, kind="worm", level=0.95, seed=0, ax=None):
    """Draw residuals that have the same distribution for any family, if the model is right.

    Parameters
    ----------
    y : array_like, shape (n,) or (n, 1)
        What was observed.
    d : Predictive
        What the model believes about it.
    kind : {"worm", "qq", "fitted", "binned"}
        "worm": sorted quantile residuals, less what they should be, against what they should be.
        "qq": the same, not less. "fitted": quantile residuals against the mean, and a smooth curve.
        "binned": means of y less its mean in groups of rows with like means; for classes, of each.
    level : float
        The probability of the pointwise band.
    seed : int
        For discrete families, whose quantile residuals are randomised.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

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
    classes, and the band is z times the standard error of a group's mean: Gelman et al. (2000),
    doi:10.1111/1467-9876.00190. Of more than 5,000 rows, points are drawn for a part, with all of
    both tails.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> d = pn.Predictive("poisson", {"rate": np.full(100, 4.0)})
    >>> ax = pn.plots.residuals(d.sample(seed=0)[0], d)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('standard normal quantile', 'residual - quantile')
    """
    _checks.known("`kind`", kind, _KINDS)
    level = _checks.fraction(level)
    d, y = _checks.rows(y, d, censored=kind != "binned")
    if kind == "fitted" and d.mean().ndim > len(d._shape):
        raise ValueError(
            f"Expected one mean in each row. Received: {d!r}. Choose kind='binned' for classes."
        )
    residual = None if kind == "binned" else quantile_residuals(y, d, seed=seed).ravel()
    ax = axes(ax)
    _KINDS[kind](ax, y, d, residual, stats.norm.isf(0.5 * (1.0 - level)), f"{100 * level:g} %")
    return ax


# ---- residuals ----------------------------------------------------------------------------------


def _worm(ax, y, d, residual, z, share, detrended=True):
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


def _fitted(ax, y, d, residual, z, share):
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


def _binned(ax, y, d, residual, z, share):
    """Draw the means of y less its mean in groups of rows, and the band of a right model."""
    several = d.family.classes is not None
    if several:
        mean = _checks.class_probs(d)
        variance, seen = mean * (1.0 - mean), y.ravel()[:, None] == np.arange(mean.shape[1])
    else:
        mean, variance, seen = (v.reshape(-1, 1) for v in (d.mean(), d.variance(), y))
    count = round(min(np.sqrt(len(mean)), 15 if several else 40))
    band = f"{share} band if right"
    for k, forecast in enumerate(mean.T):
        groups = np.array_split(np.argsort(forecast, kind="stable"), count)
        middle = np.array([forecast[rows].mean() for rows in groups])
        gap = np.array([(seen[rows, k] - forecast[rows]).mean() for rows in groups])
        half = z * np.array([np.sqrt(variance[rows, k].sum()) / len(rows) for rows in groups])
        color, marker = COLORS[k % len(COLORS)], MARKERS[k % len(MARKERS)]
        points = {"marker": marker, "color": color, "markersize": 5, "linestyle": "none"}
        if several:
            ax.plot(middle, half, color=color, linewidth=0.8, label=None if k else band)
            ax.plot(middle, -half, color=color, linewidth=0.8)
        else:
            ax.fill_between(middle, -half, half, label=band, **BAND)
        ax.plot(middle, gap, label=f"class {k}" if several else "groups of rows", **points)
    ax.axhline(0.0, **REFERENCE)
    ax.set_xlabel("forecast probability" if _checks.has_classes(d) else "predicted mean")
    ax.set_ylabel("mean of observed - predicted")
    legend_on_top(ax)


_KINDS = {"worm": _worm, "qq": _qq, "fitted": _fitted, "binned": _binned}


# ---- notes in a corner --------------------------------------------------------------------------


def _note(ax, text, x, y, side, end, **kwargs):
    box = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    ax.text(x, y, text, ha=side, va=end, bbox=box, fontsize="small", linespacing=1.3, **kwargs)


def _p_value(p):
    return "KS p < 0.001" if p < 0.001 else f"KS p = {p:.3f}"


def _decomposition(parts):
    """Write the parts of the mean Brier score, one on each line."""
    names = {
        "Brier": "score",
        "MCB": "miscalibration",
        "DSC": "discrimination",
        "UNC": "uncertainty",
    }
    return "\n".join(f"{short} {parts[name]:.4f}" for short, name in names.items())
