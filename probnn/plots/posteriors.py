"""What a posterior says: of coefficients, and of responses like those that were seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn.calibration import checks
from probnn.data.frames import name_of
from probnn.fitted.tables import labelled
from probnn.plots._axes import BAND, COLORS, MARKERS, REFERENCE, axes, on_axes
from probnn.plots.models import read, table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from probnn._types import AnyModel, ArrayLike, Rows
    from probnn.predictive import Predictive

_HEIGHT = 0.7  # of a density, where the next coefficient is 1 away
_MOST_BARS = 60


@on_axes
def posterior(
    model: AnyModel,
    *,
    against: AnyModel | None = None,
    level: float = 0.95,
    names: Sequence[str] | None = None,
    intercept: bool = False,
    x: Rows = None,
    y: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the posterior densities of coefficients, and beside them what other models say.

    Parameters
    ----------
    model : Posterior
        Of a model of columns, or of a network whose layers before the head are linear.
    against : Results or another fitted model, or a dict of them by name, optional
        What is drawn below each density as an estimate with its interval: maximum likelihood, say.
    level : float
        The probability of the intervals: of the posterior the central one, which is darker.
    names : list of str, optional
        The coefficients, in this order; by default all.
    intercept : bool
        Whether constants, and constant parameters as a scale, are among all.
    x, y : array_like, shape (n, p) and (n,), optional
        The training data: networks that are drawn against need them.
    {axes}

    Raises
    ------
    ValueError
        If the model is no posterior of coefficients, or as `coefficient_table`.

    Notes
    -----
    Densities are kernel estimates from the draws, with the bandwidth of Scott (1992),
    doi:10.1002/9780470316849; all are drawn of one height.

    Examples
    --------
    >>> import probnn as pn
    >>> model = pn.glm.OLS([1.0, 2.0, 4.0, 4.0], [[1, 0], [1, 1], [1, 2], [1, 3]])
    >>> ax = pn.plots.posterior(pn.bayes.laplace(model), against=model.fit())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['posterior', 'mean', 'OLS']
    """
    from scipy.stats import gaussian_kde

    checks.fraction(level)
    (own,) = read({"posterior": model}, x, y)
    if own.draws is None:
        raise ValueError(
            "Expected a posterior, as probnn.bayes.sample or probnn.bayes.laplace returns it. "
            f"Received: {type(model).__name__}: draw probnn.plots.coefficients."
        )
    others = [] if against is None else read(against, x, y)
    frame = table_of([own], level, names, intercept)
    theirs = table_of(others, level, None, True) if others else None
    draws = dict(zip((labelled(name, [own]) for name in own.coef), own.draws.T, strict=True))
    ax = axes(ax)
    ax.axvline(0.0, **REFERENCE)
    shade = {"facecolor": COLORS[3], "linewidth": 0}
    for i, (_, name, mean, low, high) in enumerate(frame.itertuples(index=False)):
        at = np.union1d(np.linspace(*np.quantile(draws[name], [0.001, 0.999]), 200), [low, high])
        density = gaussian_kde(draws[name])(at)
        top = i - _HEIGHT * density / density.max()
        within = (at >= low) & (at <= high)
        label = None if i else "posterior"
        ax.fill_between(at, i, top, alpha=0.3, **shade)
        ax.fill_between(at[within], i, top[within], alpha=0.6, label=label, **shade)
        ax.plot(at, top, color=COLORS[0], linewidth=1.2)
        point = {"color": COLORS[0], "marker": "|", "markersize": 9, "markeredgewidth": 2}
        ax.plot([mean], [i], linestyle="none", label=None if i else "mean", **point)
    shown = frame["name"].tolist()
    for k, fit in enumerate(others):
        part = theirs[(theirs["model"] == fit.name) & theirs["name"].isin(shown)]
        sides = part["estimate"] - part["lower"], part["upper"] - part["estimate"]
        ax.errorbar(
            part["estimate"],
            [shown.index(name) + 0.2 * (k + 1) / len(others) for name in part["name"]],
            xerr=np.nan_to_num(np.array(sides)),
            color=COLORS[(k + 1) % len(COLORS)],
            marker=MARKERS[k % len(MARKERS)],
            linestyle="none",
            markersize=4,
            capsize=2,
            label=fit.name,
        )
    ax.set_yticks(range(len(shown)), shown)
    ax.set(
        xlabel=f"coefficient, with {100 * level:.4g}% intervals",
        ylabel="column",
        ylim=(len(shown) - 0.6, -0.9),
    )
    ax.legend(loc="best", fontsize="small")
    return ax


