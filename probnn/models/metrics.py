"""Responses and raw outputs, as Keras's metrics take them; the parts of a loss."""

import keras

from probnn.backend.keras_private import strategy_scope
from probnn.networks.kinds import variational_layers


class Parts:
    """The means of the likelihood and of the divergence in the loss of variational layers."""

    def __init__(self, model, layers):
        with strategy_scope(model):
            self.metrics = [keras.metrics.Mean(name=name) for name in ("nll", "kl")]
        self._variational = layers

    @classmethod
    def of(cls, model):
        """Return those of a model; None if it has no such layers."""
        layers = variational_layers(model)
        return cls(model, layers) if layers else None

    def record(self, x, loss, added):
        """Take the loss of a batch, and what was added to its likelihood: penalties too."""
        divergence = sum(layer.kl_of_row() for layer in self._variational)
        (first, *_) = (leaf for leaf in keras.tree.flatten(x) if leaf is not None)
        rows = keras.ops.shape(first)[0]
        for metric, value in zip(self.metrics, (loss - sum(added), divergence), strict=True):
            metric.update_state(keras.ops.stop_gradient(value), sample_weight=rows)


def for_metrics(head, y, raw, weight, counts):
    """Return y, the mean, the weights, and which rows count or None, as Keras's metrics take them.

    `counts` is the mask, or None. y and the mean are (n, 1) with (n, 1), classes as codes.
    """
    ops = keras.ops
    mean, y = head.mean(raw), head.family.observed_mean(y)
    if weight is not None or counts is not None:  # else no y is NaN
        y = ops.cast(y, mean.dtype)
        missing = ops.logical_not(ops.isfinite(y))
        y = ops.where(missing, ops.zeros_like(y), y)
        if len(missing.shape) == len(raw.shape):
            missing = ops.any(missing, axis=-1)
        counts = ~missing if counts is None else ops.logical_and(counts, ~missing)
    if counts is not None:
        counts = ops.cast(counts, mean.dtype)
        weight = counts if weight is None else _to_rank(weight, counts) * counts
    if len(mean.shape) == len(raw.shape) - 1:
        if len(y.shape) == len(mean.shape):
            y = ops.expand_dims(y, -1)
        mean = ops.expand_dims(mean, -1)
    return y, mean, weight, counts


def _to_rank(weight, counts):
    """Return weights in the rank of what they multiply: (n, 1) for (n, t), (n,) for (n,)."""
    ops, weight = keras.ops, keras.ops.cast(weight, counts.dtype)
    if len(weight.shape) < len(counts.shape):
        return ops.expand_dims(weight, -1)
    return ops.reshape(weight, ops.shape(counts)) if len(counts.shape) == 1 else weight
