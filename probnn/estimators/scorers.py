"""Scorers of distributions for scikit-learn's `scoring=`: greater is better.

Each is called as `scorer(estimator, X, y, sample_weight=None)` of an estimator with
`predict_distribution`, or a pipeline that ends in one.

>>> import numpy as np
>>> from sklearn.model_selection import cross_val_score
>>> from probnn.estimators import GLMRegressor, scorers
>>> x = np.arange(20.0)[:, None]
>>> scores = cross_val_score(GLMRegressor(), x, np.cos(x[:, 0]), cv=3, scoring=scorers.crps)
>>> scores.shape, bool(np.all(scores < 0))
((3,), True)
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.metadata_routing import MetadataRequest

from probnn import scores

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from probnn._types import AnyModel, ArrayLike, Floats, Rows

__all__ = ["Scorer", "brier", "crps", "log_score", "pinball"]


class Scorer:
    """A score of `probnn.scores` as a scorer: minus the mean over rows.

    Parameters
    ----------
    score : callable
        `score(y, predictive, **options)`, one number for each row, smaller is better.
    **options
        What it takes.
    """

    def __init__(self, score: Callable[..., Floats], **options: Any) -> None:
        self.score, self.options = score, options
        self._request = None

    def __call__(
        self,
        estimator: AnyModel,
        X: Rows,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **of_rows: ArrayLike | None,
    ) -> float:
        """Return minus the mean score of rows; y goes with the rows of X by their positions.

        `offset` and `exposure` go to `predict_distribution`.
        """
        y = column_or_1d(y, warn=True)  # without the labels of rows
        each = self.score(y, _distribution(estimator, X, of_rows), **self.options)
        return -float(np.average(each, weights=sample_weight))

    def set_score_request(self, **requests: bool | str | None) -> Self:
        """Return this scorer with requests of metadata, as `sample_weight=True`, for routing."""
        found = copy.copy(self)
        found._request = MetadataRequest(owner=found)
        for param, alias in requests.items():
            found._request.score.add_request(param=param, alias=alias)
        return found

    def get_metadata_routing(self) -> Any:
        """Return the requests of metadata."""
        return copy.deepcopy(self._request) or MetadataRequest(owner=self)

    def __repr__(self):
        given = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"Scorer({self.score.__name__}{given})"


def _distribution(estimator, X, of_rows):
    """Return the distributions of an estimator, a pipeline, or what a search found."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if hasattr(estimator, "predict_distribution"):
        return estimator.predict_distribution(X, **of_rows)
    if not hasattr(estimator, "steps"):
        raise ValueError(
            "Expected an estimator with predict_distribution, as those of probnn.estimators. "
            f"Received: {type(estimator).__name__}."
        )
    before = estimator[:-1]
    return _distribution(estimator[-1], before.transform(X) if len(before) else X, of_rows)


def pinball(p: float = 0.5) -> Scorer:
    """Return the scorer of the pinball loss of the quantile at p."""
    return Scorer(scores.pinball, p=p)


log_score, crps, brier = (Scorer(each) for each in (scores.log_score, scores.crps, scores.brier))
