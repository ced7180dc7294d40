"""What a model believes: against one input, and of single rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn.calibration import checks
from probnn.data.frames import name_of
from probnn.plots._axes import COLORS, MARKERS, POINT, axes, legend_on_top, on_axes, style
from probnn.plots._inputs import Inputs, inside
from probnn.predictive import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probnn._types import AnyModel, ArrayLike, Rows
    from probnn.predictive import Predictive

_MOST_BARS = 60  # counts of one row; more are drawn as a line of steps


@on_axes
def predictive(
    model: AnyModel,
    x: Rows,
    y: ArrayLike | None = None,
    *,
    feature: str | int | None = None,
    levels: ArrayLike = (0.5, 0.9),
    epistemic: bool = False,
    beyond: float = 0.0,
    grid: int = 200,
    ax: Axes | None = None,
) -> Axes:
    """Draw what a model predicts against one input: mean and intervals, or class probabilities.

    Parameters
    ----------
    model : probnn.Model, DeepEnsemble or Results
        Anything with `predict_distribution` and one response.
    x : array_like, shape (n,) or (n, p)
        The rows whose range is drawn, as the model takes them; names of columns are those of the
        axis.
    y : array_like, shape (n,) or (n, 1), optional
        What was observed, drawn as points; the name of a Series is that of the axis. Two columns of
        bounds for a censored family, of successes and trials for one of proportions.
    feature : str or int, optional
        The input on the axis. Needed where more than one column varies; each of the others is held
        at its median, text at its most frequent value, as the title says.
    levels : sequence of float
        The probabilities of the central intervals.
    epistemic : bool
        Whether to draw how far the mean is known, too: an interval at the largest of the levels,
        which grows where rows are few.
    beyond : float
        How far the axis goes on where there are no rows, on each side: a share of their range.
    grid : int
        How many points of the range are predicted, at once.
    {axes}

    Raises
    ------
    ValueError
        If x and y have different rows, `feature` is missing or unknown or not numeric, a level is
        not in (0, 1), or the response is not one number or class; if `epistemic` is asked of a
        model that does not tell it.

    Notes
    -----
    Intervals are those of a new response, at the estimated parameters or, of posteriors and
    ensembles, averaged over what is believed of them. The interval of the mean is that of
    `partial_dependence`: of results the confidence interval by the delta method, of posteriors and
    ensembles the mean +- z standard deviations of the members' means. Where a distribution has no
    mean, the line is the median. The points of classes lie in strips below, those of a Bernoulli
    response beyond 0 and 1, moved at random within the strip.

    Examples
    --------
    >>> import pandas as pd, probnn as pn
    >>> data = pd.DataFrame({"dose": [1.0, 2.0, 3.0, 4.0], "effect": [1.2, 1.9, 3.1, 3.9]})
    >>> results = pn.glm.ols("effect ~ dose", data).fit()
    >>> ax = pn.plots.predictive(results, data[["dose"]], data["effect"])
    >>> ax.get_xlabel(), ax.get_ylabel(), [text.get_text() for text in ax.get_legend().get_texts()]
    ('dose', 'effect', ['mean', '50 % interval', '90 % interval', 'observed'])
    """
    grid = checks.count(grid, "grid", 2)
    rows = Inputs(model, x)
    feature = _only_varying(rows) if feature is None else rows.name_of(feature)
    at = rows.table[feature].to_numpy(dtype="float64")
    values = _range(at, beyond, grid)
    table, held = rows.holding({feature: values})
    shown = name_of(y) or "y"
    y, d = rows.model.of_trials(rows.response(y), rows.believed(table))
    _check_responses(d)
    levels, names = np.sort(checks.fractions(levels)), d.classes
    if y is not None:
        d, y = d.coded(y)
    seen = None if y is None else _observed(y, d.family, len(at))
    mean = d.mean()
    ends = _ends_of_means(rows, table, d, mean, levels[-1]) if epistemic else None
    ax = axes(ax)
    if d.family.has_classes:
        _draw_probabilities(ax, values, mean, at, seen, names)
        shown = f"P({shown} = {names[1]})" if mean.ndim == 1 else "probability"
    elif d.family.given:
        ax.plot(values, mean, color=COLORS[0], label="expected proportion")
        if seen is not None:
            ax.plot(at, d.family.observed_mean(seen), label="observed", **POINT)
    else:
        _draw_intervals(ax, values, d, levels)
        if seen is not None:
            _draw_points(ax, at, seen)
    if ends is not None:
        _draw_means(ax, values, ends, f"{100 * levels[-1]:g} % of the mean")
    ax.set_xlabel(str(feature))
    ax.set_title(held, fontsize="medium")
    ax.set_ylabel(str(shown))
    legend_on_top(ax)
    return ax


@on_axes
def distribution(
    d: Predictive,
    *,
    rows: ArrayLike = (0,),
    y: ArrayLike | None = None,
    width: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the predicted densities, or probabilities, of some rows.

    Parameters
    ----------
    d : Predictive
        What a model believes.
    rows : int or sequence of int
        Which rows, at most seven.
    y : array_like, shape (n,) or (n, 1), optional
        What was observed in all n rows of d; it is marked for the rows that are drawn. The name of
        a Series is that of the axis.
    width : float, optional
        Of all bars at one count or class together, between 0 and 1; 0.8 by default.
    {axes}

    Raises
    ------
    ValueError
        If there is no such row, y has another shape or impossible values, or the response is not
        one number or class.

    Notes
    -----
    From the quantile at 0.001 to that at 0.999. A density that rises without bound at the end of
    the support is cut off. The probability of a single value, as of the zeros of the Tweedie
    family, is a stem with a diamond on it.

    Examples
    --------
    >>> import probnn as pn
    >>> d = pn.Predictive("poisson", {"rate": [2.0, 5.0]})
    >>> ax = pn.plots.distribution(d, rows=[0, 1], y=[1, 7])
    >>> ax.get_ylabel(), [text.get_text() for text in ax.get_legend().get_texts()]
    ('probability', ['row 0', 'row 1', 'observed'])
    """
    _check_responses(d)
    rows, name, names = _rows(rows, len(d)), name_of(y) or "y", d.classes
    if width is not None and not 0 < width <= 1:
        raise ValueError(f"Expected a width between 0 and 1, as 0.8. Received: {width}.")
    if y is not None:
        d, y = checks.rows(y, d)
        y = y[rows]
    ax, part = axes(ax), d[rows]
    if d.family.discrete:
        tops = _draw_masses(ax, part, rows, y, 0.8 if width is None else width, names)
    else:
        tops = _draw_densities(ax, part, rows, y)
    if y is not None:
        stem = {"color": "black", "linewidth": 1, "marker": "o", "markerfacecolor": "white"}
        for i, (place, top) in enumerate(tops):
            label = "observed" if i == len(tops) - 1 else None
            ax.plot([place, place], [0.0, top], markevery=[1], label=label, zorder=4, **stem)
    ax.set_xlabel("class" if d.family.has_classes else str(name))
    ax.set_ylim(bottom=0.0)
    # Lines come before bars there: what was observed goes last.
    named = sorted(
        zip(*ax.get_legend_handles_labels(), strict=True), key=lambda p: p[1] == "observed"
    )
    ax.legend(*zip(*named, strict=True))
    return ax


