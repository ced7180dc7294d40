"""torch, with `torch.distributions`."""

import contextlib

import keras
import torch
from torch import (  # noqa: F401
    arctan2,
    distributions,
    exp,
    expm1,
    floor,
    isfinite,
    lgamma,
    log,
    log1p,
    logit,
    sigmoid,
    square,
    tan,
    where,
)
from torch.special import log_ndtr, ndtr, ndtri  # noqa: F401


def maximum(x, bound):
    """Return the larger of each element and a number."""
    return torch.clamp(x, min=bound)


def minimum(x, bound):
    """Return the smaller of each element and a number."""
    return torch.clamp(x, max=bound)


def softplus(x):
    """Return log(1 + exp(x)), to the last digit of float64 where torch's default has nine."""
    return torch.nn.functional.softplus(x, threshold=40.0)


def stop_gradient(x):
    """Return `x` as a constant."""
    return x.detach()


def is_double(x):
    """Return whether `x` is float64."""
    return x.dtype == torch.float64


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


def row_derivatives(function, second):
    """Return `function`, with its gradients and Hessians in the rows of its last argument."""

    def derived(*arguments):
        *others, x = arguments
        x, hessian = x.detach().requires_grad_(True), None
        with torch.enable_grad():
            value = function(*others, x)
            (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=second)
            if second and gradient.requires_grad:
                rows = [
                    torch.autograd.grad(column.sum(), x, retain_graph=True, materialize_grads=True)[
                        0
                    ]
                    for column in gradient.unbind(-1)
                ]
                hessian = torch.stack(rows, dim=-2)
            elif second:
                hessian = x.new_zeros((*gradient.shape, gradient.shape[-1]))
        return value.detach(), gradient.detach(), hessian

    return derived


def compiled(function):
    """Return a function of arrays or tensors: torch runs it operation by operation."""

    def computed(*arrays):
        return function(*(keras.ops.convert_to_tensor(array) for array in arrays))

    return computed


def padded(arrays):
    """Return the arrays: any number of rows will do."""
    return arrays


def has_gpu():
    """Return whether there is a GPU for tensors."""
    return torch.cuda.is_available()


def float64():
    """Return a context in which float64 arrays become float64 tensors: here, always."""
    return contextlib.nullcontext()
