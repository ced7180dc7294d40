"""Layers whose weights are distributions, and features that make a head a process."""

import keras  # noqa: F401 - first, as this may import the models

from probnn.networks.layers.convolution import Conv1DVariational, Conv2DVariational
from probnn.networks.layers.dense import DenseVariational
from probnn.networks.layers.random_features import RandomFeatures
from probnn.networks.layers.spectral import MaxSpectralNorm
from probnn.networks.layers.variational import Variational

__all__ = [
    "Conv1DVariational",
    "Conv2DVariational",
    "DenseVariational",
    "MaxSpectralNorm",
    "RandomFeatures",
    "Variational",
]
