"""The one room where array libraries are named: TensorFlow, JAX or torch, as Keras has chosen.

Everything else in probnn is written with `keras.ops` and with what this package exports:

==================  ============================================================================
`name`              the backend's name
`distributions`     `tfp.distributions`, its JAX substrate, or `torch.distributions`
`math(x)`           elementwise functions for `x`: NumPy and SciPy for host arrays, else tensors
`is_concrete(x)`    whether the values of `x` can be read now (not while a program is traced)
`value_and_grad(f)` a function that returns `f(x)` and its gradient
`derivatives`       a function of rows, with its gradient and its Hessian in each row, in float64
`float64()`         a context in which float64 arrays become float64 tensors
`map_batches`       a function applied on the host to every batch of a `tf.data` dataset
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


def math(x):
    """Return the elementwise functions that suit `x`: NumPy's for host arrays, else tensor ones."""
    return _host if _host.is_host(x) else _module


def derivatives(function, x, second=True):
    """Return a function of rows, and its derivatives in each row, by automatic differentiation.

    Parameters
    ----------
    function : callable
        From a tensor (n, k) to a tensor (n,), each row by itself.
    x : numpy.ndarray, shape (n, k)
        Where to differentiate, in float64.
    second : bool
        Whether the Hessians are wanted.

    Returns
    -------
    value, gradient, hessian : numpy.ndarray
        Of shape (n,), (n, k), and (n, k, k) or None.
    """
    with float64():
        found = _module.row_derivatives(function, x, second)
        return tuple(None if t is None else keras.ops.convert_to_numpy(t) for t in found)


def map_batches(dataset, function):
    """Return the `tf.data` dataset with `function(number, *host_arrays)` called on every batch.

    Batches are numbered from 1. They pass unchanged; what `function` raises, the iteration raises.
    """
    # A tf.data dataset may feed any backend, so this one function is TensorFlow's in all three.
    from probnn.backend.tensorflow import map_batches as map_tf_batches

    return map_tf_batches(dataset, function)
