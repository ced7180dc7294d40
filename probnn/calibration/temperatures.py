"""One number that makes held-out classes most probable: the temperature of logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special

from probnn.calibration import checks
from probnn.calibration.recalibrated import RecalibratedModel
from probnn.data.classes import Classes
from probnn.fitted import adapt
from probnn.predictive import Predictive

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import AnyModel, ArrayLike

_OF_LOGITS = ("binary", "categorical")  # kinds of classes without an order


@dataclass(frozen=True)
class TemperatureScaling:
    """Division of logits by a temperature, as `temperature_scaling` finds it.

    Parameters
    ----------
    temperature : float
        Above 1 it makes probabilities less extreme, below 1 more.

    Raises
    ------
    ValueError
        If the temperature is not a finite number above 0.

    Examples
    --------
    >>> import probnn as pn
    >>> from probnn.calibration import TemperatureScaling
    >>> d = pn.Predictive("bernoulli", {"probs": [0.5, 0.9]})
    >>> TemperatureScaling(2.0)(d).mean().tolist()
    [0.5, 0.75]
    """

    temperature: float

    def __post_init__(self):
        checks.positive(self.temperature, "temperature")

    def __call__(self, d_or_model: AnyModel) -> Predictive | Any:
        """Return a recalibrated Predictive, or a recalibrated model.

        Parameters
        ----------
        d_or_model : Predictive, or anything with predict_distribution
            Of the Bernoulli or the categorical family; a probnn.Model or Sequential with one head,
            and the links logit and multinomial_logit.

        Returns
        -------
        Predictive, probnn.Model, probnn.Sequential or RecalibratedModel
            Of the same family. Of a probnn.Model or Sequential a copy, with other weights of its
            head; of an ensemble, results of probnn.glm or a recalibrated model a RecalibratedModel.

        Raises
        ------
        ValueError
            For another object, family or link, or fixed probabilities.
        """
        if isinstance(d_or_model, Predictive):
            probs = special.softmax(_logits(d_or_model) / self.temperature, axis=-1)
            family = d_or_model.family
            if family.kind == "binary":
                probs = probs[..., 1]
            coding = Classes(d_or_model.classes, d_or_model.ordered)
            found = Predictive(family, {family.location: probs}, classes=coding)
            return found.labelled(d_or_model.labels)
        from probnn.calibration import _copies  # which needs Keras

        if _copies.is_wrapped(d_or_model):
            family = adapt(d_or_model).family  # an ensemble of ordinal ones is categorical
            if family is not None and family.classes is None:
                _check_classes(family, family)
            return RecalibratedModel(d_or_model, self)
        copy, head = _copies.copied(d_or_model, self._check)
        for weight in (head.kernel, head.bias, head.constant):  # the logits are linear in them
            if weight is not None:
                weight.assign(_copies.numpy(weight) / self.temperature)
        return copy

    @staticmethod
    def _check(head):
        if head.family.kind not in _OF_LOGITS or not head.family.is_canonical:
            raise ValueError(
                "Expected a head of the bernoulli family with the logit link, or of the "
                f"categorical family. Received: {head.family!r}. Recalibrate what it predicts, if "
                "of one of these families: call this on model.predict_distribution(x)."
            )
        if head.fixed:
            raise ValueError(f"Expected trainable probabilities. Received: fixed={head.fixed}.")


def temperature_scaling(y: ArrayLike, d: Predictive) -> TemperatureScaling:
    """Find the temperature of logits that makes held-out classes most probable.

    Parameters
    ----------
    y : array_like, shape (n,)
        Classes of rows that the model was not fitted on: labels where d knows them, else codes. Of
        several responses, shape (n, d), all logits get the one temperature.
    d : Predictive
        What the model believes about them: of the Bernoulli or the categorical family.

    Returns
    -------
    TemperatureScaling
        With the `temperature`; call it on a Predictive or a model.

    Raises
    ------
    ValueError
        For another family, a y of another shape or outside the support; or if no temperature is
        best: where a y has probability 0, where in every row the most probable class came, or
        where the logits tell nothing about y.

    Notes
    -----
    The probabilities become softmax(logits / T), with T by maximum likelihood, which is convex in
    1 / T. The order of the classes stays: Guo et al. (2017), arXiv:1706.04599. Logits of an ordinal
    family are of cumulative probabilities, and not scaled here.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> from probnn import calibration
    >>> sure = pn.Predictive("bernoulli", {"probs": np.repeat([0.1, 0.9], 10)})
    >>> y = np.repeat([0, 1, 0, 1], [7, 3, 3, 7])  # right in 14 of 20 rows
    >>> found = calibration.temperature_scaling(y, sure)
    >>> found(sure).mean()[[0, -1]].round(6).tolist()
    [0.3, 0.7]
    """
    logs = _logits(d)
    d, y = checks.rows(y, d, several=True)
    logs = logs.reshape(-1, logs.shape[-1])
    possible = np.isfinite(logs)
    logs = np.where(possible, logs, 0.0)
    code = y.ravel().astype(int)[:, None]
    if not np.take_along_axis(possible, code, axis=1).all():
        raise ValueError(
            "Expected a y that is possible in every row. Received: one with probability 0, which "
            "no temperature makes possible."
        )
    gain = logs - np.take_along_axis(logs, code, axis=1)  # of each class over the one that came

    if np.where(possible, gain, -np.inf).max() <= 0.0:
        raise ValueError(
            "Expected a row in which another class came than the most probable one. Received: "
            "none, so that the lower the temperature, the more probable is y. Give more rows."
        )
    if _slope(-np.inf, gain, possible) >= 0.0:
        raise ValueError(
            "Expected probabilities that tell something about y. Received: ones that are no better "
            "at any temperature than equal probabilities of all classes."
        )
    return TemperatureScaling(float(np.exp(-best_log_inverse(gain, possible))))


def best_log_inverse(gain, possible=True):
    """Return the logarithm of the best 1 / T, given the gains (n, C) of classes over what came."""
    low = high = 0.0
    while _slope(low, gain, possible) > 0.0:
        low -= 1.0
    while _slope(high, gain, possible) < 0.0:
        high += 1.0
    if low == high:
        return 0.0
    return optimize.brentq(_slope, low, high, (gain, possible), xtol=1e-14, rtol=1e-14)


def _slope(log_inverse, gain, possible):
    """Return the derivative of the negative log-likelihood in 1 / T."""
    weights = np.where(possible, np.exp(log_inverse) * gain, -np.inf)
    return np.sum(special.softmax(weights, axis=1) * gain)


def _logits(d):
    """Return the logarithms of the class probabilities, the classes along the last axis."""
    _check_classes(checks.predictive(d).family, d)
    probs = d.params[d.family.location]
    if d.family.kind == "binary":
        probs = np.stack([1.0 - probs, probs], axis=-1)
    with np.errstate(divide="ignore"):
        return np.log(probs)


def _check_classes(family, received):
    """Raise if a family is not of class probabilities."""
    if family.kind not in _OF_LOGITS:
        raise ValueError(
            "Expected the bernoulli or the categorical family, for a temperature. Received: "
            f"{received!r}. The spread of numbers is recalibrated by scale_scaling or isotonic."
        )
