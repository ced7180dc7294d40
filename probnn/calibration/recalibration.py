"""One number that makes held-out rows most probable: of logits, or of scales."""

from dataclasses import dataclass

import keras
import numpy as np
from scipy import optimize, special

from probnn import families, links
from probnn.calibration import _checks
from probnn.calibration.recalibrated import RecalibratedPredictive
from probnn.families._wrapper import Wrapper
from probnn.heads import Head
from probnn.models import Model, Sequential
from probnn.predictive import Predictive
from probnn.training.copies import give_weights, remade

_SCALED = (
    families.Normal,
    families.StudentT,
    families.Laplace,
    families.Logistic,
    families.Gumbel,
    families.LogNormal,
)
_FARTHEST = 30.0  # that the logarithm of a factor may be from 0


@dataclass(frozen=True)
class TemperatureScaling:
    """Division of logits by a temperature, as `temperature_scaling` finds it.

    Parameters
    ----------
    temperature : float
        Above 1 it makes probabilities less extreme, below 1 more.

    Examples
    --------
    >>> import probnn as pn
    >>> from probnn.calibration import TemperatureScaling
    >>> d = pn.Predictive("bernoulli", {"probs": [0.5, 0.9]})
    >>> TemperatureScaling(2.0)(d).mean().tolist()
    [0.5, 0.75]
    """

    temperature: float

    def __call__(self, d_or_model):
        """Return a recalibrated Predictive, or a recalibrated copy of a model.

        Parameters
        ----------
        d_or_model : Predictive, probnn.Model or probnn.Sequential
            Of the Bernoulli or the categorical family; a model with one head, and the links logit
            and multinomial_logit.

        Returns
        -------
        Predictive, probnn.Model or probnn.Sequential
            Of the same family; the copy of a model differs in the weights of its head.

        Raises
        ------
        ValueError
            For another object, family or link, or fixed probabilities.
        """
        if isinstance(d_or_model, Predictive):
            probs = special.softmax(_logits(d_or_model) / self.temperature, axis=-1)
            if isinstance(d_or_model.family, families.Bernoulli):
                probs = probs[..., 1]
            return Predictive(d_or_model.family, {"probs": probs})
        copy, head = _copy(d_or_model, self._check)
        for weight in (head.kernel, head.bias, head.constant):  # the logits are linear in them
            if weight is not None:
                weight.assign(_numpy(weight) / self.temperature)
        return copy

    @staticmethod
    def _check(head):
        wanted = {"bernoulli": "logit", "categorical": "multinomial_logit"}
        found = wanted.get(head.family.name)
        if found is None or head.family.links["probs"].name != found:
            raise ValueError(
                "Expected a head of the bernoulli family with the logit link, or of the "
                f"categorical family. Received: {head.family!r}. Recalibrate what it predicts, if "
                "of one of these families: call this on model.predict_distribution(x)."
            )
        if head.fixed:
            raise ValueError(f"Expected trainable probabilities. Received: fixed={head.fixed}.")


