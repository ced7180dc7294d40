"""Whether the probability integral transform is uniform, as it is if the model is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from probnn.calibration import checks

if TYPE_CHECKING:
    from probnn._types import ArrayLike
    from probnn.predictive import Predictive


class UniformityTest(NamedTuple):
    """The result of a test that the probability integral transform is uniform."""

    statistic: float
    pvalue: float


def pit(
    y: ArrayLike,
    d: Predictive,
    *,
    bins: int = 20,
    level: float = 0.95,
    seed: int | np.random.Generator = 0,
) -> pd.DataFrame:
    """Return the histogram of the probability integral transform of y.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses; those of a censored family may be bounds, shape (n, 2).
    d : Predictive
        What was believed about them.
    bins : int
        The number of bins of equal width.
    level : float
        The probability of the band.
    seed : int or numpy.random.Generator
        For the transform of discrete and censored y, which is randomised.

    Returns
    -------
    pandas.DataFrame
        One row for each bin: its ends `left` and `right`; the `density`, 1 on average; the `count`;
        and the ends `lower` and `upper` of the band in which the density lies with probability
        `level` if the model is right.

    Raises
    ------
    ValueError
        For a y of another shape or outside the support, several responses, or a `bins` or `level`
        out of range.

    Notes
    -----
    A hump in the middle says that the predictive distributions are too wide, a trough that they are
    too narrow, a slope that they lie too low or too high: Gneiting, Balabdaoui and Raftery (2007),
    doi:10.1111/j.1467-9868.2007.00587.x. The band is of the binomial distribution, for each bin by
    itself: of 20 bins one lies outside of a band of 0.95, on average.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> from probnn import calibration
    >>> y = np.random.default_rng(0).normal(size=1000)
    >>> wide = pn.Predictive("normal", {"loc": np.zeros(1000), "scale": 2.0})
    >>> calibration.pit(y, wide, bins=4).density.round(2).tolist()
    [0.32, 1.82, 1.56, 0.31]
    """
    bins, level = checks.count(bins, "`bins`"), checks.fraction(level)
    values = transform(y, d, seed)
    edges = np.linspace(0.0, 1.0, bins + 1)
    counts = np.histogram(values, edges)[0]
    unit = len(values) / bins  # the count whose density is 1
    lower, upper = stats.binom(len(values), 1.0 / bins).ppf([(1 - level) / 2, (1 + level) / 2])
    return pd.DataFrame(
        {
            "left": edges[:-1],
            "right": edges[1:],
            "density": counts / unit,
            "count": counts,
            "lower": lower / unit,
            "upper": upper / unit,
        }
    )


def uniformity_test(
    y: ArrayLike, d: Predictive, *, seed: int | np.random.Generator = 0
) -> UniformityTest:
    """Test that the probability integral transform is uniform, as Kolmogorov and Smirnov do.

    The p-value is right for rows that the model has not seen: parameters that were estimated on
    the same rows make it too large, so that a wrong model passes too often.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses; those of a censored family may be bounds, shape (n, 2).
    d : Predictive
        What was believed about them.
    seed : int or numpy.random.Generator
        For the transform of discrete and censored y, which is randomised.

    Returns
    -------
    UniformityTest
        A named tuple of `statistic`, the largest distance between the transform's distribution and
        the uniform one, and `pvalue`.

    Raises
    ------
    ValueError
        For a y of another shape or outside the support, or several responses: those of one row
        depend on each other.

    Notes
    -----
    `scipy.stats.kstest`. On the rows of the fit, the distribution of the statistic is another:
    Lilliefors (1967), doi:10.1080/01621459.1967.10482916.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> from probnn import calibration
    >>> y = np.random.default_rng(0).normal(size=1000)
    >>> wide = pn.Predictive("normal", {"loc": np.zeros(1000), "scale": 2.0})
    >>> calibration.uniformity_test(y, wide).pvalue < 1e-6
    True
    """
    return test_of(transform(y, d, seed))


def test_of(values):
    """Return the `UniformityTest` of the values of a transform."""
    found = stats.kstest(values, "uniform")
    return UniformityTest(float(found.statistic), float(found.pvalue))


def transform(y, d, seed):
    """Return the probability integral transform of checked y, shape (n,)."""
    d, y = checks.rows(y, d, censored=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = checks.cdf(d.pit(y, seed), d)
    return np.clip(values.ravel(), 0.0, 1.0)  # from rounding
