"""The likelihood on the Keras backend's device: the same passes as compiled tensor code."""

import functools

import keras
import numpy as np

from probnn import backend
from probnn.fitting.likelihood import Likelihood
from probnn.fitting.products import PairByPair

_NUMBERS = 50_000_000  # of a design taken at once, for a device's memory


class DeviceLikelihood(Likelihood):
    """A `Likelihood` whose rows live on the backend's device, in float64.

    Parameters
    ----------
    likelihood : Likelihood
        The same in memory: its arrays are copied to the device once.

    Notes
    -----
    One compiled program for the gradient and one for the Hessian: the family's derivatives by
    automatic differentiation, and products of matrices. TensorFlow and JAX compile it; torch runs
    it operation by operation.
    """

    def __init__(self, likelihood):
        self.__dict__ |= vars(likelihood)
        self.used = [x for x, _ in self.groups]
        self.products = PairByPair(self.groups, self.slices)
        places = [next((i for i, u in enumerate(self.used) if u is x), None) for x in self.designs]
        self.passes = [
            backend.compiled(functools.partial(_sums, likelihood, tuple(places), pairs))
            for pairs in ((), self.products.pairs)
        ]
        step = max(1, _NUMBERS // max(self.size, 1))
        with backend.float64():
            self.parts = [
                self._tensors(slice(start, start + step)) for start in range(0, len(self), step)
            ]

    def _tensors(self, rows):
        """Return the arrays of some rows as tensors: y, offsets and weights, then designs."""
        n = len(self.y[rows])
        offset, weight = np.zeros((n, self.family.size)), np.ones(n)
        for a, values in self.offsets.items():
            offset[:, a] = values[rows]
        if self.weights is not None:
            weight = self.weights[rows]
        arrays = [self.y[rows], offset, weight, *(x.toarray(rows) for x in self.used)]
        return [keras.ops.convert_to_tensor(np.ascontiguousarray(array)) for array in arrays]

    def __call__(self, coef, second=True):
        """Return the value, the gradient (p,), and the Hessian (p, p) or None, at coefficients."""
        with backend.float64():
            coef = keras.ops.convert_to_tensor(np.asarray(coef, dtype="float64"))
            found = [self.passes[second](coef, *part) for part in self.parts]
            shares = [[keras.ops.convert_to_numpy(t) for t in part] for part in found]
        value, gradient, *blocks = (
            sum(parts[1:], start=parts[0]) for parts in zip(*shares, strict=True)
        )
        if not second:
            return float(value), gradient, None
        hessian = self.products.zeros()
        for (a, b), block in zip(self.products.pairs, blocks, strict=True):
            hessian[self.slices[a], self.slices[b]] = block
        return float(value), gradient, self.products.whole(hessian)


def _sums(likelihood, places, pairs, coef, y, offset, weight, *designs):
    """Return the value, the gradient, and the blocks of the Hessian on and above the diagonal."""
    slices, known = likelihood.slices, likelihood.known
    columns = [
        0.0 * weight + float(known[a]) if place is None else _dot(designs[place], coef[slices[a]])
        for a, place in enumerate(places)
    ]
    raw = keras.ops.stack(columns, axis=-1) + offset
    derive = backend.row_derivatives(
        lambda y, raw: -likelihood.family.log_prob(y, raw), bool(pairs)
    )
    nll, slope, curvature = derive(y, raw)
    value = _dot(weight[None], nll)[0]
    gradient = keras.ops.concatenate(
        [
            _dot(keras.ops.transpose(designs[places[a]]), weight * slope[:, a])
            for a in likelihood.predicted
        ]
    )
    blocks = []
    for a, b in pairs:
        scaled = designs[places[b]] * (weight * curvature[:, a, b])[:, None]
        blocks.append(keras.ops.transpose(designs[places[a]]) @ scaled)
    return value, gradient, *blocks


def _dot(matrix, vector):
    """Return the product of a matrix and a vector: TensorFlow's own takes matrices alone."""
    return (matrix @ vector[:, None])[:, 0]
