"""Negative log-likelihood, as a Keras loss."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import keras

from probnn import backend, families
from probnn.backend import keras_private
from probnn.data import shape_text
from probnn.domains import NEAR_SIMPLEX

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor
    from probnn.families.base import Family


@keras.saving.register_keras_serializable(package="probnn")
class NegativeLogLikelihood(keras.losses.Loss):
    """The negative log-likelihood of y under a family, given raw network outputs.

    It works in the `compile` of any Keras model whose output is a `probnn.Head`, or any layer with
    as many outputs as the family has raw columns.

    Parameters
    ----------
    family : str or Family
        The family of the head, with the same links.
    check : bool
        Whether every call looks at the support. `probnn.Model` turns it off, because it has looked
        at all data before the first step.
    reduction, name, dtype
        As for any Keras loss. Keras casts to `dtype`, by default its floatx: a float64 network
        needs `dtype="float64"` (`probnn.Model.compile` sees to it).
    label_smoothing : float
        Of classes, from 0 to 1: the part of each y that is spread evenly over all of them.
    beta : float
        Of a family with a location and a scale, from 0 to 1: each response counts scale^(2 beta)
        times, without a gradient of that. 0.5 keeps a scale that grew early from hiding the rows
        that it is of; at 1 the gradient of a normal location is that of squared errors.
    **options
        Options of a family given by name, as in `Head`: `classes=3`, `link="probit"`.

    Raises
    ------
    ValueError
        If `label_smoothing` or `beta` is not of the family, or not from 0 to 1.
        On a call, if the shapes of y and the raw output do not belong together; and, when values
        can be read (outside of compiled programs), if a y lies outside the family's support. In a
        compiled step such a y makes the loss NaN and adds nothing to the gradient, so that no
        weight is lost; `probnn.Model.fit` raises before the first step.

    Notes
    -----
    Raw output has shape (..., units * k); y has shape (..., units), or (...) or (..., 1) when
    units is 1, and never broadcasts. A y of one of several classes may be the probabilities of
    all, (..., classes), in place of a code: the loss is the cross entropy. Where the sample weight
    is 0, or a time step masked, y is not looked at, so that a y that was not observed may be NaN.
    The loss of a row is the sum over its independent responses: -log p(y_1) - ... -
    log p(y_units). With `beta` or `label_smoothing` it is a likelihood no more: scores of
    `predict_distribution` are. `beta` is by Seitzer et al. (2022), arXiv:2203.09168.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> loss = pn.NegativeLogLikelihood("bernoulli")
    >>> round(float(loss(np.array([1.0, 0.0]), np.zeros((2, 1), "float32"))), 6)
    0.693147
    """

    def __init__(
        self,
        family: str | dict[str, Any] | Family | None = None,
        /,
        check: bool = True,
        reduction: str = "sum_over_batch_size",
        name: str = "negative_log_likelihood",
        dtype: Any = None,
        label_smoothing: float = 0.0,
        beta: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if family is None:  # positional, since a mixture's option has that name too
            family = options.pop("family", None)
        self.family = families.get(family, **options)
        self.check, self.label_smoothing, self.beta = check, label_smoothing, beta
        self._check_option("label_smoothing", "classes")
        self._check_option("beta", "scale_parameter")

    def _check_option(self, name, fact):
        value = getattr(self, name)
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"Expected {name} from 0 to 1. Received: {value!r}.")
        if value and getattr(self.family, fact) is None:
            what = "classes" if fact == "classes" else "a location and a scale"
            raise ValueError(
                f"Expected a family of {what}, for {name}={value}. Received: {self.family!r}. "
                "Leave it out."
            )

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> Tensor:
        """Return the reduced loss of rows, each times its weight."""
        mask = keras_private.mask_of(y_pred)
        if mask is not None:
            mask = keras.ops.cast(mask, self.dtype)
        for weight in (sample_weight, mask):
            if weight is not None:
                y_true = self._observed(*self._read(y_true, y_pred), weight)
        loss = super().__call__(y_true, y_pred, sample_weight)
        if self.reduction in (None, "none"):
            return loss
        weights = [sample_weight if self.reduction == "mean_with_sample_weight" else None, mask]
        count = functools.partial(self._count, y_pred, weights)
        return backend.of_all_replicas(loss, None if self.reduction == "sum" else count)

    @staticmethod
    def _count(raw, weights):
        """Return the rows that a mean is over, or the sum of their weights."""
        ops = keras.ops
        lead = ops.shape(raw)[:-1]
        count = ops.ones(lead)
        for weight in weights:
            if weight is not None:
                weight = ops.cast(weight, count.dtype)
                ones = (1,) * (len(lead) - len(weight.shape))
                count *= ops.reshape(weight, (*ops.shape(weight)[: len(lead)], *ones))
        return ops.sum(count)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the negative log-likelihood of each row."""
        y, y_pred, units = self._read(y_true, y_pred)
        raw = self.family.by_response(y_pred)
        nll = self._checked(y, raw) if self.check else self._nll(y, raw)
        if self.beta:
            scale = self.family.linked(raw)[self.family.scale_parameter].value
            nll = nll * backend.math(scale).stop_gradient(scale ** (2.0 * self.beta))
        return keras.ops.sum(nll, axis=-1) if units > 1 else nll

    def _nll(self, y, raw):
        """Return the negative log-likelihood of each response: of classes, perhaps a mean."""
        is_soft, part = self._is_soft(y, raw), self.label_smoothing
        if not (is_soft or part):
            return -self.family.log_prob(y, raw)
        of_all = -self.family.class_log_probs(raw)
        nll = keras.ops.sum(y * of_all, axis=-1) if is_soft else -self.family.log_prob(y, raw)
        return (1.0 - part) * nll + part * keras.ops.mean(of_all, axis=-1)

    def _read(self, y_true, y_pred):
        """Return y in the shape of the raw output less the columns, the raw output, and units."""
        y_true, y_pred = (
            keras.ops.convert_to_tensor(v, dtype=self.dtype) for v in (y_true, y_pred)
        )
        k = self.family.size
        if len(y_pred.shape) < 2 or y_pred.shape[-1] is None or y_pred.shape[-1] % k:
            raise ValueError(
                f"Expected raw output of shape (..., {k}), or (..., units * {k}), for the "
                f"{self.family.name} family: as a probnn.Head of that family makes it. "
                f"Received: output of shape {tuple(y_pred.shape)}."
            )
        units = y_pred.shape[-1] // k
        if units > 1 and self.family.y_columns is not None:
            raise ValueError(
                f"Expected raw output of shape (..., {k}), for {self.family!r}. Received: output "
                f"of shape {tuple(y_pred.shape)}."
            )
        return self._align(y_true, y_pred, units), y_pred, units

    def _tail(self, y, raw, units):
        """Return the axes of y after those of rows: responses, their numbers, or all classes."""
        if units > 1:
            return (units, *self.family.y_shape)
        return (self.family.classes,) if self._is_soft(y, raw) else self.family.y_shape

    def _is_soft(self, y, raw):
        """Return whether y is the probabilities of classes, in place of the code of one."""
        classes = self.family.classes
        if classes is None or not backend.has_rank(y) or len(y.shape) != len(raw.shape):
            return False
        return y.shape[-1] == classes

    def _observed(self, y, raw, units, sample_weight):
        """Return y with a value of the support in place of those of weight 0."""
        ops = keras.ops
        tail = len(self._tail(y, raw, units))
        lead = len(raw.shape) - 1
        weight = ops.convert_to_tensor(sample_weight)
        if not backend.has_rank(weight) or len(weight.shape) > lead:  # (n, 1) of (n,)
            weight = ops.reshape(weight, ops.shape(raw)[:-1])
        counts = ops.reshape(
            weight != 0, (*ops.shape(weight), *(1,) * (lead + tail - len(weight.shape)))
        )
        return ops.where(counts, y, self._inside(y))

    def _inside(self, y):
        """Return values of the support, of the shape of y."""
        return keras.ops.zeros_like(y) + keras.ops.convert_to_tensor(
            self.family.support.inside, dtype=y.dtype
        )

    def _checked(self, y, raw):
        """Return the loss; of y outside the support raise, or in a compiled program give NaN."""
        ops, is_soft = keras.ops, self._is_soft(y, raw)
        supported = (NEAR_SIMPLEX if is_soft else self.family.support).contains(y)
        if backend.is_concrete(supported):
            if not ops.all(supported):
                self.family.check(ops.convert_to_numpy(y), is_soft=is_soft)
            return self._nll(y, raw)
        row = supported
        if is_soft or self.family.y_columns is not None:
            row = ops.all(supported, axis=-1)
            supported = ops.broadcast_to(row[..., None], ops.shape(supported))
        nll = self._nll(ops.where(supported, y, self._inside(y)), raw)
        return ops.where(row, nll, ops.full_like(nll, float("nan")))

    def _align(self, y, raw, units):
        """Return y with the shape of its raw output less the columns, or raise: never broadcast."""
        tail = self._tail(y, raw, units)
        # A reshape to the very shape of the output fails where a batch size unknown until now
        # differs, where arithmetic would broadcast.
        lead = keras.ops.shape(raw)[:-1]
        if not backend.has_rank(y):  # one program has seen (n,) and (n, 1)
            return keras.ops.reshape(y, (*lead, *tail))
        expected = (*raw.shape[:-1], *tail)
        shape = tuple(y.shape)
        if not tail and len(shape) == len(expected) + 1 and shape[-1] == 1:
            shape = shape[:-1]
        fits = len(shape) == len(expected) and all(
            a == b or a is None or b is None for a, b in zip(shape, expected, strict=True)
        )
        if not fits:
            shapes = shape_text(expected)
            if not tail:
                shapes += f" or {shape_text((*expected, 1))}"
            raise ValueError(
                f"Expected y of shape {shapes}, for raw output of shape {shape_text(raw.shape)}. "
                f"Received: y of shape {shape_text(y.shape)}. They would broadcast against each "
                "other; give y one value for each row and response."
            )
        if tuple(y.shape) == expected and None not in expected:
            return y
        return keras.ops.reshape(y, (*lead, *tail))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this loss again, as JSON types."""
        return {
            **super().get_config(),
            "family": self.family.get_config(),
            "check": self.check,
            "label_smoothing": self.label_smoothing,
            "beta": self.beta,
            "dtype": self.dtype,
        }
