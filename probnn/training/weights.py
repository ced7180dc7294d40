"""Descent at a constant rate on a copy of a network, with its weights after each epoch."""

import keras
import numpy as np

from probnn import backend
from probnn.backend.keras_private import inner_layers, strategy_scope
from probnn.networks.heads import Head
from probnn.networks.kinds import keeps_statistics
from probnn.training import copies


def descending(model, learning_rate):
    """Return a copy of a network, compiled with gradient descent of a constant rate.

    Raises
    ------
    ValueError
        If the network has not one head, or has layers that keep statistics of batches.
    """
    if not isinstance(getattr(model, "heads", None), Head):
        raise ValueError(
            "Expected a probnn.Sequential or probnn.Model with one head. Received: "
            f"{type(model).__name__}."
        )
    keeping = [layer.name for layer in inner_layers(model) if keeps_statistics(layer)]
    if keeping:
        raise ValueError(
            "Expected layers that keep no statistics of batches, which are of no single weights. "
            f"Received: {', '.join(keeping)}. Take LayerNormalization or GroupNormalization; or "
            "freeze them: layer.trainable = False."
        )
    copy = copies.remade(model)
    if model.built:
        copies.give_weights(model, copy)
    with strategy_scope(model):
        copy.compile(keras.optimizers.SGD(learning_rate))
    return copy


def descend(model, x, y, take, seed, **options):
    """Fit a network, and hand its weights (p,), in float64, to `take` after each epoch."""
    with copies.seeded(seed):
        model.fit(x, y, callbacks=[_AfterEpochs(take)], **options)


class _AfterEpochs(keras.callbacks.Callback):
    """Hand on the weights after each epoch; epochs still run as compiled programs."""

    def __init__(self, take):
        super().__init__()
        self._take = take

    def on_epoch_end(self, epoch, logs=None):
        values = [backend.host_value(v) for v in self.model.trainable_variables]
        self._take(np.concatenate([np.ravel(v) for v in values]).astype("float64"))
