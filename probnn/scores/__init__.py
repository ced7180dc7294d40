"""Scores of predictive distributions: one number for each row, smaller is better.

Every function here is a proper score: on average no other distribution beats the one that y comes
from. Gneiting and Raftery (2007), doi:10.1198/016214506000001437, is the review.

>>> import numpy as np, probnn as pn
>>> d = pn.Predictive("normal", {"loc": [0.0, 1.0], "scale": [1.0, 2.0]})
>>> y = np.array([0.5, 0.0])
>>> pn.scores.log_score(y, d).round(4).tolist()
[1.0439, 1.7371]
>>> pn.scores.crps(y, d).round(4).tolist()
[0.3314, 0.6628]
"""

from probnn.scores.comparison import table
from probnn.scores.rules import (
    SCORES,
    brier,
    crps,
    dawid_sebastiani,
    energy,
    interval,
    log_score,
    pinball,
    ranked_probability,
)

__all__ = [
    "SCORES",
    "brier",
    "crps",
    "dawid_sebastiani",
    "energy",
    "interval",
    "log_score",
    "pinball",
    "ranked_probability",
    "table",
]
