"""Data: what users give, as arrays that were checked before anything is computed."""

from probnn.data.alignment import align_all
from probnn.data.checks import (
    Reader,
    arrays,
    as_array,
    by_head,
    coded_by_head,
    features,
    for_each,
    is_soft,
    response,
    shape_text,
    weights,
)
from probnn.data.columns import Columns
from probnn.data.frames import to_numpy
from probnn.data.response_labels import ResponseLabels
from probnn.data.responses import Responses
from probnn.data.weights import as_codes, as_often, check_some_count, class_weights

__all__ = [
    "Columns",
    "Reader",
    "ResponseLabels",
    "Responses",
    "align_all",
    "arrays",
    "as_array",
    "as_codes",
    "as_often",
    "by_head",
    "check_some_count",
    "class_weights",
    "coded_by_head",
    "features",
    "for_each",
    "is_soft",
    "response",
    "shape_text",
    "to_numpy",
    "weights",
]
