"""The one room where array libraries are named: TensorFlow, JAX or torch, as Keras has chosen.

Everything else in probnn is written with `keras.ops` and with what this package exports. Keras and
the library are imported when something of theirs is first used, as by a network:

==================  ============================================================================
`name`              the backend's name
`distributions`     `tfp.distributions`, its JAX substrate, or `torch.distributions`
`math(x)`           functions for `x`: NumPy's and SciPy's, with derivatives, or tensors'
`is_tensor(x)`      whether `x` is a tensor
`is_concrete(x)`    whether the values of `x` can be read now (not while a program is traced)
`has_rank(x)`       whether the number of its axes is known
`value_and_grad(f)` a function that returns `f(x)` and its gradient
`compiled(f)`       a function of tensors as one compiled program, where that is possible
`row_derivatives`   a function of rows of tensors, with its gradient and Hessian in each row
`has_gpu()`         whether tensors live on a GPU
`derivatives(f)`    a function of rows on the host, with its gradient and Hessian in each
`float64()`         a context in which float64 arrays become float64 tensors
`train_step(model)` the model's training step, as a function of a batch that assigns variables
`test_step(model)`  its test step
`step(f, vars)`     a function of a batch that assigns variables, ready for a loop
`loop(...)`         a loop whose body may assign Keras variables
`program(f, vars)`  a function that may assign Keras variables, as one compiled program
`part(f, vars)`     a part of such a program, compiled by itself where loops run in Python
`normal_like(x, generator, is_seeded)` standard normal numbers, as many as `x` has
`seeded(seed)`      a context in which the library's own random numbers begin at a seed
`gather(x, index)`  rows by their numbers
`of_all_replicas`   the loss of a replica's rows as its part of that of all replicas' rows
`of_all_processes`  a host array of each process of a keras.distribution, in a list
`in_processes(m)`   whether the variables of a model lie in several processes
`on_device(device)` a context in which tensors are made on a device; None is where they are made
`window(...)`       a range of the last axis, of a size known when it is compiled
`host_value(v)`     the value of a variable as a NumPy array
`copied(values)`    copies of tensors
`give(old, new)`    assigns the values of variables to others
`free_memory()`     the bytes free where tensors live
`many_programs()`   a context in which several models predict without a warning of the backend
`members(f)`        a function over the first axis of its arguments, all at once
`members_value_and_grad(f)` the same with gradients
`row_jacobians` a function of rows of tensors, with its Jacobians in other tensors of each row
==================  ============================================================================
"""

import contextlib
import functools
import glob
import importlib
import sys

from probnn.backend import host as _host
from probnn.backend import jet_math as _jet_math
from probnn.backend import jets as _jets

BACKENDS = ("tensorflow", "jax", "torch")

_GPU_FILES = ("/dev/nvidia[0-9]*", "/dev/kfd", "/dev/dxg")  # of CUDA, ROCm, and Windows beneath
_OF_MODULE = {
    "compiled",
    "copied",
    "distributions",
    "float64",
    "free_memory",
    "gather",
    "give",
    "has_rank",
    "in_processes",
    "is_concrete",
    "loop",
    "many_programs",
    "members",
    "members_value_and_grad",
    "normal_like",
    "of_all_processes",
    "of_all_replicas",
    "on_device",
    "part",
    "program",
    "row_derivatives",
    "row_jacobians",
    "seeded",
    "step",
    "test_step",
    "train_step",
    "value_and_grad",
    "window",
}


@functools.cache
def _module():
    """Return the module of the backend that Keras has chosen."""
    import keras

    chosen = keras.backend.backend()
    if chosen not in BACKENDS:
        raise ImportError(
            f"probnn runs on Keras with one of the backends {', '.join(BACKENDS)}. Received: "
            f"{chosen!r}. Set the environment variable KERAS_BACKEND to one of them before keras "
            "is imported."
        )
    return importlib.import_module(f"probnn.backend.{chosen}")


def __getattr__(attribute):
    """Return what the backend's module has, and keep it here."""
    if attribute == "name":
        found = _module().__name__.rpartition(".")[-1]
    elif attribute in _OF_MODULE:
        found = getattr(_module(), attribute)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
    globals()[attribute] = found
    return found


def __dir__():
    return sorted({*globals(), *_OF_MODULE, "name"})


def is_tensor(x):
    """Return whether `x` is a tensor: there are none before a library of them is imported."""
    if not any(library in sys.modules for library in ("keras", *BACKENDS)):
        return False
    import keras

    return keras.ops.is_tensor(x)


def has_gpu():
    """Return whether tensors live on a GPU; Linux, where it shows none, is not asked for it."""
    if sys.platform == "linux" and not any(map(glob.glob, _GPU_FILES)):
        return False
    return _module().has_gpu()


def math(x):
    """Return the functions that suit `x`: NumPy's for host arrays, jets' or else tensors'."""
    if _host.is_host(x):
        return _host
    return _jet_math if isinstance(x, _jets.Jet) else _module()


def host_value(variable):
    """Return the value of a variable as a NumPy array; of its copies on several devices, one."""
    import keras

    return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable))


def derivatives(function, second=True):
    """Return a function of host arrays: a function of rows, and its derivatives.

    Parameters
    ----------
    function : callable
        `function(*others, x)` takes arrays, the last x of shape (n, k), and returns (n,), each row
        by itself.
    second : bool
        Whether the Hessians are wanted.

    Returns
    -------
    callable
        Of float64 arrays as `function` takes; returns the value (n,), the gradients (n, k) in the
        rows of x, and the Hessians (n, k, k) or None, by automatic differentiation.

    Notes
    -----
    A function that is written with `math(x)` is called with jets, and nothing is compiled. One that
    takes tensors alone, as of a library's distribution, is compiled by the backend.
    """
    takes_jets = True

    @functools.cache
    def compiled():
        return _module().compiled(_module().row_derivatives(function, second))

    def on_host(*arrays):
        nonlocal takes_jets
        if takes_jets:
            with contextlib.suppress(AttributeError, TypeError, ValueError):
                return _jets.derivatives(function, arrays, second)
        import keras

        n = len(arrays[-1])
        with _module().float64():
            found = compiled()(*_module().padded(arrays))
        takes_jets = False  # and not because something was wrong, which tensors would have said too
        return tuple(None if t is None else keras.ops.convert_to_numpy(t)[:n] for t in found)

    return on_host
