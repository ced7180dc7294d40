"""Keras's own loops over a model, entered by one thread at a time and left with its variables."""

import contextlib
import functools
import os
import threading
import weakref

import keras

from probnn import backend
from probnn.backend import keras_private

_locks, _making = weakref.WeakKeyDictionary(), threading.Lock()
_began = None  # the process in which a network first ran


@contextlib.contextmanager
def entered(model, kept=None, variables=keras_private.variables):
    """Let Keras fit, evaluate or predict: whatever ends it, the model has its variables.

    On JAX Keras takes the variables away while it loops, and gives their memory to the next step:
    an error, or Ctrl-C, would leave none. Two loops of one model at once would take each other's,
    and share its callbacks on any backend: the second waits.

    Parameters
    ----------
    model : keras.Model
    kept : callable, optional
        Returns pairs (variable, value) that are put back where Keras has lost one; by default, the
        values of now.
    variables : callable
        Returns those of the model that Keras takes away; to predict, fewer than to fit.

    Raises
    ------
    RuntimeError
        In a fork of a process that has run a network: see `check_process`.
    """
    check_process()
    with _lock_of(model):
        if kept is None and keras_private.takes_variables(model):
            taken = variables(model)
            values = backend.copied([variable.value for variable in taken])
            kept = functools.partial(zip, taken, values)
        try:
            with keras_private.any_batch():
                yield
        except BaseException:
            keras_private.give_back(model)
            if any(map(keras_private.is_lost, keras_private.variables(model))):
                for variable, value in kept():
                    variable.assign(value)
            raise


def check_process():
    """Raise RuntimeError in a fork of a process that has run a network on TensorFlow or JAX.

    Their threads are not in it, and a program that waits for them never ends.
    """
    global _began
    _began = os.getpid() if _began is None else _began
    if _began != os.getpid() and keras.backend.backend() != "torch":
        raise RuntimeError(
            f"Expected a process of its own for networks on {keras.backend.backend()}. Received: a "
            "fork of one that has run a network, whose threads it lacks, so that it would wait "
            "forever. Start processes anew: multiprocessing.get_context('spawn'), or joblib's loky."
        )


def _lock_of(model):
    """Return the lock of a model, which the thread that holds it may take again."""
    with _making:
        return _locks.setdefault(model, threading.RLock())
