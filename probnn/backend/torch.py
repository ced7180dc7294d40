"""torch, with `torch.distributions`."""

import contextlib

import keras
import torch
from torch import distributions, lgamma  # noqa: F401
from torch.special import log_ndtr, ndtr, ndtri  # noqa: F401

from probnn.backend._tensor import *  # noqa: F403


def is_concrete(x):
    """Return whether the values of `x` can be read now."""
    return x.device.type != "meta" and not torch.compiler.is_compiling()


def value_and_grad(function):
    """Return a function of one tensor that returns the scalar `function(x)` and its gradient."""

    def wrapped(x):
        x = keras.ops.convert_to_tensor(x).detach().requires_grad_(True)
        value = function(x)
        (gradient,) = torch.autograd.grad(value, x)
        return value.detach(), gradient

    return wrapped


def float64():
    """Return a context in which float64 arrays become float64 tensors: here, always."""
    return contextlib.nullcontext()
