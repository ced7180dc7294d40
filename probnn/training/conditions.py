"""What a fit needs so that its epochs can run as compiled programs, in words."""

import functools
import os

import keras
import numpy as np

from probnn import backend
from probnn.backend import keras_private
from probnn.data import streams
from probnn.training import devices

_HOOKS = [f"on_{when}batch_{edge}" for when in ("", "train_", "test_") for edge in ("begin", "end")]


def obstacle(
    model, arrays, callbacks, steps_per_epoch=None, validation_steps=None, spreads_members=False
):
    """Return why these epochs cannot run as compiled programs, or None if they can.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    arrays : tuple
        The structures of data, of training and validation.
    callbacks : list of keras.callbacks.Callback
    steps_per_epoch, validation_steps : int, optional
        As in `keras.Model.fit`.
    spreads_members : bool
        Whether whole networks, in place of data, are spread over devices.

    Returns
    -------
    str or None
    """
    return (
        _of_data(arrays)
        or _of_model(model)
        or _of_distribution(spreads_members)
        or _of_callbacks(callbacks)
        or _of_steps(steps_per_epoch, validation_steps)
    )


@functools.cache
def say_once(reason):
    """Print why epochs do not run as compiled programs, the first time that it is so."""
    print(
        f"Keras's own loop runs, slower for small networks. Epochs would compile but for {reason}."
    )


def check_compiled(model):
    """Raise ValueError for a model without an optimizer and a loss."""
    if not model.compiled:
        raise ValueError(
            f"Expected a compiled model. Received: {model.name!r}, which is not: call compile."
        )
    if keras_private.in_another_strategy(model):
        raise ValueError(
            "Expected a model that was made within the scope of the tf.distribute strategy that it "
            f"is used in. Received: {model.name!r}, made outside of it, whose variables are on one "
            "device. Make and compile it, or load it, within strategy.scope()."
        )


def does_not_compile(error):
    """Return the obstacle that an error of a backend's compiler is."""
    first = str(error).strip().split("\n", 1)[0][:300]
    return f"a training step that does not compile ({type(error).__name__}: {first})"


def _of_data(arrays):
    for leaf in keras.tree.flatten(arrays):
        if streams.is_stream(leaf):
            return f"a stream of batches ({streams.kind(leaf)}) in place of arrays"
        ragged = type(leaf).__name__ in ("SparseTensor", "RaggedTensor")  # of numbers, or of text
        if ragged or not keras_private.is_dense_array(leaf):
            return f"data of type {type(leaf).__name__}, which is no dense array"
        if getattr(leaf, "dtype", None) is not None and not _is_number(leaf):
            return f"data of dtype {leaf.dtype}, which is no number"
    size = sum(np.prod(leaf.shape) * 4 for leaf in keras.tree.flatten(arrays) if leaf is not None)
    room = backend.free_memory()
    if room is None:
        room = 0.7 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > room:
        return f"{size / 2**30:.1f} GiB of data, where {room / 2**30:.1f} GiB fit on the device"
    return None


def _is_number(leaf):
    try:
        name = keras.backend.standardize_dtype(leaf.dtype)
    except ValueError:
        return False
    return name != "string"


def _of_model(model):
    if model.optimizer is None:
        return "a model without an optimizer"
    for step in ("train_step", "test_step"):
        if getattr(type(model), step) is not getattr(keras.Model, step):
            return (
                f"a {step} of {type(model).__name__}'s own, whose results only Keras's loop knows"
            )
    if model.run_eagerly:
        return "compile(run_eagerly=True)"
    if keras_private.strategy(model) is not None:
        return "a tf.distribute strategy, which spreads the model over devices"
    if keras.config.max_steps_per_epoch():
        return "keras.config.set_max_steps_per_epoch"
    if backend.name != "torch" and not keras_private.can_compile(model):
        return "a model with layers that cannot be compiled (supports_jit is False)"
    if backend.name == "jax" and not model.jit_compile:
        return "compile(jit_compile=False)"
    return None


def _of_distribution(spreads_members):
    current = keras.distribution.distribution()
    if current is None or (spreads_members and devices.of_data()):
        return None
    return f"keras.distribution.{type(current).__name__}, which spreads each step over devices"


def _of_callbacks(callbacks):
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.ProgbarLogger):
            continue
        name = type(callback).__name__
        if isinstance(
            callback, (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore)
        ):
            if callback.save_freq != "epoch":
                return f"a {name} with save_freq={callback.save_freq!r}, which counts batches"
        elif isinstance(callback, keras.callbacks.TensorBoard):
            if callback.update_freq != "epoch" or keras_private.profiles(callback):
                return f"a {name} with update_freq or profile_batch, which count batches"
        else:
            hooks = [hook for hook in _HOOKS if keras_private.is_overridden(callback, hook)]
            if hooks:
                return f"a {name} callback with {hooks[0]}, which wants to act within an epoch"
    return None


def _of_steps(steps_per_epoch, validation_steps):
    if steps_per_epoch is not None:
        return f"steps_per_epoch={steps_per_epoch}, which is no whole pass over the data"
    if validation_steps is not None:
        return f"validation_steps={validation_steps}, which is no whole pass over the data"
    return None