def temperature_scaling(y, d):
    """Find the temperature of logits that makes held-out classes most probable.

    Parameters
    ----------
    y : array_like, shape (n,)
        Class codes of rows that the model was not fitted on; 0 or 1 for the Bernoulli family.
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
    d, y = _checks.rows(y, d)
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

    def slope(log_inverse):
        weights = np.where(possible, np.exp(log_inverse) * gain, -np.inf)
        return np.sum(special.softmax(weights, axis=1) * gain)

    if np.where(possible, gain, -np.inf).max() <= 0.0:
        raise ValueError(
            "Expected a row in which another class came than the most probable one. Received: "
            "none, so that the lower the temperature, the more probable is y. Give more rows."
        )
    if slope(-np.inf) >= 0.0:
        raise ValueError(
            "Expected probabilities that tell something about y. Received: ones that are no better "
            "at any temperature than equal probabilities of all classes."
        )
    low = high = 0.0
    while slope(low) > 0.0:
        low -= 1.0
    while slope(high) < 0.0:
        high += 1.0
    root = optimize.brentq(slope, low, high, xtol=1e-14, rtol=1e-14) if low < high else 0.0
    return TemperatureScaling(float(np.exp(-root)))


def _logits(d):
    """Return the logarithms of the class probabilities, the classes along the last axis."""
    wanted = (families.Bernoulli, families.Categorical)
    if not isinstance(_checks.predictive(d).family, wanted):
        raise ValueError(
            "Expected the bernoulli or the categorical family, for a temperature. Received: "
            f"{d!r}. The spread of numbers is recalibrated by scale_scaling or isotonic."
        )
    probs = d.params["probs"]
    if isinstance(d.family, families.Bernoulli):
        probs = np.stack([1.0 - probs, probs], axis=-1)
    with np.errstate(divide="ignore"):
        return np.log(probs)


@dataclass(frozen=True)
class ScaleScaling:
    """Multiplication of the scale by a factor, as `scale_scaling` finds it.

    Parameters
    ----------
    factor : float
        Above 1 it makes the distributions wider, below 1 narrower.

    Examples
    --------
    >>> import probnn as pn
    >>> from probnn.calibration import ScaleScaling
    >>> d = pn.Predictive("normal", {"loc": [0.0, 1.0], "scale": [1.0, 2.0]})
    >>> ScaleScaling(1.5)(d).stddev().tolist()
    [1.5, 3.0]
    """

    factor: float

    def __call__(self, d_or_model):
        """Return a recalibrated Predictive, or a recalibrated copy of a model.

        Parameters
        ----------
        d_or_model : Predictive, probnn.Model or probnn.Sequential
            Of a family as in `scale_scaling`; a model with one head, where the link of the scale is
            the logarithm.

        Returns
        -------
        Predictive, probnn.Model or probnn.Sequential
            Of the same family; the copy of a model differs in the weights of its head.

        Raises
        ------
        ValueError
            For another object, family or link, or a scale that is fixed or has no intercept.
        """
        if isinstance(d_or_model, Predictive):
            _check_scaled(d_or_model)
            scaled = {**d_or_model.params, "scale": self.factor * d_or_model.params["scale"]}
            return Predictive(d_or_model.family, {**scaled, **d_or_model.given})
        copy, head = _copy(d_or_model, self._check)
        names = np.repeat(
            [*head.family.params], [param.columns for param in head.family.params.values()]
        )
        move = np.tile(np.where(names == "scale", np.log(self.factor), 0.0), head.responses)
        if head.bias is not None:
            biased = np.array(head._biased * head.responses)
            head.bias.assign(_numpy(head.bias) + move[biased])
        if head.constant is not None:
            constant = np.array(head._kinds * head.responses) == "constant"
            head.constant.assign(_numpy(head.constant) + move[constant])
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


def scale_scaling(y, d):
    """Find the factor of the scale that makes held-out rows most probable.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses of rows that the model was not fitted on; bounds if censored, shape (n, 2).
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
        as where y equals the location in all rows.

    Notes
    -----
    Of the normal family the factor is the root of the mean of ((y - loc) / scale)^2; of others it
    is found numerically, to eight digits. The factor of a mixture multiplies the scales of all
    components, which stay where they are. Levi et al. (2022), doi:10.3390/s22155540.

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
    d, y = _checks.rows(y, d, censored=True)
    if type(d.family) is families.Normal:
        factor = float(np.sqrt(np.mean(((y - d.params["loc"]) / d.params["scale"]) ** 2)))
    else:

        def loss(log_factor):
            if abs(log_factor) > _FARTHEST:
                return np.inf
            return -ScaleScaling(np.exp(log_factor))(d).log_prob(y).mean()

        found = optimize.minimize_scalar(loss, bracket=(-0.1, 0.1), tol=1e-10)
        inside = abs(found.x) < _FARTHEST - 0.1 and np.isfinite(found.fun)
        factor = float(np.exp(found.x)) if inside else 0.0
    if not 0.0 < factor < np.inf:
        raise ValueError(
            "Expected a y that differs from the location in some rows, and a scale above 0. "
            f"Received: {d!r} and a y for which no factor of the scale is best."
        )
    return ScaleScaling(factor)


def _check_scaled(d):
    """Raise if d is not of a family with a scale, or has been recalibrated as a whole."""
    _check_family(_checks.predictive(d).family)
    if isinstance(d, RecalibratedPredictive):
        raise ValueError(
            f"Expected a Predictive as a model makes it. Received: {d!r}. Scale first, then call "
            "isotonic."
        )


def _check_family(family):
    base = family
    while isinstance(base, Wrapper):
        base = base.family
    if not isinstance(base, _SCALED):
        raise ValueError(
            f"Expected a family with a scale: {', '.join(cls.name for cls in _SCALED)}, or a "
            f"mixture, censored or discretized form of one. Received: {family!r}. Of a continuous "
            "y, isotonic recalibrates any family."
        )


def _numpy(weight):
    return keras.ops.convert_to_numpy(weight.value).astype("float64")


def _copy(model, check):
    """Return a copy of a model with one head that passes a check, and the copy's head."""
    if not isinstance(model, (Model, Sequential)) or not isinstance(model.heads, Head):
        heads = ""
        if isinstance(model, (Model, Sequential)):
            heads = f" with the heads {model.heads}"
        raise ValueError(
            "Expected a Predictive, or a probnn.Model or Sequential with one head. Received: "
            f"{type(model).__name__}{heads}. Call this on model.predict_distribution(x)."
        )
    check(model.heads)
    if not model.built:
        raise ValueError(
            "Expected a model with weights. Received: one that is not built. Fit it first."
        )
    copy = remade(model)
    give_weights(model, copy)
    if model.compiled:
        copy.compile_from_config(model.get_compile_config())
    return copy, copy.heads
