"""What a fitted model says: estimates and their uncertainty, and all that follows from them."""

from probnn.glm.results.results import SCALARS, Results
from probnn.glm.results.saving import load

__all__ = ["SCALARS", "Results", "load"]
