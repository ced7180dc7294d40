"""The one room where array libraries are named: TensorFlow, JAX or torch, as Keras has chosen.

Everything else in probnn is written with `keras.ops` and with what this package exports:

==================  ============================================================================
`name`              the backend's name
`distributions`     `tfp.distributions`, its JAX substrate, or `torch.distributions`
`math(x)`           elementwise functions for `x`: NumPy and SciPy for host arrays, else tensors
`is_concrete(x)`    whether the values of `x` can be read now (not while a program is traced)
`value_and_grad(f)` a function that returns `f(x)` and its gradient
`compiled(f)`       a function of tensors as one compiled program, where that is possible
`row_derivatives`   a function of rows of tensors, with its gradient and Hessian in each row
`has_gpu()`         whether tensors live on a GPU
`derivatives(f)`    a compiled function of rows, with its gradient and Hessian in each, in float64
`float64()`         a context in which float64 arrays become float64 tensors
`train_step(model)` the model's training step, as a function of a batch that assigns variables
`test_step(model)`  its test step
`step(f, vars)`     a function of a batch that assigns variables, ready for a loop
`loop(...)`         a loop whose body may assign Keras variables
`program(f, vars)`  a function that may assign Keras variables, as one compiled program
`gather(x, index)`  rows by their numbers
`window(...)`       a range of the last axis, of a size known when it is compiled
`free_memory()`     the bytes free where tensors live
`many_programs()`   a context in which several models predict without a warning of the backend
`members(f)`        a function over the first axis of its arguments, all at once
`members_value_and_grad(f)` the same with gradients
==================  ============================================================================
"""

import importlib

import keras

from probnn.backend import host as _host

BACKENDS = ("tensorflow", "jax", "torch")

name = keras.backend.backend()
if name not in BACKENDS:
    raise ImportError(
        f"probnn runs on Keras with one of the backends {', '.join(BACKENDS)}. Received: {name!r}. "
        "Set the environment variable KERAS_BACKEND to one of them before keras is imported."
    )

_module = importlib.import_module(f"probnn.backend.{name}")

distributions = _module.distributions
is_concrete = _module.is_concrete
value_and_grad = _module.value_and_grad
float64 = _module.float64
many_programs = _module.many_programs
compiled = _module.compiled
row_derivatives = _module.row_derivatives
has_gpu = _module.has_gpu
train_step = _module.train_step
test_step = _module.test_step
step = _module.step
loop = _module.loop
program = _module.program
gather = _module.gather
window = _module.window
free_memory = _module.free_memory
members = _module.members
members_value_and_grad = _module.members_value_and_grad


def math(x):
    """Return the elementwise functions that suit `x`: NumPy's for host arrays, else tensor ones."""
    return _host if _host.is_host(x) else _module


def derivatives(function, second=True):
    """Return a compiled function of host arrays: a function of rows, and its derivatives.

    Parameters
    ----------
    function : callable
        `function(*others, x)` takes tensors, the last x of shape (n, k), and returns (n,), each
        row by itself.
    second : bool
        Whether the Hessians are wanted.

    Returns
    -------
    callable
        Of float64 arrays as `function` takes; returns the value (n,), the gradients (n, k) in the
        rows of x, and the Hessians (n, k, k) or None, by automatic differentiation.
    """
    compiled = _module.compiled(_module.row_derivatives(function, second))

    def on_host(*arrays):
        n = len(arrays[-1])
        with float64():
            found = compiled(*_module.padded(arrays))
            return tuple(None if t is None else keras.ops.convert_to_numpy(t)[:n] for t in found)

    return on_host
