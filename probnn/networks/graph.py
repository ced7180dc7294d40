"""Which heads make the outputs of a network, and what stands before a head."""

import keras

from probnn.backend import keras_private
from probnn.networks.heads import Head
from probnn.networks.layout import parts


class NotOneHeadError(ValueError):
    """A model is no network with one input and one output, that of a head."""


def head_of(operation):
    """Return the head that makes the output of an operation, or None."""
    if isinstance(operation, Head):
        return operation
    if isinstance(operation, keras.Sequential):
        return head_of(operation.layers[-1]) if operation.layers else None
    if isinstance(operation, keras_private.Functional) and len(operation.outputs) == 1:
        return head_of(keras_private.node_of(operation.outputs[0]).operation)
    return None


def heads_of(model):
    """Return the heads of any Keras model in the structure of its outputs, None where none is.

    Of a model with a `call` of its own, the one head that it has; None if it has several.
    """
    if isinstance(model, keras.Sequential):
        return head_of(model)
    if isinstance(model, keras_private.Functional):
        return keras.tree.map_structure(
            lambda tensor: head_of(keras_private.node_of(tensor).operation), model.output
        )
    heads = [layer for layer in keras_private.inner_layers(model) if isinstance(layer, Head)]
    return heads[0] if len(heads) == 1 else None


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
            (features,) = node.arguments.args
            return node.operation, _chain(features), keras.Model(model.input, features)
    raise NotOneHeadError(
        "Expected a Sequential that ends in a probnn.Head, or a functional model with one input "
        f"and one output, a Head's. Received: {type(model).__name__}. Make one of the part that "
        "ends in the head: probnn.Model(inputs, outputs)."
    )


def branches(model):
    """Return pairs of predicted parameters, and the layers before what they are made of or None.

    Layers are those of `split`, of each tensor that the head is called on.
    """
    head, layers, _ = split(model)
    if layers is not None:
        return [each for each in parts(head, layers) if each[0]]
    (features,) = keras_private.node_of(model.outputs[0]).arguments.args
    return [(names, _chain(tensor)) for names, tensor in parts(head, features) if names]


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
