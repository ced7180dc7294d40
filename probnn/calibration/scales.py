"""One number that makes held-out numbers most probable: a factor of their scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

from probnn import links
from probnn.calibration import checks
from probnn.calibration.recalibrated import RecalibratedModel
from probnn.fitted import adapt
from probnn.predictive import Predictive
from probnn.predictive.pooled import PooledPredictive
from probnn.predictive.recalibrated import RecalibratedPredictive

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import AnyModel, ArrayLike

_GRID = np.log(8.0) * np.arange(-14, 15)  # logarithms of factors, from 2e-13 to 4e12
_WORST = 1e100  # a loss that stands for an infinite one, so that differences are finite


@dataclass(frozen=True)
class ScaleScaling:
    """Multiplication of the scale by a factor, as `scale_scaling` finds it.

    Parameters
    ----------
    factor : float
        Above 1 it makes the distributions wider, below 1 narrower.

    Raises
    ------
    ValueError
        If the factor is not a finite number above 0.

    Examples
    --------
    >>> import probnn as pn
    >>> from probnn.calibration import ScaleScaling
    >>> d = pn.Predictive("normal", {"loc": [0.0, 1.0], "scale": [1.0, 2.0]})
    >>> ScaleScaling(1.5)(d).stddev().tolist()
    [1.5, 3.0]
    """

    factor: float

    def __post_init__(self):
        checks.positive(self.factor, "factor")

    def __call__(self, d_or_model: AnyModel) -> Predictive | Any:
        """Return a recalibrated Predictive, or a recalibrated model.

        Parameters
        ----------
        d_or_model : Predictive, or anything with predict_distribution
            Of a family as in `scale_scaling`; a probnn.Model or Sequential with one head, where the
            link of the scale is the logarithm.

        Returns
        -------
        Predictive, probnn.Model, probnn.Sequential or RecalibratedModel
            Of the same family; of a PooledPredictive the pool of the scaled members. Of a
            probnn.Model or Sequential a copy, with other weights of its head; of an ensemble,
            results of probnn.glm or a recalibrated model a RecalibratedModel.

        Raises
        ------
        ValueError
            For another object, family or link, or a scale that is fixed or has no intercept.
        """
        if isinstance(d_or_model, Predictive):
            _check_scaled(d_or_model)
            if isinstance(d_or_model, PooledPredictive):  # whose members tell what they agree on
                return PooledPredictive([*map(self, d_or_model.members)], d_or_model.weights)
            return _scaled(d_or_model, self.factor)
        from probnn.calibration import _copies  # which needs Keras

        if _copies.is_wrapped(d_or_model):
            family = adapt(d_or_model).family
            if family is not None:
                _check_family(family)
            return RecalibratedModel(d_or_model, self)
        copy, head = _copies.copied(d_or_model, self._check)
        scale = np.array([n == head.family.scale_parameter for n, _ in head.family.raw_columns])
        move = np.tile(np.where(scale, np.log(self.factor), 0.0), head.responses)
        if head.bias is not None:
            biased = np.array(head.biased * head.responses)
            head.bias.assign(_copies.numpy(head.bias) + move[biased])
        if head.constant is not None:
            constant = np.array(head.kinds * head.responses) == "constant"
            head.constant.assign(_copies.numpy(head.constant) + move[constant])
        return copy

    @staticmethod
    def _check(head):
        _check_family(head.family)
        remedy = "Recalibrate what the model predicts: call this on model.predict_distribution(x)."
        if head.family.links["scale"] != links.get("log"):
            raise ValueError(
                "Expected a scale with the log link, where a factor is a number added to the "
                f"intercept. Received: {head.family!r}. {remedy}"
            )
        if "scale" in head.fixed:
            raise ValueError(
                f"Expected a scale that is predicted or constant. Received: "
                f"fixed={head.fixed}. Make the head with the new scale, or with constant=['scale']."
            )
        if "scale" not in head.constant_names and not head.use_bias:
            raise ValueError(
                f"Expected a scale with an intercept. Received: use_bias=False. {remedy}"
            )


def scale_scaling(y: ArrayLike, d: Predictive) -> ScaleScaling:
    """Find the factor of the scale that makes held-out rows most probable.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses of rows that the model was not fitted on; bounds if censored, shape (n, 2). Of
        several responses, shape (n, d), all scales get the one factor.
    d : Predictive
        What the model believes about them: of the normal, student_t, laplace, logistic, gumbel or
        log_normal family (of the last, the scale of the logarithm); or mixtures, as ensembles
        predict, and censored or discretized forms of these.

    Returns
    -------
    ScaleScaling
        With the `factor`; call it on a Predictive or a model.

    Raises
    ------
    ValueError
        For another family, a y of another shape or outside the support; or if no factor is best,
        as where y equals the location in all rows, or all rows are bounds beyond which it lies.

    Notes
    -----
    Of the normal family the factor is the root of the mean of ((y - loc) / scale)^2; of others it
    is found numerically, to seven digits, from the best power of 8 between 2e-13 and 4e12. The
    factor of a mixture multiplies the scales of all components, which stay where they are. Levi et
    al. (2022), doi:10.3390/s22155540.

    Examples
    --------
    >>> import probnn as pn
    >>> from probnn import calibration
    >>> narrow = pn.Predictive("normal", {"loc": [0.0, 0.0], "scale": [1.0, 2.0]})
    >>> found = calibration.scale_scaling([3.0, -8.0], narrow)
    >>> round(found.factor**2, 6)
    12.5
    """
    _check_scaled(d)
    d, y = checks.rows(y, d, censored=True, several=True)
    with np.errstate(all="ignore"):  # what is not finite is no factor
        if d.family.loss == "squared_error":
            z = (y - d.params[d.family.location]) / d.params[d.family.scale_parameter]
            factor = np.sqrt(np.mean(z**2))
        else:
            factor = _best_factor(y, d)
    if not 0.0 < factor < np.inf:
        raise ValueError(
            "Expected rows that tell a scale, as where y differs from the location, and a scale "
            f"above 0. Received: {d!r} and a y for which no factor of the scale is best. Give "
            "other rows."
        )
    return ScaleScaling(float(factor))


def _best_factor(y, d):
    """Return the factor with the largest likelihood, or NaN if none is better than all others."""

    def loss(log_factor):
        found = -_scaled(d, np.exp(log_factor)).log_prob(y).mean()
        return found if abs(found) < _WORST else _WORST  # NaN too

    losses = np.array([loss(each) for each in _GRID])
    best = losses.argmin()
    rounding = 1e-12 * max(1.0, abs(losses[best]))
    if losses[best] == _WORST or min(losses[0], losses[-1]) <= losses[best] + rounding:
        return np.nan  # the likelihood rises, or stays as it is, to the end of the grid
    middle, step = _GRID[best], np.log(8.0)
    found = optimize.minimize_scalar(
        lambda off: loss(middle + off),
        bounds=(-step, step),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return np.exp(middle + found.x)


def _scaled(d, factor):
    """Return the Predictive with another scale."""
    name = d.family.scale_parameter
    params = {**d.params, name: factor * d.params[name], **d.given}
    return Predictive(d.family, params).labelled(d.labels)


def _check_scaled(d):
    """Raise if d is not of a family with a scale, or has been recalibrated as a whole."""
    _check_family(checks.predictive(d).family)
    if isinstance(d, RecalibratedPredictive):
        raise ValueError(
            f"Expected a Predictive as a model makes it. Received: {d!r}. Scale first, then call "
            "isotonic."
        )


def _check_family(family):
    if family.scale_parameter is None:
        raise ValueError(
            "Expected a family with a scale: normal, student_t, laplace, logistic, gumbel, "
            "log_normal, or a mixture, censored or discretized form of one. Received: "
            f"{family!r}. Of a continuous y, isotonic recalibrates any family."
        )
