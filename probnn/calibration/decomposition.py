"""A mean score as miscalibration, discrimination and uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import xlogy

from probnn.calibration import checks
from probnn.calibration._monotone import recalibrated

if TYPE_CHECKING:
    from probnn._types import ArrayLike
    from probnn.predictive import Predictive


def decompose(y: ArrayLike, d: Predictive, *, score: str | None = None) -> dict[str, float]:
    """Return a mean score as miscalibration - discrimination + uncertainty.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses.
    d : Predictive
        What was believed about them.
    score : str, optional
        "brier", the default for classes, of which the score of each against the others is summed,
        but for the Bernoulli family, where it is (P(Y = 1) - y)^2; "log_score", the negative
        log-likelihood of the Bernoulli family; "squared_error" of the mean, for numbers.

    Returns
    -------
    pandas.Series
        `score`, the mean score; `miscalibration`, by how much a monotone function of the forecasts
        would make it smaller; `discrimination`, by how much these recalibrated forecasts beat one
        forecast for all rows; `uncertainty`, the score of that one. All but the first are at least
        0, and score = miscalibration - discrimination + uncertainty.

    Raises
    ------
    ValueError
        For a y of another shape or outside the support; several responses; a score that is not one
        of the family's; or a mean that is not finite.

    Notes
    -----
    The forecasts are recalibrated by isotonic regression on the same rows: Dimitriadis, Gneiting
    and Jordan (2021), doi:10.1073/pnas.2016191118; for means, Gneiting and Resin (2023),
    doi:10.1214/23-EJS2180. A log score is infinite, as is its miscalibration, where something
    happened that had probability 0.

    Examples
    --------
    >>> import probnn as pn
    >>> from probnn import calibration
    >>> d = pn.Predictive("bernoulli", {"probs": [0.2, 0.3, 0.9, 0.4, 0.6]})
    >>> calibration.decompose([0, 1, 1, 0, 1], d).round(3).to_dict()
    {'score': 0.172, 'miscalibration': 0.072, 'discrimination': 0.14, 'uncertainty': 0.24}
    """
    if not checks.predictive(d).family.has_classes:
        checks.known("`score` of numbers", score or "squared_error", ("squared_error",))
        d, y = checks.numbers(y, d, "the decomposition of squared errors")
        mean = d.mean()
        if not np.isfinite(mean).all():
            raise ValueError(f"Expected finite means. Received: {d!r}, where some are not.")
        return _terms([(mean.ravel(), y.ravel())], _square)
    binary = d.family.kind == "binary"
    names = ("brier", "log_score") if binary else ("brier",)
    score = checks.known(f"`score` of the {d.family.name} family", score or "brier", names)
    probs, y = checks.classes(y, d, "this decomposition")
    codes = [1] if binary else range(probs.shape[1])
    pairs = [(probs[:, code], (y == code).astype("float64")) for code in codes]
    return _terms(pairs, _log if score == "log_score" else _square)


def _terms(pairs, score):
    """Return the decomposition, summed over pairs of forecasts and what happened."""
    total = np.zeros(4)
    for forecast, y in pairs:
        own, better, one = (
            np.mean(score(each, y)) for each in (forecast, recalibrated(forecast, y), y.mean())
        )
        # Rounding must not make a term negative that cannot be.
        total += own, max(own - better, 0.0), max(one - better, 0.0), one
    names = ["score", "miscalibration", "discrimination", "uncertainty"]
    return pd.Series(total, names, name="decomposition")


def _square(forecast, y):
    return (forecast - y) ** 2


def _log(forecast, y):
    return -xlogy(y, forecast) - xlogy(1.0 - y, 1.0 - forecast)
