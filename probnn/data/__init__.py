"""Data: what users give, as arrays that were checked before anything is computed."""

from probnn.data.alignment import align_all, rows_of
from probnn.data.checks import (
    aligned_by_head,
    arrays,
    as_array,
    by_head,
    features,
    for_each,
    response,
    shape_text,
    weights,
)
from probnn.data.columns import Columns
from probnn.data.frames import to_numpy
from probnn.data.response_labels import ResponseLabels
from probnn.data.weights import as_often, check_some_count, class_weights

__all__ = [
    "Columns",
    "ResponseLabels",
    "align_all",
    "aligned_by_head",
    "arrays",
    "as_array",
    "as_often",
    "by_head",
    "check_some_count",
    "class_weights",
    "features",
    "for_each",
    "response",
    "rows_of",
    "shape_text",
    "to_numpy",
    "weights",
]
