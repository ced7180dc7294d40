"""Central intervals: how often they hold y, and how wide they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special, stats

from probnn.calibration import checks
from probnn.predictive.integrals import central_probabilities

if TYPE_CHECKING:
    from probnn._types import ArrayLike
    from probnn.predictive import Predictive

_LEVELS = (*np.linspace(0.05, 0.95, 19).round(2).tolist(), 0.99)


def coverage(
    y: ArrayLike, d: Predictive, *, levels: ArrayLike | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Return how often y lies in the central interval of each level.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses.
    d : Predictive
        What was believed about them.
    levels : sequence of float, optional
        The levels of the intervals; by default 0.05, 0.10, ..., 0.95 and 0.99.
    level : float
        The probability of the band.

    Returns
    -------
    pandas.DataFrame
        One row for each of the levels: the `level`; the `coverage`, the share of rows whose
        y is in `d.interval(level)`; what the model itself has `expected`, which is the level for a
        continuous y and at least the level for a discrete one; and the ends `lower` and `upper` of
        the band in which the coverage lies with probability `level` if the model is right.

    Raises
    ------
    ValueError
        For a y of another shape, outside the support or known by bounds; several responses; or
        levels out of range.

    Notes
    -----
    y is in the interval if F(y) >= a and P(Y < y) < 1 - a, with a = (1 - level) / 2, so that no
    quantile of a continuous family is needed. The band is of the binomial distribution where all
    rows give their interval one probability, else of the normal distribution with the variance of
    the sum of rows.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> from probnn import calibration
    >>> y = np.random.default_rng(0).normal(size=1000)
    >>> narrow = pn.Predictive("normal", {"loc": np.zeros(1000), "scale": 0.5})
    >>> calibration.coverage(y, narrow, levels=[0.5, 0.9]).round(3).values.tolist()
    [[0.5, 0.264, 0.5, 0.469, 0.531], [0.9, 0.612, 0.9, 0.881, 0.918]]
    """
    levels = checks.fractions(_LEVELS if levels is None else levels)
    return coverage_of(y, d, levels, checks.fraction(level))


def coverage_of(y, d, levels, level, interval=None):
    """Return the table of `coverage`; interval may be a `d.interval` that remembers."""
    d, y = checks.rows(y, d)
    interval = interval or d.interval
    with np.errstate(divide="ignore", invalid="ignore"):
        below, upto = d.family.cdf_range(d.frozen, y)
    checks.cdf(upto, d)
    table = []
    atom = d.family.atom and not d.family.discrete
    lowest = np.asarray(d.frozen.cdf(d.family.support.low) if atom else np.zeros(d.shape))
    probs = central_probabilities(d, np.asarray(levels)) if d.family.discrete else None
    for i, each in enumerate(levels):
        found = np.mean((upto >= (1 - each) / 2) & (below < (1 + each) / 2))
        own = _probability(d, each, interval, lowest) if probs is None else probs[i]
        table.append((each, found, own.mean(), *_band(own.ravel(), level)))
    return pd.DataFrame(table, columns=["level", "coverage", "expected", "lower", "upper"])


def _probability(d, level, interval, lowest):
    """Return the probability of each row's central interval, given that of the lowest value."""
    if d.family.discrete:
        (before, _), (_, last) = (d.family.cdf_range(d.frozen, end) for end in interval(level))
        return last - before
    low, high = (1 - level) / 2, (1 + level) / 2
    return np.maximum(high, lowest) - np.where(low <= lowest, 0.0, low)


def _band(probs, level):
    """Return the ends of the central interval of the share of events with these probabilities."""
    n, ends = len(probs), np.array([(1 - level) / 2, (1 + level) / 2])
    if probs.min() == probs.max():
        return stats.binom(n, probs[0]).ppf(ends) / n
    deviation = np.sqrt(np.sum(probs * (1.0 - probs))) / n
    return np.clip(probs.mean() + special.ndtri(ends) * deviation, 0.0, 1.0)


def sharpness(d: Predictive, *, levels: ArrayLike = (0.5, 0.9)) -> pd.DataFrame:
    """Return how much the predictive distributions leave open.

    Parameters
    ----------
    d : Predictive
        What is believed about n rows.
    levels : sequence of float
        The levels of the central intervals whose widths are measured; not used for classes.

    Returns
    -------
    pandas.DataFrame
        Columns `measure` and `level`, and over the rows of d the `mean` and the quartiles `q25`,
        `median` and `q75`. The measures are the "width" of the interval of each level, in the units
        of y; for classes the "entropy", in nats, and the "top_probability", that of the most
        probable class, whose `level` is NaN.

    Raises
    ------
    ValueError
        For levels out of range.

    Notes
    -----
    The sharper the better, among models that are calibrated: Gneiting, Balabdaoui and Raftery
    (2007), doi:10.1111/j.1467-9868.2007.00587.x.

    Examples
    --------
    >>> import probnn as pn
    >>> from probnn import calibration
    >>> d = pn.Predictive("normal", {"loc": [0.0, 0.0], "scale": [1.0, 2.0]})
    >>> calibration.sharpness(d, levels=[0.95]).round(2).values.tolist()
    [['width', 0.95, 5.88, 4.9, 5.88, 6.86]]
    """
    levels = checks.fractions(levels)
    return sharpness_of(checks.predictive(d), levels)


def sharpness_of(d, levels, interval=None):
    """Return the table of `sharpness`; interval as of `coverage_of`."""
    interval = interval or d.interval
    if d.family.has_classes:
        probs = checks.class_probs(d)
        values = {
            ("entropy", np.nan): special.entr(probs).sum(axis=1),
            ("top_probability", np.nan): probs.max(axis=1),
        }
    else:
        values = {}
        for level in levels:
            lower, upper = interval(level)
            values["width", level] = upper - lower
    return pd.DataFrame(
        [
            (*key, each.mean(), *np.quantile(each, [0.25, 0.5, 0.75]))
            for key, each in values.items()
        ],
        columns=["measure", "level", "mean", "q25", "median", "q75"],
    )
