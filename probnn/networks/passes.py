"""Random passes: predictions of a network whose dropout stays on."""

import contextlib
import functools

import keras

from probnn.backend.keras_private import inner_layers
from probnn.networks.layers import adds_noise


@contextlib.contextmanager
def random_passes(model):
    """Let the layers that are random in training be so where the model predicts, and no others.

    Raises
    ------
    ValueError
        If no layer is.
    """
    layers = [layer for layer in inner_layers(model) if _is_random(layer)]
    if not layers:
        raise ValueError(
            "Expected a model with layers that are random in training, as keras.layers.Dropout, "
            f"for passes=. Received: {model.name!r}, whose passes are all alike."
        )
    compiled, model.predict_function = model.predict_function, None
    try:
        for layer in layers:
            vars(layer)["call"] = _in_training(layer.call)
        yield
    finally:
        model.predict_function = compiled
        for layer in layers:
            vars(layer).pop("call", None)


def _is_random(layer):
    recurrent = isinstance(layer, keras.layers.RNN)
    drops = [getattr(layer, name, 0.0) for name in ("dropout", "recurrent_dropout")]
    return adds_noise(layer) or (recurrent and any(drops))


def _in_training(call):
    @functools.wraps(call)
    def always(*args, **kwargs):
        return call(*args, **{**kwargs, "training": True})

    return always
