"""Recalibration of the cdf by the distribution of its values on held-out rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from probnn.calibration import checks
from probnn.calibration.recalibrated import RecalibratedModel
from probnn.calibration.uniformity import transform
from probnn.fitted import adapt
from probnn.predictive.recalibrated import RecalibratedPredictive

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import AnyModel, ArrayLike
    from probnn.predictive import Predictive


@dataclass(frozen=True, eq=False)
class IsotonicRecalibration:
    """An increasing map R of probabilities, as `isotonic` finds it.

    Parameters
    ----------
    levels, targets : numpy.ndarray, shape (k,)
        Increasing numbers from 0 to 1: R is linear between the knots (levels, targets).

    Raises
    ------
    ValueError
        If they are no such numbers.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> from probnn.calibration import IsotonicRecalibration
    >>> upward = IsotonicRecalibration(np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.2, 1.0]))
    >>> d = pn.Predictive("normal", {"loc": [0.0], "scale": [1.0]})
    >>> upward(d).cdf(0.0).tolist(), upward(d).quantile(0.2).tolist()
    ([0.2], [0.0])
    """

    levels: np.ndarray
    targets: np.ndarray

    def __post_init__(self):
        for name in ("levels", "targets"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype="float64"))
        knots = np.stack([self.levels, self.targets]) if self._alike() else np.zeros((2, 0))
        if not (knots.size and (np.diff(knots) > 0).all() and (knots[:, [0, -1]] == [0, 1]).all()):
            raise ValueError(
                "Expected levels and targets of one shape (k,), each increasing from 0 to 1. "
                f"Received: levels={self.levels}, targets={self.targets}."
            )

    def _alike(self):
        return self.levels.ndim == 1 and self.levels.shape == self.targets.shape

    def __call__(self, d_or_model: AnyModel) -> RecalibratedPredictive | Any:
        """Return a recalibrated Predictive; of a model, one that predicts such.

        Parameters
        ----------
        d_or_model : Predictive, or anything with predict_distribution
            Of a continuous family of one number.

        Returns
        -------
        RecalibratedPredictive or RecalibratedModel

        Raises
        ------
        ValueError
            For another object, or a family that is discrete, has atoms, or is of angles or vectors.
        """
        if adapt(d_or_model).predicts:
            family = adapt(d_or_model).family
            if family is not None:
                _check_continuous(family, family)
            return RecalibratedModel(d_or_model, self)
        _check_continuous(checks.predictive(d_or_model).family, d_or_model)
        base, levels, targets = d_or_model, self.levels, self.targets
        if isinstance(base, RecalibratedPredictive):  # one map after another is one map
            before = np.interp(levels, base.targets, base.levels)
            levels = np.union1d(before.round(14), base.levels.round(14))  # equal ones are equal
            through = np.interp(levels, base.levels, base.targets)
            base, targets = base.base, np.interp(through, self.levels, self.targets)
        return RecalibratedPredictive(base, levels, targets)


def isotonic(y: ArrayLike, d: Predictive, *, knots: int | None = None) -> IsotonicRecalibration:
    """Find the increasing map of the cdf under which held-out rows are uniform.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses of rows that the model was not fitted on.
    d : Predictive
        What the model believes about them: of a continuous family of one number.
    knots : int, optional
        How many knots the map has between 0 and 1; by default 2 n^(1/3), and at most n / 10.

    Returns
    -------
    IsotonicRecalibration
        Call it on a Predictive, or on a model.

    Raises
    ------
    ValueError
        For another family, several responses, a y of another shape or outside the support, more
        knots than rows, or a cdf that is 0 or 1, to rounding, at most of the knots.

    Notes
    -----
    The calibrated cdf is R(F(y)), with R the distribution of F(y_i) over the held-out rows:
    Kuleshov, Fenner and Ermon (2018), arXiv:1807.00263. R is linear between knots, some of the
    F(y_i) with their ranks over n + 1, and thus strictly increasing, so that there are quantiles
    and a density R'(F(y)) f(y): f times a histogram of the F(y_i). 2 n^(1/3) is the number of bins
    of Rice's rule. The knots' probabilities p are at equal distances of arcsin(sqrt(p)), on which
    scale chance is as large everywhere, and so nearer to each other in the tails. Beyond the last
    knot a tail has the shape of the model's own. Knots that coincide are merged, and those left out
    that lie at 0 or 1 to rounding.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> from probnn import calibration
    >>> y = np.random.default_rng(0).normal(size=1000)
    >>> wide = pn.Predictive("normal", {"loc": np.zeros(1000), "scale": 2.0})
    >>> calibration.isotonic(y, wide)(wide[:1]).stddev().round(1).tolist()
    [1.0]
    """
    _check_continuous(checks.predictive(d).family, d)
    values = transform(y, d, seed=0)
    n = len(values)
    if knots is None:
        knots = max(1, min(round(2.0 * n ** (1 / 3)), n // 10))
    elif checks.count(knots, "`knots`") > n:
        raise ValueError(f"Expected at most as many knots as rows, {n}. Received: {knots}.")
    targets = np.sin(0.5 * np.pi * np.arange(1, knots + 1) / (knots + 1)) ** 2
    ranks = np.unique(np.clip(np.round((n + 1) * targets), 1, n).astype(int))
    levels, targets = np.sort(values)[ranks - 1], ranks / (n + 1)
    inside = (levels > 0.0) & (levels < 1.0)
    if 2 * inside.sum() < len(inside):
        outside = int(np.sum((values <= 0.0) | (values >= 1.0)))
        raise ValueError(
            f"Expected a cdf strictly between 0 and 1 at y. Received: {d!r}, whose cdf is 0 or 1 "
            f"in {outside} of {n} rows. Use scale_scaling first."
        )
    levels, index, counts = np.unique(levels[inside], return_inverse=True, return_counts=True)
    targets = np.bincount(index, targets[inside]) / counts
    return IsotonicRecalibration(
        np.concatenate([[0.0], levels, [1.0]]), np.concatenate([[0.0], targets, [1.0]])
    )


def _check_continuous(family, received):
    """Raise if a family is not of numbers on a line, without atoms, seen uncensored."""
    if family.vector or family.discrete or family.atom or family.circular or family.y_columns:
        remedy = "Recalibrate a family with a scale by scale_scaling, or make intervals: conformal."
        if family.has_classes:
            remedy = "Recalibrate class probabilities by temperature_scaling."
        raise ValueError(
            "Expected a continuous distribution of one number on a line, whose cdf is uniform if "
            f"the model is right. Received: {received!r}. {remedy}"
        )
