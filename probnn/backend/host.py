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
