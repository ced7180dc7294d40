"""The distributions of all rows in NumPy, where SciPy's own lose digits or are missing.

`Frozen` is the recipe; a class that only one family has is in that family's file.
"""

from probnn.families._frozen.base import Frozen, nearest_count, parts_of
from probnn.families._frozen.mixture import FrozenMixture
from probnn.families._frozen.scipys import FrozenScipy

__all__ = ["Frozen", "FrozenMixture", "FrozenScipy", "nearest_count", "parts_of"]
