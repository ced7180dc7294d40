"""Layers whose weights are distributions, and features that make a head a process."""

from probnn.networks.layers import (
    Conv1DVariational,
    Conv2DVariational,
    DenseVariational,
    MaxSpectralNorm,
    RandomFeatures,
    Variational,
)

__all__ = [
    "Conv1DVariational",
    "Conv2DVariational",
    "DenseVariational",
    "MaxSpectralNorm",
    "RandomFeatures",
    "Variational",
]
