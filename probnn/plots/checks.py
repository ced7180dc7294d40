"""Whether a model is right: what it forecast beside what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import calibration
from probnn.calibration import checks
from probnn.data.classes import Classes
from probnn.plots._axes import BAND, COLORS, MARKERS, REFERENCE, axes, legend_on_top, on_axes, style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from probnn._types import ArrayLike
    from probnn.predictive import Predictive


@on_axes
def reliability(
    y: ArrayLike,
    d: Predictive,
    *,
    classes: ArrayLike | None = None,
    level: float = 0.9,
    resamples: int = 100,
    seed: int | np.random.Generator = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw how often what was forecast with a probability came: the CORP reliability diagram.

    Parameters
    ----------
    y : array_like, shape (n,) or (n, 1)
        The classes that were observed: labels where d knows them, else 0, 1, ...
    d : Predictive
        Of the Bernoulli family, or of classes: each is drawn against all others.
    classes : sequence, optional
        Those that are drawn, at most seven; by default all.
    level : float
        The probability of the consistency band, pointwise.
    resamples, seed : int
        Of the consistency band: see `probnn.calibration.reliability`.
    {axes}

    Raises
    ------
    ValueError
        As `probnn.calibration.reliability`; for more than seven classes, or codes that are none.

    Notes
    -----
    The line goes through the blocks of isotonic regression, within which forecasts are equally
    often right: Dimitriadis, Gneiting and Jordan (2021), doi:10.1073/pnas.2016191118. The band is
    where it lies with the probability `level` if the forecasts are right. The bars below are the
    histogram of the forecasts. The note decomposes the mean score into miscalibration,
    discrimination and uncertainty: score = MCB - DSC + UNC; it is of all classes, drawn or not.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> d = pn.Predictive("bernoulli", {"probs": np.tile([0.1, 0.4, 0.8], 10)})
    >>> ax = pn.plots.reliability(np.tile([0, 1, 1], 10), d)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('forecast probability', 'observed share')
    """
    probs, _ = checks.classes(y, d, "their reliability")
    several = d.family.classes is not None
    if classes is not None and not several:
        raise ValueError(f"Expected classes to be left out for {d!r}. Received: {classes!r}.")
    codes = _codes(classes, d) if several else [1]
    table = calibration.reliability(y, d, level=level, resamples=resamples, seed=seed)
    parts = calibration.decompose(y, d)
    if several:
        table = table[table["class"].isin(d.classes[codes])]
        groups = [(k, table[table["class"] == d.classes[k]]) for k in codes]
    else:
        groups = [(1, table)]
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
        label = f"class {d.classes[k]}" if several else "forecasts"
        ax.plot(blocks["forecast"], blocks["observed"], label=label, **line)
        counts, edges = np.histogram(probs[:, k], 40, (0.0, 1.0))
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


@on_axes
def pit(
    y: ArrayLike,
    d: Predictive,
    *,
    bins: int = 20,
    level: float = 0.95,
    seed: int | np.random.Generator = 0,
    ax: Axes | None = None,
) -> Axes:
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
    {axes}

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


@on_axes
def coverage(
    y: ArrayLike,
    d: Predictive | Mapping[str, Predictive],
    *,
    levels: ArrayLike | None = None,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
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
    {axes}

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


# ---- classes ------------------------------------------------------------------------------------


def _codes(classes, d):
    """Return the codes of the classes that are drawn, or raise."""
    own = Classes(d.classes)
    if classes is None and len(own) > len(COLORS):
        raise ValueError(
            f"Expected at most {len(COLORS)} classes in one diagram. Received: {len(own)}. Choose "
            f"some, as classes={[*own][:2]}."
        )
    chosen = np.atleast_1d(own.labels if classes is None else classes)
    codes = own.encode(chosen, "one of classes=").astype(int).ravel().tolist()
    if not 1 <= len(codes) <= len(COLORS) or len({*codes}) < len(codes):
        raise ValueError(f"Expected one to {len(COLORS)} different classes. Received: {classes!r}.")
    return codes


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
