"""Functions of tensors along their last axis, for every backend."""

import keras


def total(x):
    """Return the sum over the last axis."""
    return keras.ops.sum(x, axis=-1)


def concatenate(parts):
    """Return parts side by side."""
    return keras.ops.concatenate(parts, axis=-1)


def stack(parts):
    """Return parts along a new axis."""
    return keras.ops.stack(parts, axis=-1)


def after_zero(x):
    """Return the numbers after a zero."""
    return keras.ops.pad(x, [(0, 0)] * (len(x.shape) - 1) + [(1, 0)])


def logsumexp(x):
    """Return log(sum(exp(x)))."""
    return keras.ops.logsumexp(x, axis=-1)


def log_softmax(x):
    """Return x - log(sum(exp(x)))."""
    return keras.ops.log_softmax(x)


def pick(values, index):
    """Return the value with this number in each row; of a number outside the nearest value."""
    last = values.shape[-1] - 1
    index = keras.ops.clip(keras.ops.cast(index, "int32"), 0, last)
    mask = keras.ops.one_hot(index, last + 1, dtype=values.dtype)
    return keras.ops.sum(mask * values, axis=-1)


def like(values, x):
    """Return a NumPy array as what x is."""
    return keras.ops.convert_to_tensor(values, dtype=keras.backend.standardize_dtype(x.dtype))
