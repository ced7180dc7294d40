"""JAX, with the distributions of TensorFlow Probability's JAX substrate."""

import contextlib
import functools
import importlib.util
import sys
import threading

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
from probnn.backend.draws import normal_like, seeded  # noqa: F401
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
        spec = importlib.util.find_spec(parent)
        if spec is None:
            raise ModuleNotFoundError(
                "Expected tensorflow-probability, whose distributions these are on JAX. Received: "
                "no such package. pip install tensorflow-probability, which brings no TensorFlow, "
                "or use predict_distribution, which needs neither.",
                name=parent,
            )
        sys.modules[parent] = importlib.util.module_from_spec(spec)
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

    derived = jax.vmap(jax.jacrev(twice, has_aux=True), in_axes=(None, 0))
    return lambda values, rows: derived(values, rows)[::-1]


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


class _Here(threading.local):
    """The state of a program whose loops run in Python in this thread; None in any other."""

    values = None


_here = _Here()


@contextlib.contextmanager
def _running(values):
    before, _here.values = _here.values, values
    try:
        yield
    finally:
        _here.values = before


def loop(variables, start, stop, body, carry):
    """Run `carry = body(i, carry)` for i from `start` to `stop`; it may assign `variables`."""
    if _here.values is not None:
        for i in range(int(start), int(stop)):
            carry = body(i, carry)
        return carry

    def step(i, state):
        values, carry = state
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            carry = body(i, carry)
            return [v.value for v in variables], carry

    start, stop = (jax.numpy.asarray(i, "int32") for i in (start, stop))
    values, carry = jax.lax.fori_loop(start, stop, step, ([v.value for v in variables], carry))
    _assign(variables, values)
    return carry


def _stateless(function, variables, **options):
    """Return a compiled function of values and arguments: new values, and what it returns."""

    @functools.partial(jax.jit, **options)
    def compiled(values, arguments):
        pairs = list(zip(variables, values, strict=True))
        with _running(None), keras.StatelessScope(pairs):
            result = function(*arguments)
            return [v.value for v in variables], result

    return compiled


def program(function, variables):
    """Return `function` of arrays, which may assign `variables`, as one compiled program.

    Where its loops would be slow they run in Python, and what is compiled is every `part`.
    """
    compiled, slow = _stateless(function, variables), None

    def run(*arguments):
        nonlocal slow
        values = [v.value for v in variables]
        if slow is None:
            slow = _slow_in_loops(compiled.trace(values, arguments).jaxpr)
        if slow:  # a part takes the memory of the values that it is given: the first one, of copies
            with _running(copied(values)):
                result = function(*arguments)
                values = jax.block_until_ready(_here.values)
        else:
            values, result = compiled(values, arguments)
        _assign(variables, values)
        return result

    return run


def part(function, variables):
    """Return `function` as a part of a program of these variables, all of whose loops hold parts.

    Nothing else in the program may look at the variables.
    """
    compiled = _stateless(function, variables, donate_argnums=0)

    def run(*arguments):
        if _here.values is None:
            return function(*arguments)
        _here.values, result = compiled(_here.values, arguments)
        return result

    return run


def _slow_in_loops(jaxpr):
    """Return whether a program has a convolution, and a CPU to run on.

    XLA brings convolutions into the form of its fast CPU kernel outside of loops only.
    """
    return jax.default_backend() == "cpu" and "conv_general_dilated" in _operations(jaxpr)


def _operations(jaxpr):
    """Return the names of all operations of a program, those within its loops too."""
    found = {equation.primitive.name for equation in jaxpr.eqns}
    for each in jax.tree.leaves([list(equation.params.values()) for equation in jaxpr.eqns]):
        if hasattr(each, "eqns"):
            found |= _operations(each)
    return found


def gather(x, index):
    """Return the rows of `x` with these numbers."""
    return x.at[index].get(mode="promise_in_bounds")


def on_device(device):
    """Return a context in which tensors are made on a device, if it is not None."""
    return contextlib.nullcontext() if device is None else jax.default_device(device)


def of_all_processes(array):
    """Return the array of each process that a keras.distribution spreads data over, in a list."""
    if jax.process_count() == 1 or keras.distribution.distribution() is None:
        return [array]
    from jax.experimental import multihost_utils

    with float64():
        return [*multihost_utils.process_allgather(array)]


def in_processes(model):
    """Return whether the variables of a model lie in several processes."""
    return jax.process_count() > 1 and not all(
        variable.value.is_fully_addressable for variable in model.variables
    )


def of_all_replicas(loss, count):
    """Return the loss: a step sees the rows of all devices."""
    del count
    return loss


@functools.partial(jax.jit, static_argnums=2)
def window(order, start, size):
    """Return `size` entries of the last axis."""
    return jax.lax.dynamic_slice_in_dim(order, start, size, axis=-1)


def many_programs():
    """Return a context in which several models predict without a warning: here, any."""
    return contextlib.nullcontext()


def copied(values):
    """Return copies of tensors: all at once, as one by one takes longer than a small network."""
    if all(value.is_fully_addressable for value in values):
        return jax.device_put(values, may_alias=False)
    return [jax.numpy.copy(value) for value in values]  # by all processes that hold a part


def give(sources, targets):
    """Assign the values of variables to others."""
    for source, target in zip(sources, targets, strict=True):
        target.assign(source.value)


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
