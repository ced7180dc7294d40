"""Random features: a layer whose inner products are a kernel, so that a head is a process."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import keras
import numpy as np

if TYPE_CHECKING:
    from typing import Any, Literal

    from probnn._types import Tensor

ops = keras.ops

# Frequencies are normal, or those of Student's t with so many degrees of freedom.
_FREEDOM = {"gaussian": np.inf, "matern52": 5.0, "matern32": 3.0}


@keras.saving.register_keras_serializable(package="probnn")
class RandomFeatures(keras.Layer):
    """Features whose inner products are about a kernel: the weights of a head are a process.

    Parameters
    ----------
    units : int
        How many features, an even number: the error of the kernel falls as one over its root.
    scale : float
        The length over which the kernel falls, in the units of the inputs.
    kernel : {"gaussian", "matern52", "matern32"}
        How it falls: exp(-d^2 / (2 scale^2)), of smooth functions; or Matern's, of functions that
        have two derivatives, or one.
    seed : int, optional
        Of the frequencies: the same on every backend.
    **kwargs
        As for any Keras layer.

    Raises
    ------
    ValueError
        If units are no even number from 2 on, the scale is not above 0, or the kernel is unknown.

    Notes
    -----
    The features of x are sqrt(2 / units) [cos(W'x), sin(W'x)], with frequencies W that are drawn
    once and never trained: Rahimi and Recht (2007), NIPS; in pairs, which have the smaller error
    and a kernel of 1 at distance 0 exactly: Sutherland and Schneider (2015), arXiv:1506.02785.

    A head without a bias on them, whose coefficients have the prior Normal(0, amplitude), has the
    prior of a Gaussian process with the variance amplitude^2; `probnn.bayes.laplace` with
    `prior=amplitude ** -2` has its posterior. Far from the rows the variance is the prior's again.
    After hidden layers that keep distances, Liu et al. (2020), arXiv:2006.10108.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> x = np.linspace(0.0, 3.0, 30)[:, None]
    >>> y = np.sin(2.0 * x[:, 0]) + 0.1 * np.random.default_rng(0).normal(size=30)
    >>> layers = [keras.Input((1,)), pn.layers.RandomFeatures(400, scale=0.7, seed=0)]
    >>> head = pn.Head("normal", fixed={"scale": 0.1}, use_bias=False)
    >>> process = pn.bayes.laplace(pn.Sequential([*layers, head]), x, y, prior=1.0)
    >>> d = process.predict_distribution(np.array([[1.5], [9.0]]))
    >>> d.epistemic_variance().round(1).tolist()  # among the rows, and far from them
    [0.0, 1.0]
    """

    def __init__(
        self,
        units: int,
        scale: float = 1.0,
        kernel: Literal["gaussian", "matern52", "matern32"] = "gaussian",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not (isinstance(units, (int, np.integer)) and units >= 2 and units % 2 == 0):
            raise ValueError(
                "Expected units to be an even number from 2 on, as features come in pairs. "
                f"Received: {units!r}."
            )
        if not (np.ndim(scale) == 0 and 0.0 < scale < np.inf):
            raise ValueError(f"Expected scale above 0. Received: {scale!r}.")
        if kernel not in _FREEDOM:
            raise ValueError(
                f"Expected kernel to be one of {', '.join(_FREEDOM)}. Received: {kernel!r}."
            )
        self.units, self.scale, self.kernel, self.seed = int(units), float(scale), kernel, seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Draw the frequencies for inputs of a shape."""
        self.frequencies = self.add_weight(
            (input_shape[-1], self.units // 2), self._draw, name="frequencies", trainable=False
        )

    def _draw(self, shape, dtype):
        # Keras's generators draw other numbers on each backend; its seed is that of `random`.
        seed = random.getrandbits(32) if self.seed is None else self.seed
        rng, freedom = np.random.default_rng(seed), _FREEDOM[self.kernel]
        drawn = rng.normal(size=shape) / self.scale
        if np.isfinite(freedom):
            drawn *= np.sqrt(freedom / rng.chisquare(freedom, shape[-1]))
        return ops.convert_to_tensor(drawn, dtype)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the features of inputs."""
        angles = ops.matmul(inputs, self.frequencies)
        features = ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)
        return (2.0 / self.units) ** 0.5 * features

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of outputs for inputs of a shape."""
        return *input_shape[:-1], self.units

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again, as JSON types."""
        own = {"units": self.units, "scale": self.scale, "kernel": self.kernel, "seed": self.seed}
        return {**super().get_config(), **own}
