"""What variational layers have in common: a posterior of weights, its divergence, its draws."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import TYPE_CHECKING

import keras
import numpy as np

from probnn import backend
from probnn._priors import Normal, Prior
from probnn.networks.layers.posteriors import POSTERIORS, divergence

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from probnn._types import Tensor

ops = keras.ops


class Variational(keras.Layer):
    """A layer of a linear map whose weights are normally distributed, to be subclassed.

    A subclass builds its weights with `_build`, and says in `_mapped(inputs, kernel, bias)` what
    the linear map of given weights is, the units on `_units_axis`.

    Attributes
    ----------
    kernel, bias : keras.Variable
        The posterior means; no bias is None.
    posterior : MeanField or Full
        The rest of the posterior.
    """

    _estimators = "flipout", "local", "reparameterised"
    _units_axis = -1

    def __init__(
        self,
        activation: Any = None,
        prior: Any = 1.0,
        posterior: str = "mean_field",
        estimator: str | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        initial_scale: float = 0.05,
        kl_rows: float | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)
        self.prior = _prior(prior)
        self.posterior_kind, self.estimator = posterior, self._estimator(posterior, estimator)
        self.use_bias, self.bias = use_bias, None
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        for name, value in (("initial_scale", initial_scale), ("kl_rows", kl_rows)):
            if value is not None and not (np.ndim(value) == 0 and 0.0 < value < np.inf):
                raise ValueError(f"Expected {name} above 0. Received: {value!r}.")
        self.initial_scale, self.seed = float(initial_scale), seed
        self.kl_rows = None if kl_rows is None else float(kl_rows)
        self._known_rows = self.kl_rows  # in Python, as a program cannot look at its variables
        self.seed_generator = keras.random.SeedGenerator(seed)

    def _estimator(self, posterior, estimator):
        """Return the estimator, checked, or that which suits the posterior."""
        if posterior not in POSTERIORS:
            raise ValueError(
                f"Expected posterior to be one of {', '.join(POSTERIORS)}. Received: {posterior!r}."
            )
        known = POSTERIORS[posterior].estimators
        known = [name for name in self._estimators if name in known]
        estimator = known[0] if estimator is None else estimator
        if estimator not in known:
            raise ValueError(
                f"Expected estimator to be one of {', '.join(known)}, for a {type(self).__name__} "
                f"with a {posterior} posterior. Received: {estimator!r}. There is 'flipout' of "
                "independent weights alone, 'local' of those of a dense layer."
            )
        return estimator

    def _build(self, kernel_shape, units):
        """Make the variables of a kernel, and of a bias."""
        kl = _KL(self)  # counted once, however often the layer is called
        self.kernel = self.add_weight(
            kernel_shape, self.kernel_initializer, name="kernel", regularizer=kl
        )
        if self.use_bias:
            self.bias = self.add_weight((units,), "zeros", name="bias")
        self.posterior = POSTERIORS[self.posterior_kind](self, self._means(), self.initial_scale)
        self._rows = self.add_weight(
            (),
            keras.initializers.Constant(self._known_rows or 0.0),
            name="kl_rows",
            trainable=False,
            autocast=False,
        )

    def _means(self):
        return [self.kernel] if self.bias is None else [self.kernel, self.bias]

    # ---- what the layer puts out ------------------------------------------------------------

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Return what weights make of inputs: random ones in training, else the posterior means."""
        means = [ops.convert_to_tensor(mean) for mean in self._means()]
        if training:
            return self.activation(getattr(self, f"_{self.estimator}")(inputs, means))
        return self.activation(self._mapped(inputs, *means))

    def _mapped(self, inputs, kernel, bias=None):
        raise NotImplementedError

    def _reparameterised(self, inputs, means):
        """Return what one draw of the weights makes of all rows."""
        noise = self.posterior.noise()
        drawn = [mean + ops.cast(e, mean.dtype) for mean, e in zip(means, noise, strict=True)]
        return self._mapped(inputs, *drawn)

    def _flipout(self, inputs, means):
        """Return what each row has of one draw, whose signs are its own."""
        noise = [ops.cast(each, inputs.dtype) for each in self.posterior.noise()]
        center = self._mapped(inputs, *means)
        turned = self._mapped(inputs * self._signs(inputs), *noise)
        return center + turned * self._signs(center)

    def _signs(self, x):
        """Return random signs for each row and unit, the same at all places between them."""
        places = [i for i in range(1, len(x.shape)) if i != self._units_axis % len(x.shape)]
        few = x[tuple(slice(0, 1) if i in places else slice(None) for i in range(len(x.shape)))]
        return ops.where(self.normal_like(few) < 0.0, -ops.ones_like(few), ops.ones_like(few))

    def normal_like(self, x: Tensor) -> Tensor:
        """Return standard normal numbers in the shape of a tensor, of the layer's generator."""
        return backend.normal_like(x, self.seed_generator, self.seed is not None)

    @contextlib.contextmanager
    def drawn(self) -> Iterator[None]:
        """Have one draw of the weights where their means are, for all rows that are predicted."""
        means = self._means()
        kept = backend.copied([mean.value for mean in means])
        try:
            for mean, noise in zip(means, self.posterior.noise(), strict=True):
                mean.assign(ops.convert_to_tensor(mean) + noise)
            yield
        finally:
            for mean, value in zip(means, kept, strict=True):
                mean.assign(value)

    # ---- the divergence ---------------------------------------------------------------------

    def kl(self) -> Tensor:
        """Return the Kullback-Leibler divergence of the posterior from the prior, in nats."""
        means = [ops.convert_to_tensor(mean) for mean in self._means()]
        return divergence(self.prior, means, self.posterior)

    def kl_of_row(self) -> Tensor:
        """Return the part of the divergence that one row of the training data bears.

        Raises
        ------
        ValueError
            If the layer does not know how many rows there are.
        """
        if self._known_rows is None:
            raise ValueError(
                f"Expected {self.name!r} to know the number of rows of the training data, over "
                "which its Kullback-Leibler divergence is spread. Received: none. Train with the "
                "`fit` of a probnn.Model or Sequential, or with probnn.fit, which count them; or "
                "say it: kl_rows= of the layer."
            )
        return self.kl() / ops.cast(ops.convert_to_tensor(self._rows), self.variable_dtype)

    def know_rows(self, rows: float | None) -> None:
        """Take the number of rows of the training data, unless `kl_rows` said it."""
        if self.kl_rows is None and rows is not None:
            self._known_rows = float(rows)
            if self.built:
                self._rows.assign(self._known_rows)

    def finalize_state(self) -> None:
        """Read what the weights say, after they were set or loaded."""
        self._known_rows = float(backend.host_value(self._rows)) or self.kl_rows

    def load_own_variables(self, store: Any) -> None:
        """Load the weights."""
        super().load_own_variables(store)
        self.finalize_state()

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again, as JSON types."""
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "prior": {"kind": type(self.prior).__name__, **asdict(self.prior)},
            "estimator": self.estimator,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "initial_scale": self.initial_scale,
            "kl_rows": self.kl_rows,
            "seed": self.seed,
        }


class _KL(keras.regularizers.Regularizer):
    """What Keras adds to a loss for the kernel of a layer: the part of a row in the divergence."""

    def __init__(self, layer):
        self._layer = layer

    def __call__(self, kernel):
        return self._layer.kl_of_row()


def _prior(given):
    """Return the prior of each weight: of a standard deviation, a `Prior`, or its configuration."""
    if isinstance(given, dict):
        options = dict(given)
        return Prior.kinds[options.pop("kind")](**options)
    if isinstance(given, (int, float, np.number)) and not isinstance(given, bool):
        given = Normal(0.0, float(given))
    if not isinstance(given, Prior):
        raise ValueError(
            "Expected prior to be a standard deviation, or a probnn.bayes.priors.Normal or "
            f"Laplace. Received: {given!r}."
        )
    if any(np.ndim(value) for value in vars(given).values()):
        raise ValueError(f"Expected one prior of all weights of a layer. Received: {given!r}.")
    given.expected_log_prob(np.zeros(()), np.ones(()))  # raises where there is none
    return given
