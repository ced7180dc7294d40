"""Keras models that know their heads, and what one sees inside of them."""

import keras  # noqa: F401 - first, as this may import the models

from probnn.models.model import FunctionalModel, Model, Sequential

__all__ = ["FunctionalModel", "Model", "Sequential"]
