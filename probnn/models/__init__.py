"""Keras models that know their heads, and what one sees inside of them."""

from probnn.models.model import FunctionalModel, Model, Sequential

__all__ = ["FunctionalModel", "Model", "Sequential"]
