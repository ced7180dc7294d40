"""One table of all that is known about a model's calibration."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from probnn import scores
from probnn.calibration import checks
from probnn.calibration.classes import expected_calibration_error
from probnn.calibration.decomposition import decompose
from probnn.calibration.intervals import coverage_of, sharpness, sharpness_of
from probnn.calibration.uniformity import test_of, transform

if TYPE_CHECKING:
    from probnn._types import ArrayLike
    from probnn.predictive import Predictive

_COLUMNS = ["value", "expected", "lower", "upper", "pvalue"]
_BAND = 0.95


def report(y: ArrayLike, d: Predictive, *, seed: int | np.random.Generator = 0) -> pd.DataFrame:
    """Return scores, calibration and sharpness in one table.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses; those of a censored family may be bounds, shape (n, 2).
    d : Predictive
        What was believed about them.
    seed : int or numpy.random.Generator
        For the probability integral transform of discrete and censored y, which is randomised.

    Returns
    -------
    pandas.DataFrame
        The measures that apply, by name. Numbers: `log_score`, `crps`, `pit_mean`, `pit_variance`,
        `pit_uniformity` (of `uniformity_test`), `coverage_50`, `coverage_90`, `coverage_95`,
        `width_50`, `width_90`; without `crps` and coverage if some rows are known by bounds.
        Classes: `log_score`, `brier`, and of the ordinal family `ranked_probability`; the
        `miscalibration`, `discrimination` and `uncertainty` that the Brier score consists of;
        `expected_calibration_error`, `entropy` and `top_probability`. The columns are the `value`,
        what is `expected` if the model is right, the ends `lower` and `upper` of the band in which
        it then lies with probability 0.95, and a `pvalue`; NaN where there is none.

    Raises
    ------
    ValueError
        For a y of another shape or outside the support, or for several responses.

    Notes
    -----
    Scores are negatively oriented: smaller is better. Their expectation and variance under class
    probabilities are sums over classes; the test is Spiegelhalter's (1986) of the Brier score,
    doi:10.1002/sim.4780050506, and its like for the log score. Each test asks another question:
    among many, some p-values are small by chance.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> from probnn import calibration
    >>> y = np.random.default_rng(0).normal(size=1000)
    >>> d = pn.Predictive("normal", {"loc": np.zeros(1000), "scale": 1.0})
    >>> calibration.report(y, d).loc["coverage_90"].round(3).to_dict()
    {'value': 0.914, 'expected': 0.9, 'lower': 0.881, 'upper': 0.918, 'pvalue': nan}
    """
    d = checks.predictive(d)
    rows = _classes(y, d) if d.family.has_classes else _numbers(y, d, seed)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=_COLUMNS, dtype="float64")
    return table.rename_axis("measure")


def _only(value):
    return (value, *[np.nan] * 4)


def _tested(value, expected, deviation):
    """Return a row of a measure that is normal, if the model is right, with its p-value."""
    half = special.ndtri((1 + _BAND) / 2) * deviation
    gap, rounding = abs(value - expected), 1e-12 * abs(expected)
    with np.errstate(divide="ignore"):
        z = gap / np.maximum(deviation, rounding) if gap > rounding else 0.0
    pvalue = 2.0 * special.ndtr(-z)
    return value, expected, expected - half, expected + half, pvalue


def _numbers(y, d, seed):
    d, y = checks.rows(y, d, censored=True)
    seen = y.shape == d.shape
    seed = int(np.random.default_rng(seed).integers(2**32))  # as of the two calls themselves
    values = transform(y, d, seed)
    test = test_of(values)
    n = len(values)
    rows = {"log_score": _only(scores.log_score(y, d).mean())}
    if seen:
        rows["crps"] = _only(d.crps(y).mean())
    rows |= {
        "pit_mean": _tested(values.mean(), 0.5, np.sqrt(1 / 12 / n)),
        "pit_variance": _tested(values.var(), (1 - 1 / n) / 12, np.sqrt(1 / 180 / n)),
        "pit_uniformity": (test.statistic, np.nan, np.nan, np.nan, test.pvalue),
    }
    interval = functools.cache(d.interval)  # quantiles of counts take longest
    levels = (0.5, 0.9, 0.95)
    for each in coverage_of(y, d, levels, _BAND, interval).itertuples() if seen else ():
        band = (each.coverage, each.expected, each.lower, each.upper, np.nan)
        rows[f"coverage_{100 * each.level:.0f}"] = band
    for each in sharpness_of(d, (0.5, 0.9), interval).itertuples():
        rows[f"width_{100 * each.level:.0f}"] = _only(each.mean)
    return rows


def _classes(y, d):
    probs, code = checks.classes(y, d, "this report")
    with np.errstate(divide="ignore"):
        log_score = -np.log(probs)
    brier = 1.0 - 2.0 * probs + np.sum(probs**2, axis=1, keepdims=True)
    brier *= 0.5 if d.family.kind == "binary" else 1.0
    rows = {"log_score": _score(log_score, probs, code), "brier": _score(brier, probs, code)}
    if d.family.kind == "ordinal":
        upto, all_ = probs.cumsum(axis=1)[:, None, :], np.arange(probs.shape[1])
        ranked = np.sum((upto - (all_[:, None] <= all_)) ** 2, axis=2)
        rows["ranked_probability"] = _score(ranked, probs, code)
    parts = decompose(y, d)
    rows |= {name: _only(value) for name, value in parts.drop("score").items()}
    rows["expected_calibration_error"] = _only(expected_calibration_error(y, d))
    return rows | {each.measure: _only(each.mean) for each in sharpness(d).itertuples()}


def _score(each, probs, y):
    """Return the row of a score, given that of each class in each row."""
    n = len(y)
    value = np.take_along_axis(each, y[:, None], axis=1).mean()
    each = np.where(probs > 0, each, 0.0)
    means = np.sum(probs * each, axis=1, keepdims=True)
    variance = np.sum(probs * (each - means) ** 2)
    return _tested(value, means.mean(), np.sqrt(variance) / n)
