"""torch, with `torch.distributions`."""

import contextlib
import threading

import keras
import torch
from torch import (  # noqa: F401
    arctan2,
    cumsum,
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
    sin,
    square,
    tan,
    where,
)
from torch.special import i0e, ndtri  # noqa: F401

from probnn.backend.last_axis import (  # noqa: F401
    after_zero,
    concatenate,
    like,
    log_softmax,
    logsumexp,
    pick,
    stack,
    total,
)
from probnn.backend.one_process import in_processes, of_all_processes, on_device  # noqa: F401


def maximum(x, bound):
    """Return the larger of each element and a number."""
    return torch.clamp(x, min=bound)


def minimum(x, bound):
    """Return the smaller of each element and a number."""
    return torch.clamp(x, max=bound)


def ndtr(x):
    """Return the standard normal cdf, whose lower tail torch's own rounds to 0."""
    return 0.5 * torch.special.erfc(-x * 0.5**0.5)


def softplus(x):
    """Return log(1 + exp(x)), to the last digit of float64 where torch's default has nine."""
    return torch.nn.functional.softplus(x, threshold=40.0)


def log_ndtr(x):
    """Return the logarithm of the standard normal cdf, whose gradient torch loses in the tail."""
    near = torch.special.log_ndtr(torch.clamp(x, min=-20.0))
    far = torch.clamp(x, max=-20.0)
    inverse = 1.0 / torch.square(far)
    series = 0.0 * inverse
    for k in range(19, 0, -2):  # 1 - 1 / x^2 + 3 / x^4 - 15 / x^6 + ...: DLMF 7.12.1
        series = -k * inverse * (1.0 + series)
    tail = -0.5 * torch.square(far) - log(-far) - 0.9189385332046727 + log1p(series)
    return where(x < -20.0, tail, near)


def stop_gradient(x):
    """Return `x` as a constant."""
    return x.detach()


def normal_like(x, generator, is_seeded):
    """Return standard normal numbers in the shape and the type of a tensor.

    Those of a seed are drawn as Keras does, on the host, so that a step has no graph.
    """
    if is_seeded:
        return keras.random.normal(
            x.shape, dtype=keras.backend.standardize_dtype(x.dtype), seed=generator
        )
    return torch.randn_like(x)


@contextlib.contextmanager
def seeded(seed):
    """Let torch's own random numbers begin at a seed, and go on afterwards as if they had not."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def is_double(x):
    """Return whether `x` is float64."""
    return x.dtype == torch.float64


def has_rank(x):
    """Return whether the number of axes of `x` is known now."""
    return True


class _Here(threading.local):
    """What this thread is inside of."""

    vmap = False


_here = _Here()


def is_concrete(x):
    """Return whether the values of `x` can be read now."""
    return x.device.type != "meta" and not torch.compiler.is_compiling() and not _here.vmap


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


def row_jacobians(function):
    """Return a function of (values, rows): its vectors (n, k), and their Jacobians in the values.

    Parameters
    ----------
    function : callable
        `function(values, row)` of a list of tensors and one row, tensors in any nest, is (k,).
    """

    def twice(values, row):
        found = function(values, row)
        return found, found

    derived = torch.func.vmap(torch.func.jacrev(twice, has_aux=True), in_dims=(None, 0))

    def wrapped(values, rows):
        before, _here.vmap = _here.vmap, True
        try:
            slopes, found = derived([value.detach() for value in values], rows)
        finally:
            _here.vmap = before
        return found.detach(), [slope.detach() for slope in slopes]

    return wrapped


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


# ---- training: steps, loops and programs that read and assign Keras variables -------------------


def step(body, variables, optimizer=None):
    """Return `body`, a function of a batch that assigns variables, as one graph of operations."""
    from probnn.backend import torch_steps

    return torch_steps.Traced(body, lambda: variables, optimizer, body)


def loop(variables, start, stop, body, carry):
    """Run `carry = body(i, carry)` for i from `start` to `stop`; it may assign `variables`."""
    del variables
    for i in range(int(start), int(stop)):
        carry = body(i, carry)
    return carry


def program(function, variables):
    """Return `function` of arrays: torch runs it as it stands, and its steps as traced graphs."""
    del variables
    return function


def part(function, variables):
    """Return `function` as a part of a program: its steps are traced, and nothing else is."""
    del variables
    return function


def gather(x, index):
    """Return the rows of `x` with these numbers."""
    return torch.index_select(x, 0, index) if index.ndim == 1 else x[index]


def of_all_replicas(loss, count):
    """Return the loss: a step sees all rows."""
    del count
    return loss


def window(order, start, size):
    """Return `size` entries of the last axis."""
    return order[..., start : start + size]


def many_programs():
    """Return a context in which several models predict without a warning: here, any."""
    return contextlib.nullcontext()


def copied(values):
    """Return copies of tensors."""
    return [value.detach().clone() for value in values]


def give(sources, targets):
    """Assign the values of variables to others."""
    for source, target in zip(sources, targets, strict=True):
        target.assign(source.value)


def free_memory():
    """Return the bytes free on the device that holds tensors, or None where it does not tell."""
    return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else None


def train_step(model):
    """Return a function of a batch that runs the model's own training step."""
    from probnn.backend import torch_steps

    return torch_steps.train_step(model)


def test_step(model):
    """Return a function of a batch that runs the model's own test step."""
    from probnn.backend import torch_steps

    return torch_steps.test_step(model)


def members(function):
    """Return `function` over the first axis of all its arguments, all at once."""
    mapped = torch.func.vmap(function, randomness="different")

    def wrapped(*arguments):
        before, _here.vmap = _here.vmap, True
        try:
            return mapped(*arguments)
        finally:
            _here.vmap = before

    return wrapped


def members_value_and_grad(function):
    """Return a function of members that gives (value, extra), and the gradients in the first."""
    mapped = members(function)

    def wrapped(values, *others):
        values = [value.detach().requires_grad_(True) for value in values]
        with torch.enable_grad():
            loss, extra = mapped(values, *others)
            gradients = torch.autograd.grad(loss.sum(), values, materialize_grads=True)
        loss, extra = keras.tree.map_structure(lambda t: t.detach(), (loss, extra))
        return (loss, extra), list(gradients)

    return wrapped