# ---- against one input --------------------------------------------------------------------------


def _check_responses(d):
    """Raise ValueError if the response is not one number or class in each row."""
    if len(checks.predictive(d).shape) != 1:
        raise ValueError(
            f"Expected distributions of one response. Received: {d!r}, of shape {d.shape}. Make a "
            "Predictive of one of them, from its columns of the parameters."
        )


def _only_varying(rows):
    """Return the column of numbers that varies, if it is the only one."""
    varying = [name for name in rows.table if rows.table[name].nunique() > 1]
    if len(varying) != 1 or varying[0] not in rows.numeric:
        raise ValueError(
            "Expected `feature`, the input on the axis, where other than one column of numbers "
            f"varies. Received: none, and {len(varying)} such columns. Choose one of "
            f"{', '.join(map(str, rows.numeric))}."
        )
    return varying[0]


def _range(at, beyond, grid):
    """Return the points that are predicted: over the range of the rows, and beyond it."""
    if not 0.0 <= beyond < np.inf:
        raise ValueError(f"Expected beyond to be a share from 0 on, as 0.5. Received: {beyond!r}.")
    low, high = at.min(), at.max()
    return np.linspace(low - beyond * (high - low), high + beyond * (high - low), grid)


def _ends_of_means(rows, table, d, mean, level):
    """Return the ends of intervals of the rows' means, of which one is a row of the table."""
    each = [None] if mean.ndim == 1 else range(mean.shape[1])

    def half_of(k):
        def one(means):
            return means if k is None else means[:, k]

        return rows.half_width(table, d, one, len(mean), k, level)[0]

    halves = [half_of(k) for k in each]
    if halves[0] is None or np.isnan(halves[0]).any():
        raise ValueError(
            "Expected a model that tells how far its mean is known, for epistemic=True: results, a "
            f"posterior, or an ensemble. Received: {type(rows.model.model).__name__}"
            f"{', ' * bool(rows.model.penalised)}{rows.model.penalised}."
        )
    half = halves[0] if mean.ndim == 1 else np.stack(halves, axis=1)
    return inside(d.family, mean - half, mean + half)


