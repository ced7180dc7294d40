"""Chains of linear layers, collapsed to one: features = x @ slope + shift."""

from dataclasses import dataclass

import keras
import numpy as np

_TRANSPARENT = (
    keras.layers.Dropout,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    keras.layers.AlphaDropout,
    keras.layers.ActivityRegularization,
    keras.layers.Flatten,
    keras.layers.Identity,
)


@dataclass
class Chain:
    """Layers that together are x @ slope + shift.

    Attributes
    ----------
    slope : numpy.ndarray, shape (p, m)
        What one unit of each column adds to each feature.
    shift : numpy.ndarray, shape (m,)
        The features of a row of zeros.
    layers : list
        The layers.
    """

    slope: np.ndarray
    shift: np.ndarray
    layers: list

    def reach(self, wanted, kernel):
        """Return the kernel of the head with slope @ kernel = wanted, changing a layer if needed.

        Parameters
        ----------
        wanted : numpy.ndarray, shape (p, k)
            The coefficients of the columns.
        kernel : numpy.ndarray, shape (m, k)
            The head's present kernel.
        """
        if np.linalg.matrix_rank(self.slope) == len(self.slope):
            return np.linalg.lstsq(self.slope, wanted, rcond=None)[0]
        # A bottleneck before one linear predictor: the last layer that all columns reach turns.
        width = len(self.slope)
        befores = [
            (at, compose(self.layers[:at], width))
            for at, layer in enumerate(self.layers)
            if isinstance(layer, keras.layers.Dense)
        ]
        at, before = [each for each in befores if np.linalg.matrix_rank(each[1].slope) == width][-1]
        after = compose(self.layers[at + 1 :], self.layers[at].units)
        column = kernel if kernel.any() else np.ones_like(kernel)
        through = after.slope @ column
        dense = self.layers[at]
        weights = keras.ops.convert_to_numpy(dense.kernel.value).astype("float64")
        lacking = wanted - before.slope @ weights @ through
        change = np.linalg.lstsq(before.slope, lacking, rcond=None)[0]
        dense.kernel.assign(weights + change @ through.T / (through.T @ through))
        new = compose(self.layers, width)
        self.slope, self.shift = new.slope, new.shift
        return column


def collapse(layers, width, predictors):
    """Return the `Chain` of layers, or None if they are not all linear.

    Parameters
    ----------
    layers : list of keras.Layer, or None
        The layers before the head, if one follows the other.
    width : int
        The number of columns of x.
    predictors : int
        The number of linear predictors after them. Layers that hold more than one of them to a
        space of fewer than `width` dimensions are not a linear model: None.
    """
    if layers is None:
        return None
    chain = compose(layers, width)
    if chain is None:
        return None
    is_whole = np.linalg.matrix_rank(chain.slope) == width
    dense = any(isinstance(layer, keras.layers.Dense) for layer in layers)
    return chain if is_whole or (predictors == 1 and dense) else None


def compose(layers, width):
    """Return the `Chain` of layers on `width` columns; None if one of them is not linear."""
    slope, shift = np.eye(width), np.zeros(width)
    for layer in layers:
        step = _affine(layer, slope.shape[1])
        if step is None:
            return None
        matrix, vector = step
        slope, shift = slope @ matrix, shift @ matrix + vector
    return Chain(slope, shift, list(layers))


def _affine(layer, width):
    """Return the matrix and the vector of a linear layer at prediction, or None."""
    if isinstance(layer, keras.layers.Dense):
        if layer.activation is not keras.activations.linear:
            return None
        bias = np.zeros(layer.units) if layer.bias is None else _host(layer.bias)
        return _host(layer.kernel), bias
    if isinstance(layer, keras.layers.Normalization):
        mean = np.broadcast_to(_host(layer.mean).ravel(), (width,))
        size = np.broadcast_to(_host(layer.variance).ravel(), (width,))
        size = np.maximum(np.sqrt(size), keras.config.epsilon())
        return (np.diag(size), mean) if layer.invert else (np.diag(1.0 / size), -mean / size)
    if isinstance(layer, keras.layers.Rescaling):
        scale, offset = (np.broadcast_to(v, (width,)) for v in (layer.scale, layer.offset))
        return np.diag(scale), offset.astype("float64")
    if isinstance(layer, keras.layers.BatchNormalization):
        scale = 1.0 / np.sqrt(_host(layer.moving_variance) + layer.epsilon)
        scale = scale * (1.0 if layer.gamma is None else _host(layer.gamma))
        beta = 0.0 if layer.beta is None else _host(layer.beta)
        return np.diag(scale), beta - _host(layer.moving_mean) * scale
    if isinstance(layer, keras.layers.Activation):
        is_linear = layer.activation is keras.activations.linear
        return (np.eye(width), np.zeros(width)) if is_linear else None
    if isinstance(layer, _TRANSPARENT):
        return np.eye(width), np.zeros(width)
    return None


def _host(tensor):
    value = getattr(tensor, "value", tensor)
    return np.asarray(keras.ops.convert_to_numpy(value), dtype="float64")
