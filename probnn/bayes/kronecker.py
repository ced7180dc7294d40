"""The curvature of each layer by itself, that of a kernel as the Kronecker product of factors."""

from functools import cached_property

import keras
import numpy as np

from probnn.backend import keras_private
from probnn.bayes.curvature import MOST_FULL, FullSpread, Spread, Structure
from probnn.networks.heads import Head


class Kronecker(Structure):
    """Kernels of Dense layers and heads by two factors, every other array of weights whole.

    With a the inputs of a kernel and g the Jacobian of the raw values in what it puts out, the sum
    over rows of (a a') x (g' H g) is taken to be the product of the sums over their number.
    """

    def __init__(self, weights):
        super().__init__(weights)
        places = {id(v): s for v, s in zip(weights.variables, weights.slices, strict=True)}
        self.kernels, tensors = [], []
        for layer, tensor in _dense(weights.network):
            if id(layer.kernel) in places and len(tensor.shape) == 2:
                bias = places.get(id(layer.bias))
                shape = tuple(layer.kernel.shape)
                if bias is not None and bias.stop - bias.start != shape[1]:
                    bias = None
                self.kernels.append(_Kernel(places.pop(id(layer.kernel)), shape, bias))
                tensors.append(tensor)
        self._entering = keras.Model(weights.network.inputs, tensors) if tensors else None
        self.others = []
        for path, variable in zip(weights.paths, weights.variables, strict=True):
            place = places.get(id(variable))
            if place is None:
                continue
            size = place.stop - place.start
            if size > MOST_FULL:
                raise ValueError(
                    f"Expected arrays of up to {MOST_FULL} weights beside the kernels of Dense "
                    f"layers of rows (n, p), for structure='kron'. Received: {path} with {size}. "
                    "Take structure='diag'."
                )
            self.others.append((place, np.zeros((size, size))))

    def add(self, rows, x, jacobian, root):
        """Add rows."""
        weights = self.weights.weights
        counts = np.ones(len(jacobian)) if weights is None else weights[rows]
        scaled = np.swapaxes(root, 1, 2) @ jacobian
        for place, matrix in self.others:
            part = scaled[..., place].reshape(-1, place.stop - place.start)
            matrix += part.T @ part
        if self.kernels:
            inputs = self._entering(keras.tree.flatten(x), training=False)
            inputs = inputs if isinstance(inputs, list) else [inputs]
            for kernel, each in zip(self.kernels, inputs, strict=True):
                each = np.asarray(keras.ops.convert_to_numpy(each), dtype="float64")
                kernel.add(each, scaled, counts)

    def with_prior(self, precision):
        """Return the `Spread` with a prior, whose precision is one in each array."""
        parts = [(kernel.place, kernel.with_prior(precision)) for kernel in self.kernels]
        for place, matrix in self.others:
            parts.append((place, FullSpread(matrix + np.diag(precision[place]))))
        return Blocks(sorted(parts, key=lambda part: part[0].start))


class _Kernel:
    """The two factors of one kernel."""

    def __init__(self, place, shape, bias):
        self.place, self.shape, self.bias = place, shape, bias
        self.inner, self.outer, self.count = (
            np.zeros((shape[0],) * 2),
            np.zeros((shape[1],) * 2),
            0.0,
        )

    def add(self, inputs, scaled, counts):
        """Add rows: inputs (m, p), the Jacobians times roots (m, k, size), and weights (m,)."""
        if self.bias is not None:
            slope = scaled[..., self.bias]
        else:  # the Jacobian in a kernel is that in its outputs times its inputs
            size = np.square(inputs).sum(axis=1)
            part = scaled[..., self.place].reshape(*scaled.shape[:2], *self.shape)
            slope = np.einsum("mkio,mi->mko", part, inputs)
            slope = slope / np.where(size > 0.0, size, 1.0)[:, None, None]
        flat = slope.reshape(-1, self.shape[1])
        self.inner += (inputs.T * counts) @ inputs
        self.outer += flat.T @ flat
        self.count += counts.sum()

    @cached_property
    def _eigen(self):
        return np.linalg.eigh(self.inner), np.linalg.eigh(self.outer)

    def with_prior(self, precision):
        (inner, left), (outer, right) = self._eigen
        values = np.maximum(inner, 0.0)[:, None] * np.maximum(outer, 0.0) / self.count
        return KroneckerSpread(left, right, values + precision[self.place.start])


class KroneckerSpread(Spread):
    """That of a kernel, whose axes are products of eigenvectors of the factors.

    Parameters
    ----------
    left, right : numpy.ndarray, shapes (p, p) and (q, q)
    values : numpy.ndarray, shape (p, q)
        The eigenvalues of the precision.
    """

    def __init__(self, left, right, values):
        self._left, self._right, self._sd = left, right, 1.0 / np.sqrt(values)
        self.log_det = float(np.log(values).sum())
        self.variances = (np.square(left) @ (1.0 / values) @ np.square(right).T).ravel()

    def spread(self, jacobian):
        """Return jacobian @ R."""
        kernel = jacobian.reshape(*jacobian.shape[:-1], *self._sd.shape)
        return (self._left.T @ kernel @ self._right * self._sd).reshape(jacobian.shape)

    def draw(self, z):
        """Return z @ R'."""
        kernel = z.reshape(-1, *self._sd.shape) * self._sd
        return (self._left @ kernel @ self._right.T).reshape(z.shape)


class Blocks(Spread):
    """That of independent blocks of weights.

    Parameters
    ----------
    parts : list of (slice, Spread)
        In the order of the weights.
    """

    def __init__(self, parts):
        self._parts = parts
        self.log_det = sum(part.log_det for _, part in parts)
        self.variances = np.concatenate([part.variances for _, part in parts])

    def spread(self, jacobian):
        """Return jacobian @ R."""
        each = [part.spread(jacobian[..., place]) for place, part in self._parts]
        return np.concatenate(each, axis=-1)

    def draw(self, z):
        """Return z @ R'."""
        return np.concatenate([part.draw(z[..., place]) for place, part in self._parts], axis=-1)


def _dense(network):
    """Yield the Dense layers and heads of a network that are called once, with their inputs."""
    if not getattr(network, "inputs", None):
        return
    found, ahead = {}, [*network.outputs]
    while ahead:
        tensor = ahead.pop()
        if any(tensor is given for given in network.inputs):
            continue
        node = keras_private.node_of(tensor)
        if id(node) not in found:
            found[id(node)] = node
            ahead += node.input_tensors
    layers = [node.operation for node in found.values()]
    for node in found.values():
        layer = node.operation
        is_one = len(node.input_tensors) == layers.count(layer) == 1
        if is_one and isinstance(layer, (keras.layers.Dense, Head)):
            yield layer, node.input_tensors[0]
