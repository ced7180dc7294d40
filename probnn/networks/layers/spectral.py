"""A bound on how far a layer may stretch distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor

ops = keras.ops

_SQUARINGS = 5


@keras.saving.register_keras_serializable(package="probnn")
class MaxSpectralNorm(keras.constraints.Constraint):
    """Keep the largest singular value of a kernel at or below a bound, after every step.

    Parameters
    ----------
    max_value : float
        How far the linear map may stretch a distance.

    Raises
    ------
    ValueError
        If the bound is not above 0.

    Notes
    -----
    With max_value below 1, a residual block x + g(x), g a layer of a slope of at most 1 as relu,
    changes distances by factors between 1 - max_value and 1 + max_value. So rows far from all
    others stay far, for a head on `RandomFeatures`: Liu et al. (2020), arXiv:2006.10108.

    The norm is from above, by Frobenius's of (W'W)^32: of 128 units at most 4 % too large, so that
    a kernel may be that much below the bound. A kernel of a convolution is seen as a matrix
    of a column for each filter. `keras.layers.SpectralNormalization` sets the norm to 1, but on JAX
    in training alone: predictions there have other kernels.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> bound = pn.layers.MaxSpectralNorm(0.9)
    >>> np.asarray(bound(np.diag([3.0, 0.5]))).round(3).tolist()
    [[0.9, 0.0], [0.0, 0.15]]
    """

    def __init__(self, max_value: float = 0.95) -> None:
        if not (np.ndim(max_value) == 0 and 0.0 < max_value < np.inf):
            raise ValueError(f"Expected max_value above 0. Received: {max_value!r}.")
        self.max_value = float(max_value)

    def __call__(self, w: Tensor) -> Tensor:
        """Return the kernel, divided by what its norm is too large by."""
        w = ops.convert_to_tensor(w)
        matrix = ops.reshape(w, (-1, w.shape[-1]))
        across, tiny = ops.transpose(matrix), keras.config.epsilon() ** 2
        is_wide = matrix.shape[0] < matrix.shape[1]
        power = ops.matmul(matrix, across) if is_wide else ops.matmul(across, matrix)
        log_square, share = 0.0, 1.0  # of the norm: the sum of what powers are divided by
        for _ in range(_SQUARINGS):
            size = ops.sqrt(ops.sum(ops.square(power))) + tiny
            log_square, share = log_square + share * ops.log(size), 0.5 * share
            power = ops.matmul(power / size, power / size)
        log_square += share * ops.log(ops.sqrt(ops.sum(ops.square(power))) + tiny)
        return w * ops.minimum(1.0, self.max_value * ops.exp(-0.5 * log_square))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this constraint again."""
        return {"max_value": self.max_value}
