"""Layers whose weights are distributions."""

import keras  # noqa: F401 - first, as this may import the models

from probnn.networks.layers.convolution import Conv1DVariational, Conv2DVariational
from probnn.networks.layers.dense import DenseVariational
from probnn.networks.layers.variational import Variational

__all__ = ["Conv1DVariational", "Conv2DVariational", "DenseVariational", "Variational"]