@on_axes
def posterior_predictive(
    y: ArrayLike,
    d: Predictive,
    *,
    draws: int = 200,
    bins: int | ArrayLike | None = None,
    level: float = 0.9,
    seed: int | np.random.Generator = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the histogram of y among those of responses that a model makes up for the same rows.

    Parameters
    ----------
    y : array_like, shape (n,) or (n, 1)
        What was observed. The name of a Series is that of the axis.
    d : Predictive
        What a posterior believes about it, or any model.
    draws : int
        How often all rows get new responses: of a posterior and an ensemble, each time by one of
        the members.
    bins : int or array_like, optional
        The bars of numbers, or their edges; by default NumPy's "auto" of y. Counts and classes have
        one for each value, or those of whole width.
    level : float
        The share of the draws whose bars end in the band, bar by bar.
    seed : int
        That of the draws.
    {axes}

    Raises
    ------
    ValueError
        If y is not one number or class in each row that d supports.

    Notes
    -----
    A posterior predictive check: Gelman, Meng and Stern (1996). Of counts the vertical axis has
    square roots, so that bars of few are seen: a rootogram, Kleiber and Zeileis (2016),
    doi:10.1080/00031305.2016.1173590. Bars go beyond y on both sides as far as nearly all draws do,
    but no further than half the range of y.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> y = np.array([0, 1, 2, 2, 3, 5])
    >>> posterior = pn.bayes.laplace(pn.glm.GLM(y, np.ones((6, 1)), family="poisson"))
    >>> ax = pn.plots.posterior_predictive(y, posterior.predict_distribution())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['observed', '90 % of draws', 'mean of draws']
    """
    draws, level = checks.count(draws, "draws", 2), checks.fraction(level)
    name, labels = name_of(y) or "y", checks.predictive(d).classes
    d, y = checks.rows(y, d)
    made = _made_up(d, draws, np.random.default_rng(seed))
    edges = _edges(y, made, d.family, bins, labels)
    seen = np.histogram(y, edges)[0]
    counts = np.stack([np.histogram(each, edges)[0] for each in made])
    scale = 1.0 if d.family.discrete else 1.0 / (len(y) * np.diff(edges))
    p = [0.5 - level / 2.0, 0.5 + level / 2.0]
    ends = np.quantile(counts, p, axis=0, method="inverted_cdf") * scale
    ax = axes(ax)
    bars = {"color": COLORS[3], "edgecolor": "white", "linewidth": 0.5, "label": "observed"}
    ax.bar(edges[:-1], seen * scale, np.diff(edges), align="edge", **bars)
    lower, upper = (np.append(end, end[-1]) for end in ends)
    band = {**BAND, "color": "#444444", "step": "post", "zorder": 2}
    ax.fill_between(edges, lower, upper, label=f"{100 * level:g} % of draws", **band)
    middle, mean = 0.5 * (edges[:-1] + edges[1:]), counts.mean(axis=0) * scale
    look = {"color": COLORS[2], "marker": ".", "linestyle": "none" if labels is not None else "-"}
    ax.plot(middle, mean, label="mean of draws", **look)
    if labels is not None:
        ax.set_xticks(range(len(labels)), map(str, labels))
    elif d.family.discrete:
        ax.set_yscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0.0)), np.square))
        ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_ylim(bottom=0.0)
    ax.set(xlabel=str(name), ylabel="rows" if d.family.discrete else "density")
    handles = dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    order = sorted(handles, key=lambda label: (label != "observed", label == "mean of draws"))
    ax.legend([handles[label] for label in order], order, loc="best", fontsize="small")
    return ax


def _made_up(d, draws, rng):
    """Return responses of all rows (draws, n): those of a pool each by one of its members."""
    if not d.members:
        return d.sample(draws, rng)
    times = np.bincount(rng.choice(len(d.members), draws, p=d.weights))
    each = zip(d.members, times, strict=False)
    return np.concatenate([member.sample(int(k), rng) for member, k in each if k])


def _edges(y, made, family, bins, labels):
    """Return the edges of bars."""
    if labels is not None:
        return np.arange(len(labels) + 1) - 0.5
    if np.ndim(bins):
        return np.asarray(bins, dtype="float64")
    half = 0.5 * (y.max() - y.min())
    low, high = np.quantile(made, [0.001, 0.999])
    low, high = min(y.min(), max(low, y.min() - half)), max(y.max(), min(high, y.max() + half))
    if family.discrete:
        most = _MOST_BARS if bins is None else checks.count(bins, "bins")
        low, high = np.floor(low), np.ceil(high)
        width = np.ceil((high - low + 1.0) / most)
        return np.arange(low - 0.5, high + width + 0.5, width)
    own = np.histogram_bin_edges(y, "auto" if bins is None else checks.count(bins, "bins"))
    width = own[1] - own[0]
    before, after = np.ceil((y.min() - low) / width), np.ceil((high - y.max()) / width)
    return own[0] + width * np.arange(-before, len(own) + after)
