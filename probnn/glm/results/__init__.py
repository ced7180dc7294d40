"""What a fitted model says: estimates and their uncertainty, and all that follows from them."""

from probnn.glm.results.loading import load
from probnn.glm.results.results import SCALARS, Results

__all__ = ["SCALARS", "Results", "load"]
