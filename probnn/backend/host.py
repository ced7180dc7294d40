"""Elementwise functions for host arrays: NumPy's, and SciPy's where NumPy has none."""

import numpy as np
from numpy import (  # noqa: F401
    arctan2,
    cumsum,
    exp,
    expm1,
    floor,
    isfinite,
    log,
    log1p,
    maximum,
    minimum,
    sin,
    square,
    tan,
    where,
)

_SCIPY = {
    "i0e": "i0e",
    "lgamma": "gammaln",
    "log_ndtr": "log_ndtr",
    "logit": "logit",
    "ndtr": "ndtr",
    "ndtri": "ndtri",
    "sigmoid": "expit",
}


def __getattr__(name):
    """Find SciPy's functions under the tensor zone's names when they are first used."""
    if name not in _SCIPY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import scipy.special

    return getattr(scipy.special, _SCIPY[name])


def is_host(x):
    """Return whether `x` is a host array or a Python number."""
    return isinstance(x, (np.ndarray, np.generic, int, float))


def softplus(x):
    """Return log(1 + exp(x))."""
    return np.logaddexp(0.0, x)


def is_double(x):
    """Return whether `x` is computed in float64."""
    return np.result_type(x, np.float32) == np.float64


def stop_gradient(x):
    """Return `x`: host arrays carry no gradient."""
    return x


# ---- along the last axis ------------------------------------------------------------------


def total(x):
    """Return the sum over the last axis."""
    return x.sum(axis=-1)


def concatenate(parts):
    """Return parts side by side."""
    return np.concatenate(parts, axis=-1)


def stack(parts):
    """Return parts along a new axis."""
    return np.stack(parts, axis=-1)


def after_zero(x):
    """Return the numbers after a zero."""
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(1, 0)])


def logsumexp(x):
    """Return log(sum(exp(x)))."""
    top = x.max(axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(x - top).sum(axis=-1)) + top[..., 0]


def log_softmax(x):
    """Return x - log(sum(exp(x)))."""
    from scipy.special import log_softmax

    return log_softmax(x, axis=-1)


def pick(values, index):
    """Return the value with this number in each row; of a number outside the nearest value."""
    last = values.shape[-1] - 1
    index = np.clip(np.asarray(index, dtype=int), 0, last)
    rows = np.broadcast_shapes(index.shape, values.shape[:-1])
    values = np.broadcast_to(values, (*rows, last + 1))
    return np.take_along_axis(values, np.broadcast_to(index, rows)[..., None], -1)[..., 0]


def like(values, x):
    """Return a NumPy array as what x is."""
    return values.astype(x.dtype)
