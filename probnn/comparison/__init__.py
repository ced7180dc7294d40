"""Models side by side: coefficients, likelihoods, and why they differ.

The function is `probnn.compare`; a package of that name would hide it once it is imported.
"""

from probnn.comparison.compare import Comparison, compare

__all__ = ["Comparison", "compare"]
