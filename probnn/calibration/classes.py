"""Whether events happen as often as their probabilities say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from probnn.calibration import checks
from probnn.calibration._monotone import monotone

if TYPE_CHECKING:
    from typing import Literal

    from probnn._types import ArrayLike
    from probnn.predictive import Predictive


def reliability(
    y: ArrayLike,
    d: Predictive,
    *,
    level: float = 0.9,
    resamples: int = 100,
    seed: int | np.random.Generator = 0,
) -> pd.DataFrame:
    """Return the reliability diagram of class probabilities, by isotonic regression.

    Parameters
    ----------
    y : array_like, shape (n,)
        Classes: labels where d knows them, else codes; 0 or 1 for the Bernoulli family.
    d : Predictive
        Of the Bernoulli, categorical or ordinal family.
    level : float
        The probability of the band.
    resamples : int
        How many simulated responses the band is made of.
    seed : int or numpy.random.Generator
        For these.

    Returns
    -------
    pandas.DataFrame
        One row for each of the bins that isotonic regression finds: the mean `forecast`, the
        `observed` frequency, the `count`, and the ends `lower` and `upper` of the band in which the
        frequency lies with probability `level`, at each forecast, if the model is right. For
        classes, each against the others, with its label in a column `class`.

    Raises
    ------
    ValueError
        For another family, a y of another shape or outside the support, several responses, or a
        `level` or `resamples` out of range.

    Notes
    -----
    CORP: the bins are those of the pool-adjacent-violators algorithm, so that nothing need be
    chosen. Consistency bands come from responses simulated with the forecast probabilities:
    Dimitriadis, Gneiting and Jordan (2021), doi:10.1073/pnas.2016191118.

    Examples
    --------
    >>> import probnn as pn
    >>> from probnn import calibration
    >>> d = pn.Predictive("bernoulli", {"probs": [0.1, 0.2, 0.3, 0.7, 0.8]})
    >>> calibration.reliability([0, 1, 0, 1, 1], d)[["forecast", "observed", "count"]]
       forecast  observed  count
    0      0.10       0.0      1
    1      0.25       0.5      2
    2      0.75       1.0      2
    """
    level, resamples = checks.fraction(level), checks.count(resamples, "`resamples`")
    probs, y = checks.classes(y, d, "a reliability diagram")
    rng = np.random.default_rng(seed)
    if d.family.kind == "binary":
        return _corp(probs[:, 1], y == 1, level, resamples, rng)
    parts = [
        _corp(probs[:, code], y == code, level, resamples, rng) for code in range(probs.shape[1])
    ]
    return (
        pd.concat(parts, keys=d.classes, names=["class", None])
        .reset_index("class")
        .reset_index(drop=True)
    )


def _corp(forecast, event, level, resamples, rng):
    """Return the table of one event."""
    values, counts, fit = monotone(forecast, event)
    first = fit.blocks[:-1]
    sizes = np.add.reduceat(counts, first)
    means = np.add.reduceat(values * counts, first) / sizes
    paths = np.empty((resamples, len(first)))
    weights, single = counts.astype("float64"), counts.max() == 1
    for path in paths:
        events = rng.random(len(values)) < values if single else rng.binomial(counts, values)
        path[:] = np.interp(means, values, isotonic_regression(events / weights, weights=weights).x)
    lower, upper = np.quantile(paths, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return pd.DataFrame(
        {
            "forecast": means,
            "observed": fit.x[first],
            "count": sizes,
            "lower": lower,
            "upper": upper,
        }
    )


def expected_calibration_error(
    y: ArrayLike,
    d: Predictive,
    *,
    bins: int = 15,
    strategy: Literal["uniform", "quantile"] = "uniform",
) -> float:
    """Return how far frequencies are from probabilities, on average over bins of the latter.

    Parameters
    ----------
    y : array_like, shape (n,)
        Classes: labels where d knows them, else codes; 0 or 1 for the Bernoulli family.
    d : Predictive
        Of the Bernoulli family, where P(Y = 1) is compared with the frequency of 1; or of classes,
        where the probability of the most probable class is, with how often it is right.
    bins : int
        The number of bins.
    strategy : {"uniform", "quantile"}
        Bins of equal width in [0, 1], or with equally many rows.

    Returns
    -------
    float
        From 0, the best value, to 1.

    Raises
    ------
    ValueError
        For another family, a y of another shape or outside the support, several responses, a
        `bins` out of range or an unknown `strategy`.

    Notes
    -----
    The sum over bins of abs(mean probability - frequency), weighted by the share of rows: Guo et
    al. (2017), arXiv:1706.04599. It depends on the bins, and chance makes it positive even for a
    model that is right; `decompose` needs no bins.

    Examples
    --------
    >>> import probnn as pn
    >>> from probnn import calibration
    >>> d = pn.Predictive("bernoulli", {"probs": [0.1, 0.1, 0.9, 0.9]})
    >>> calibration.expected_calibration_error([0, 0, 1, 0], d)
    0.25
    """
    bins = checks.count(bins, "`bins`")
    checks.known("`strategy`", strategy, ("uniform", "quantile"))
    probs, y = checks.classes(y, d, "the expected calibration error")
    if d.family.kind == "binary":
        forecast, event = probs[:, 1], y == 1
    else:
        forecast, event = probs.max(axis=1), probs.argmax(axis=1) == y
    edges = np.linspace(0.0, 1.0, bins + 1)
    if strategy == "quantile":
        edges = np.quantile(forecast, edges)
    index = np.searchsorted(edges[1:-1], forecast)
    gaps = np.bincount(index, forecast - event, minlength=bins)
    return float(np.abs(gaps).sum() / len(y))
