"""Data: what users give, as arrays that were checked before anything is computed."""

from probnn.data.alignment import align_all, rows_of
from probnn.data.checks import arrays, features, response, responses, shape_text, weights
from probnn.data.frames import to_numpy

__all__ = [
    "align_all",
    "arrays",
    "features",
    "response",
    "responses",
    "rows_of",
    "shape_text",
    "to_numpy",
    "weights",
]
