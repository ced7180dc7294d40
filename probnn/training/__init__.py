"""Training by whole epochs as compiled programs, and what helps when it goes wrong."""

from probnn.training.divergence import DivergenceError, DivergenceWarning
from probnn.training.fitting import fit

__all__ = ["DivergenceError", "DivergenceWarning", "fit"]
