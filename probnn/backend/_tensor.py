"""The elementwise functions that `keras.ops` has on every backend, under one list of names."""

import keras
from keras.ops import (
    abs,
    arctan2,
    exp,
    expm1,
    floor,
    isfinite,
    log,
    log1p,
    maximum,
    minimum,
    sigmoid,
    softplus,
    sqrt,
    square,
    stop_gradient,
    tan,
    where,
)

__all__ = [
    "abs",
    "arctan2",
    "eps",
    "exp",
    "expm1",
    "floor",
    "isfinite",
    "log",
    "log1p",
    "logit",
    "maximum",
    "minimum",
    "sigmoid",
    "softplus",
    "sqrt",
    "square",
    "stop_gradient",
    "tan",
    "where",
]

_EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


def logit(x):
    """Return log(x / (1 - x))."""
    return log(x) - log1p(-x)


def eps(x):
    """Return the spacing of floating-point numbers near 1 in the dtype of `x`."""
    return _EPS[keras.backend.standardize_dtype(x.dtype)]
