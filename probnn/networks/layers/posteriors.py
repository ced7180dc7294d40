"""Normal posteriors of the weights of a layer: their parameters are the variables of the layer."""

import itertools
import math

import keras
import numpy as np

ops = keras.ops


class MeanField:
    """Independent weights: a standard deviation for each.

    Parameters
    ----------
    layer : Variational
        Makes the variables, and has the generator of draws.
    means : list of keras.Variable
    scale : float
        The initial standard deviation.
    """

    estimators = "flipout", "local", "reparameterised"

    def __init__(self, layer, means, scale):
        self._layer = layer
        self._raw = [
            layer.add_weight(mean.shape, raw_scale(scale), name=f"{mean.name}_raw_scale")
            for mean in means
        ]

    def scales(self):
        """Return the standard deviations of the weights, in the shapes of their means."""
        return [ops.softplus(ops.convert_to_tensor(raw)) for raw in self._raw]

    def log_det(self):
        """Return half the logarithm of the determinant of the covariance."""
        return sum(ops.sum(ops.log(each)) for each in self.scales())

    def noise(self):
        """Return a draw of the weights, less their means."""
        return [each * self._layer.normal_like(each) for each in self.scales()]


class Full:
    """Weights that depend on each other: a lower triangular matrix times independent numbers."""

    estimators = ("reparameterised",)

    def __init__(self, layer, means, scale):
        self._layer, self._shapes = layer, [tuple(mean.shape) for mean in means]
        self._sizes = [math.prod(shape) for shape in self._shapes]
        size = sum(self._sizes)
        start = raw_scale(scale)

        def diagonal(shape, dtype):
            return ops.cast(ops.eye(size) * start(()), dtype)

        self._raw = layer.add_weight((size, size), diagonal, name="raw_tril")

    def _tril(self):
        raw = ops.convert_to_tensor(self._raw)
        return ops.tril(raw, -1) + ops.diag(ops.softplus(ops.diagonal(raw)))

    def _parts(self, flat):
        ends = itertools.accumulate(self._sizes)
        parts = [flat[end - size : end] for size, end in zip(self._sizes, ends, strict=True)]
        return [ops.reshape(*each) for each in zip(parts, self._shapes, strict=True)]

    def scales(self):
        """Return the standard deviations of the weights, in the shapes of their means."""
        return self._parts(ops.sqrt(ops.sum(ops.square(self._tril()), axis=-1)))

    def log_det(self):
        """Return half the logarithm of the determinant of the covariance."""
        return ops.sum(ops.log(ops.softplus(ops.diagonal(ops.convert_to_tensor(self._raw)))))

    def noise(self):
        """Return a draw of the weights, less their means."""
        tril = self._tril()
        return self._parts(ops.matmul(tril, self._layer.normal_like(tril[:, 0])))


POSTERIORS = {"mean_field": MeanField, "full": Full}


def raw_scale(scale):
    """Return the initializer of a variable whose softplus is a number."""
    return keras.initializers.Constant(float(np.log(np.expm1(scale))))


def divergence(prior, means, posterior):
    """Return the Kullback-Leibler divergence of a posterior of weights from their prior.

    Parameters
    ----------
    prior : Prior
        Of each weight.
    means : list of tensors
    posterior : MeanField or Full

    Returns
    -------
    tensor
        E log q(w) - E log p(w), in closed form.
    """
    expected = sum(
        ops.sum(prior.expected_log_prob(mean, sd))
        for mean, sd in zip(means, posterior.scales(), strict=True)
    )
    size = sum(math.prod(mean.shape) for mean in means)
    return -posterior.log_det() - 0.5 * size * (1.0 + math.log(2.0 * math.pi)) - expected
