"""Responses and raw outputs, as Keras's metrics take them."""

import keras


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
