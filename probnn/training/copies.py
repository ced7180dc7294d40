"""Copies of compiled models: fresh ones, which start anew, and exact ones."""

import contextlib
import random

import numpy as np

from probnn.backend.keras_private import inner_layers, strategy_scope
from probnn.networks.inputs import columns_of, know_columns, responses_of
from probnn.training.conditions import check_compiled


@contextlib.contextmanager
def seeded(seed):
    """Seed the generators that Keras draws its seeds and its shuffles from, for a while.

    Parameters
    ----------
    seed : int or sequence of int
    """
    state, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    number = int(np.random.SeedSequence(seed).generate_state(1)[0])
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(legacy)  # noqa: NPY002


def fresh(model, seed, learning_rate=None):
    """Return a compiled copy of a model with weights drawn anew.

    What training does not draw is copied: frozen layers, and layers that adapt to data before
    training, as Normalization; a `probnn.Head` adapts to the data of its own fit.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    seed : int or sequence of int
        For the initial weights, and the random numbers of layers.
    learning_rate : float, optional
        In place of the model's own, or its schedule.
    """
    with seeded(seed):
        copy = _from_config(model, learning_rate)
    if model.built:
        for old, new in zip(inner_layers(model), inner_layers(copy), strict=True):
            prepared = hasattr(old, "adapt") and not hasattr(old, "family")
            if old.built and new.built and (prepared or not old.trainable):
                give_weights(old, new)
    return copy


def exact(model, learning_rate=None):
    """Return a compiled copy of a built model with the same weights, and a new optimizer."""
    copy = _from_config(model, learning_rate)
    give_weights(model, copy)
    return copy


def give_weights(old, new):
    """Give a layer or a model the weights of another one like it."""
    new.set_weights(old.get_weights())
    for layer in [new, *inner_layers(new)]:
        if hasattr(layer, "finalize_state"):  # Normalization keeps its mean beside the weight
            layer.finalize_state()


def remade(model):
    """Return a model made again from the configuration of another, not compiled, or raise."""
    try:
        with strategy_scope(model):
            copy = type(model).from_config(model.get_config())
    except (NotImplementedError, TypeError) as error:
        raise ValueError(
            "Expected a model that can be made again from its configuration, as Sequential and "
            f"functional models can. Received: a {type(model).__name__}, where that fails: {error}"
        ) from error
    know_columns(copy, columns_of(model), responses_of(model))
    return copy


def _from_config(model, learning_rate):
    check_compiled(model)
    copy = remade(model)
    config = model.get_compile_config()
    if learning_rate is not None:
        options = config["optimizer"]["config"]
        while "inner_optimizer" in options:
            options = options["inner_optimizer"]["config"]
        options["learning_rate"] = learning_rate
    with strategy_scope(model):
        copy.compile_from_config(config)
    return copy