def _draw_means(ax, values, ends, label):
    """Draw the intervals of means, of classes one in the colour of each."""
    for k, (lower, upper) in enumerate(zip(*(np.atleast_2d(end.T) for end in ends), strict=True)):
        color = COLORS[1] if ends[0].ndim == 1 else COLORS[k % len(COLORS)]
        look = {"facecolor": color, "alpha": 0.45, "edgecolor": "black", "linewidth": 0.6}
        ax.fill_between(values, lower, upper, zorder=2, label=None if k else label, **look)


def _observed(y, family, n):
    """Return y as an array whose rows are those of x, or raise."""
    array = numbers(y)
    tail = family.y_shape
    if not tail and array.shape == (n, 1):
        array = array[:, 0]
    if array.shape != (n, *tail):
        raise ValueError(
            f"Expected y of shape {(n, *tail)}, a row for each of x. Received: shape {array.shape}."
        )
    family.check(array)
    return array


def _draw_intervals(ax, values, d, levels):
    """Draw the mean, and intervals that are darker inside."""
    bands = [d.interval(level) for level in levels]
    mean, label = d.mean(), "mean"
    if not np.isfinite(mean).all():
        mean, label = d.quantile(0.5), "median"
    ax.plot(values, mean, color=COLORS[0], linewidth=2, zorder=3, label=label)
    step = "mid" if d.family.discrete else None
    # Each is drawn over those inside it, which are darker by that.
    for i, (level, (lower, upper)) in enumerate(zip(levels, bands, strict=True)):
        shade = {"color": COLORS[0], "alpha": 0.3 if i == 0 else 0.15, "linewidth": 0}
        name = f"{100 * level:g} % interval"
        ax.fill_between(values, lower, upper, step=step, label=name, zorder=1, **shade)


def _draw_points(ax, at, y):
    """Draw what was observed; of censored responses, the bounds that are finite."""
    if y.ndim == 1:
        ax.plot(at, y, label="observed", **POINT)
        return
    exact = y[:, 0] == y[:, 1]
    ax.plot(at[exact], y[exact, 0], label="observed", **POINT)
    hollow = {"linestyle": "none", "color": "black", "fillstyle": "none", "markersize": 5}
    right = ~exact & np.isfinite(y[:, 0]) & np.isinf(y[:, 1])
    within = ~exact & np.isfinite(y[:, 1])
    if right.any():
        ax.plot(at[right], y[right, 0], marker="^", label="at least", **hollow)
    if within.any():
        ax.plot(at[within], y[within, 1], marker="v", label="at most", **hollow)


