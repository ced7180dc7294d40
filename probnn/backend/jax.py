"""JAX, with the distributions of TensorFlow Probability's JAX substrate."""

import contextlib
import functools
import importlib.util
import sys

import jax
import keras
import numpy as np
from jax.lax import stop_gradient  # noqa: F401
from jax.nn import sigmoid, softplus  # noqa: F401
from jax.numpy import (  # noqa: F401
    arctan2,
    cumsum,
    exp,
    expm1,
    floor,
    isfinite,
    log,
    log1p,
    sin,
    square,
    tan,
    where,
)
from jax.scipy.special import gammaln as lgamma  # noqa: F401
from jax.scipy.special import i0e, log_ndtr, logit, ndtr, ndtri  # noqa: F401

from probnn.backend import keras_private
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


def maximum(x, bound):
    """Return the larger of each element and a number; at a tie with the gradient of x."""
    return where(x < bound, bound, x)


def minimum(x, bound):
    """Return the smaller of each element and a number; at a tie with the gradient of x."""
    return where(x > bound, bound, x)


def is_double(x):
    """Return whether `x` is float64."""
    return x.dtype == jax.numpy.float64


class _Distributions:
    """The distributions of TFP's JAX substrate, imported at the first attribute."""

    def __getattr__(self, name):
        return getattr(_substrate().distributions, name)


@functools.cache
def _substrate():
    """Import TFP's JAX substrate, around two obstacles of TFP 0.25."""
    import jax.interpreters.xla as xla

    if not hasattr(xla, "pytype_aval_mappings"):  # JAX 0.7 keeps it in its core module alone
        from jax._src import core

        xla.pytype_aval_mappings = core.pytype_aval_mappings
    # The parent package imports TensorFlow, which JAX users may not have: leave its code out.
    parent = "tensorflow_probability"
    if parent in sys.modules:
        from tensorflow_probability.substrates import jax as substrate
    else:
        sys.modules[parent] = importlib.util.module_from_spec(importlib.util.find_spec(parent))
        try:
            from tensorflow_probability.substrates import jax as substrate
        finally:
            del sys.modules[parent]
    return substrate


distributions = _Distributions()


def has_rank(x):
    """Return whether the number of axes of `x` is known now."""
    return True


def is_concrete(x):
    """Return whether the values of `x` can be read now."""
    return not isinstance(x, jax.core.Tracer)


def value_and_grad(function):
    """Return a function of one tensor that returns the scalar `function(x)` and its gradient."""
    wrapped = jax.value_and_grad(function)
    return lambda x: wrapped(keras.ops.convert_to_tensor(x))


def row_derivatives(function, second):
    """Return `function`, with its gradients and Hessians in the rows of its last argument."""

    def derived(*arguments):
        *others, x = arguments
        hessian = None

        def summed(x):
            values = function(*others, x)
            return values.sum(), values

        gradient_of = jax.grad(summed, has_aux=True)
        gradient, value = gradient_of(x)
        if second:
            units = jax.numpy.eye(x.shape[-1], dtype=x.dtype)
            along = [jax.jvp(lambda x: gradient_of(x)[0], (x,), (0.0 * x + e,))[1] for e in units]
            hessian = jax.numpy.stack(along, axis=-2)
        return value, gradient, hessian

    return derived


compiled = jax.jit


def padded(arrays):
    """Return arrays with more rows, so that few programs serve all numbers of rows."""
    n = len(arrays[-1])
    rows = 1 << (n - 1).bit_length() if n < 8192 else -(-n // 8192) * 8192
    return [np.concatenate([array, np.repeat(array[-1:], rows - n, axis=0)]) for array in arrays]


def has_gpu():
    """Return whether there is a GPU for tensors."""
    return jax.default_backend() == "gpu"


def float64():
    """Return a context in which float64 arrays become float64 tensors."""
    return jax.enable_x64(True)


# ---- training: steps, loops and programs that read and assign Keras variables -------------------


def train_step(model):
    """Return a function of a batch that runs the model's own training step."""
    return _stateful(
        model,
        model.train_step,
        lambda: (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        ),
    )


def test_step(model):
    """Return a function of a batch that runs the model's own test step."""
    return _stateful(
        model,
        model.test_step,
        lambda: (
            model.trainable_variables,
            model.non_trainable_variables,
            model.metrics_variables,
        ),
    )


def _stateful(model, step, groups):
    """Return Keras's step of a state and a batch as one that assigns the variables."""

    def stepped(batch):
        variables = groups()
        keras_private.forget_losses(model)
        _, state = step(tuple([v.value for v in group] for group in variables), batch)
        for group, values in zip(variables, state, strict=True):
            _assign(group, values)

    return stepped


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def step(body, variables, optimizer=None):
    """Return `body`, a function of a batch that assigns variables: a program compiles it whole."""
    del variables, optimizer
    return body


def loop(variables, start, stop, body, carry):
    """Run `carry = body(i, carry)` for i from `start` to `stop`; it may assign `variables`."""

    def step(i, state):
        values, carry = state
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            carry = body(i, carry)
            return [v.value for v in variables], carry

    start, stop = (jax.numpy.asarray(i, "int32") for i in (start, stop))
    values, carry = jax.lax.fori_loop(start, stop, step, ([v.value for v in variables], carry))
    _assign(variables, values)
    return carry


def program(function, variables):
    """Return `function` of arrays, which may assign `variables`, as one compiled program."""

    @jax.jit
    def compiled(values, arguments):
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            result = function(*arguments)
            return [v.value for v in variables], result

    def run(*arguments):
        values, result = compiled([v.value for v in variables], arguments)
        _assign(variables, values)
        return result

    return run


def gather(x, index):
    """Return the rows of `x` with these numbers."""
    return x.at[index].get(mode="promise_in_bounds")


def window(order, start, size):
    """Return `size` entries of the last axis."""
    return jax.lax.dynamic_slice_in_dim(order, start, size, axis=-1)


def many_programs():
    """Return a context in which several models predict without a warning: here, any."""
    return contextlib.nullcontext()


def free_memory():
    """Return the bytes free on the device that holds tensors, or None where it does not tell."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats["bytes_limit"] - stats["bytes_in_use"] if "bytes_limit" in stats else None


def members(function):
    """Return `function` over the first axis of all its arguments, all at once."""
    return jax.vmap(function)


def members_value_and_grad(function):
    """Return a function of members that gives (value, extra), and the gradients in the first."""
    return jax.vmap(jax.value_and_grad(function, has_aux=True))
