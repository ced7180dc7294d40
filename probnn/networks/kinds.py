"""What layers do: the one place that asks for classes of Keras's and our own by purpose."""

import keras

from probnn.backend.keras_private import inner_layers
from probnn.networks.heads import Head
from probnn.networks.layers import Variational

_NOISY = (
    keras.layers.Dropout,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
)
_NORMALISING = (
    keras.layers.Normalization,
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
)
_WITHOUT_WEIGHTS = (
    keras.layers.Rescaling,
    keras.layers.Flatten,
    keras.layers.Identity,
    keras.layers.Dropout,
)
_WITH_UNITS = (
    keras.layers.Dense,
    keras.layers.Activation,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
)


def adds_noise(layer):
    """Return whether a layer changes what passes it at random, in training."""
    return isinstance(layer, _NOISY)


def is_variational(layer):
    """Return whether the weights of a layer are distributions."""
    return isinstance(layer, Variational)


def variational_layers(model):
    """Return the layers inside of a model whose weights are distributions."""
    return [layer for layer in inner_layers(model) if is_variational(layer)]


def normalises(layer):
    """Return whether a layer brings columns to mean 0 and spread 1."""
    return isinstance(layer, _NORMALISING)


def keeps_statistics(layer):
    """Return whether a layer keeps means of what passes it in training, for predictions."""
    return isinstance(layer, keras.layers.BatchNormalization) and layer.trainable


def has_weights(layer):
    """Return whether a layer may have weights of its own: all but a few that have none."""
    return not isinstance(layer, _WITHOUT_WEIGHTS)


def is_linear_map(layer):
    """Return whether a layer multiplies its input by a kernel: a Dense layer, or a head."""
    return isinstance(layer, (keras.layers.Dense, Head))


def is_penalised(layer):
    """Return whether the kernel of a layer is penalised."""
    return getattr(layer, "kernel_regularizer", None) is not None


def activation(layer):
    """Return the name of a layer's activation; "" for a linear one."""
    name = getattr(layer.activation, "__name__", type(layer.activation).__name__)
    return "" if name == "linear" else name


def kind_of_units(layer):
    """Return the activation of the units of a layer, relu6 as relu; None if it has none."""
    if isinstance(layer, keras.layers.ReLU):
        return None if float(layer.negative_slope) else "relu"
    if not isinstance(layer, _WITH_UNITS) or isinstance(layer, Head):
        return None
    return {"relu6": "relu"}.get(activation(layer), activation(layer)) or None