def _draw_probabilities(ax, values, probs, at, seen, names):
    """Draw class probabilities, and the classes that were observed in strips beside them."""
    rng = np.random.default_rng(0)
    if probs.ndim == 1:
        ax.plot(values, probs, color=COLORS[0], linewidth=2, label="predicted")
        if seen is not None:
            beyond = rng.uniform(0.02, 0.08, len(seen))
            ax.plot(at, np.where(seen == 1, 1.0 + beyond, -beyond), label="observed", **POINT)
    else:
        for k in range(probs.shape[1]):
            line = {**style(k), "linewidth": 2, "label": f"class {names[k]}"}
            if seen is not None:
                here = seen == k
                strip = rng.uniform(-0.045, -0.015, here.sum()) - 0.05 * k
                point = {"marker": MARKERS[k % len(MARKERS)], "color": line["color"]}
                ax.plot(at[here], strip, linestyle="none", markersize=3, alpha=0.6, **point)
                line |= {**point, "markevery": (len(values) // 8, len(values) // 4)}
            ax.plot(values, probs[:, k], **line)
        if seen is not None:
            point = {"marker": "o", "color": "#777777", "markersize": 3, "linestyle": "none"}
            ax.plot([], [], label="observed, below", **point)
    ax.set_yticks(np.linspace(0.0, 1.0, 6))


# ---- of single rows -----------------------------------------------------------------------------


def _rows(rows, n):
    """Return which rows are drawn, as an array, or raise."""
    index = np.atleast_1d(rows)
    if index.ndim != 1 or not 1 <= index.size <= len(COLORS) or index.dtype.kind not in "iu":
        what = f"{index.dtype} of shape {index.shape}" if index.size > len(COLORS) else repr(rows)
        hint = " Of a mask, take np.flatnonzero." if index.dtype == bool else ""
        raise ValueError(f"Expected one to {len(COLORS)} row numbers. Received: rows={what}.{hint}")
    if not ((index >= -n) & (index < n)).all():
        raise ValueError(f"Expected rows between 0 and {n - 1}. Received: rows={rows!r}.")
    return index


def _draw_masses(ax, part, rows, y, width, names):
    """Draw probabilities as bars side by side; return where the tops of the observed ones are."""
    if names is not None:
        k, masses = np.arange(len(names)), checks.class_probs(part)
    else:
        low, high = part.quantile([0.001, 0.999]).T
        k = np.arange(low.min(), high.max() + 1.0)
        masses = (np.exp(_copies(part, i, len(k)).log_prob(k)) for i in range(len(rows)))
    bars, tops, share = len(k) <= _MOST_BARS, [], width / len(rows)
    for i, (row, mass) in enumerate(zip(rows, masses, strict=True)):
        shift = (i - 0.5 * (len(rows) - 1)) * share if bars else 0.0
        if bars:
            ax.bar(k + shift, mass, share, color=COLORS[i], label=f"row {row}")
        else:
            ax.plot(k, mass, drawstyle="steps-mid", label=f"row {row}", **style(i))
        if y is not None:
            tops.append((y[i] + shift, np.exp(part[i].log_prob(y[i])[0])))
    if names is not None:
        ax.set_xticks(k, map(str, names))
    elif bars:
        ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_ylabel("probability")
    return tops


def _draw_densities(ax, part, rows, y):
    """Draw densities as lines; return where they are at the observed values."""
    tops, heights, atom = [], [], part.family.atom
    for i, row in enumerate(rows):
        one = part[i]
        zero = float(one.cdf(part.family.support.low)[0]) if atom else 0.0
        p = zero + (1.0 - zero) * np.linspace(0.001, 0.999, 200)
        quantiles = one.quantile(p)[0]
        at = np.union1d(quantiles, np.linspace(quantiles[0], quantiles[-1], 200))
        density = np.exp(_copies(part, i, len(at)).log_prob(at))
        ax.plot(at, density, label=f"row {row}", **style(i))
        if zero > 0.0:
            wide = 2 + 2 * (len(rows) - 1 - i)  # the first shows beside the later ones
            stem = {"color": COLORS[i], "linewidth": wide, "marker": "D", "markevery": [1]}
            low = part.family.support.low
            ax.plot([low, low], [0.0, zero], label=f"row {row}: P(y = {low:g})", **stem)
        heights.append(max(_height(density, quantiles), zero))
        if y is not None:
            tops.append((y[i], float(np.exp(one.log_prob(y[i])[0]))))
    top = 1.05 * max(heights)
    ax.set_ylim(0.0, top)
    ax.set_ylabel("density" if not atom else "density, and probability of 0")
    return [(place, min(height, top)) for place, height in tops]


def _copies(d, row, count):
    """Return one row of a Predictive, as often as it has values to be drawn at."""
    return d[np.full(count, row)]


def _height(density, quantiles):
    """Return how high a density is drawn: less than it is, if it rises steeply to an end."""
    peak = int(np.argmax(density))
    if 0 < peak < len(density) - 1:
        return density[peak]
    # Eight times the mean in the middle nine tenths: an exponential density has three times.
    return min(density[peak], 8.0 * 0.9 / (quantiles[-11] - quantiles[10]))
