"""The types that annotations of public names speak of; imported for type checkers alone."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["AnyModel", "ArrayLike", "Floats", "Labelled", "NDArray", "Rows", "Tensor"]

Floats: TypeAlias = NDArray[np.float64]

# What has no type that holds for all of its kinds; each is checked when it comes.
AnyModel: TypeAlias = Any  # what `probnn.fitted.adapt` takes: networks, results, estimators, ...
Labelled: TypeAlias = Any  # a series or frame where the data had names, else an array
Rows: TypeAlias = (
    Any  # arrays, frames, sparse matrices, lists and dicts of them, streams of batches
)
Tensor: TypeAlias = Any  # of the backend, or an array
