"""What stands before the head of a network."""

import keras

from probnn.backend import keras_private
from probnn.networks.heads import Head


class NotOneHeadError(ValueError):
    """A model is no network with one input and one output, that of a head."""


def split(model):
    """Return the head, the layers before it or None, and a model that makes its features or None.

    Raises
    ------
    NotOneHeadError
        If the model is no network with one input and one output, that of a head.
    """
    if isinstance(model, keras.Sequential):
        layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
        if layers and isinstance(layers[-1], Head):
            body = keras.Sequential(layers[:-1]) if len(layers) > 1 else None
            return layers[-1], layers[:-1], body
    elif len(getattr(model, "outputs", None) or []) == 1 and len(model.inputs) == 1:
        node = keras_private.node_of(model.outputs[0])
        if isinstance(node.operation, Head):
            (features,) = node.input_tensors
            return node.operation, _chain(features), keras.Model(model.input, features)
    raise NotOneHeadError(
        "Expected a Sequential that ends in a probnn.Head, or a functional model with one input "
        f"and one output, a Head's. Received: {type(model).__name__}. Make one of the part that "
        "ends in the head: probnn.Model(inputs, outputs)."
    )


def _chain(tensor):
    """Return the layers between the input and a tensor, if one follows the other; else None."""
    layers = []
    while True:
        if isinstance(tensor, (list, tuple, dict)):
            return None
        layer = keras_private.node_of(tensor).operation
        if isinstance(layer, keras.layers.InputLayer):
            return layers[::-1]
        if keras_private.calls(layer) != 1:
            return None
        layers.append(layer)
        tensor = layer.input
