"""A dense layer whose weights are distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from probnn.networks.layers.variational import Variational

if TYPE_CHECKING:
    from typing import Any, Literal

    from probnn._priors import Prior

ops = keras.ops


@keras.saving.register_keras_serializable(package="probnn")
class DenseVariational(Variational):
    """A dense layer with a normal posterior of its weights: Bayes by backprop.

    Parameters
    ----------
    units : int
        The number of outputs.
    activation : str or callable, optional
        As in `keras.layers.Dense`.
    prior : float or Prior
        Of each weight: the standard deviation of a normal about 0; or a
        `probnn.bayes.priors.Normal` or `Laplace`.
    posterior : {"mean_field", "full"}
        Independent weights; or one multivariate normal of the kernel and the bias, of k (k + 1) / 2
        numbers for k weights.
    estimator : {"flipout", "local", "reparameterised"}, optional
        How gradients are estimated: signs of its own for each row of one draw of the weights
        (Wen et al., 2018, arXiv:1803.04386), the default of independent weights; a draw of each
        output, for x of shape (n, p) (Kingma et al., 2015, arXiv:1506.02557); one draw of the
        weights for all rows of a batch, the only one of a full posterior. All have one mean; the
        last has the largest variance.
    use_bias : bool
        Whether there is a bias, which has the same prior.
    kernel_initializer : str or keras.Initializer
        Of the posterior means of the kernel; those of the bias start at 0.
    initial_scale : float
        The posterior standard deviations before training, through softplus.
    kl_rows : float, optional
        The number of rows over which the divergence is spread; `fit` counts them unless told.
    seed : int, optional
        Of the draws. On torch, a step with a seed takes longer.
    **kwargs
        As for any Keras layer.

    Raises
    ------
    ValueError
        For a combination of posterior and estimator that does not exist, a prior without a closed
        form; in training or evaluation, if nobody has counted the rows.

    Notes
    -----
    The loss is the mean over rows of the negative log-likelihood, plus KL(posterior, prior) / N,
    with N the number of rows that `fit` trains on, whatever their weights; of time steps, which
    the mean is over, N is their number. So it is minus the evidence lower bound, over N. `probnn`
    models log its two parts as `nll` and `kl`. Blundell et al. (2015), arXiv:1505.05424.

    Predictions take the posterior means. `predict_distribution(x, passes=50)` pools draws: in each
    pass, all rows see the same weights, so that a pass is one function of x.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> x = np.linspace(-1.0, 1.0, 64)[:, None]
    >>> y = np.sin(3.0 * x[:, 0])
    >>> layers = [keras.Input((1,)), pn.layers.DenseVariational(8, "tanh"), pn.Head("normal")]
    >>> model = pn.Sequential(layers)
    >>> model.compile(keras.optimizers.Adam(0.01))
    >>> history = model.fit(x, y, epochs=2, verbose=0)
    >>> sorted(history.history)
    ['kl', 'loss', 'nll']
    >>> d = model.predict_distribution(x, passes=10, verbose=0)
    >>> d.epistemic_variance().shape
    (64,)
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        prior: float | Prior = 1.0,
        posterior: Literal["mean_field", "full"] = "mean_field",
        estimator: Literal["flipout", "local", "reparameterised"] | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        initial_scale: float = 0.05,
        kl_rows: float | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            activation,
            prior,
            posterior,
            estimator,
            use_bias,
            kernel_initializer,
            initial_scale,
            kl_rows,
            seed,
            **kwargs,
        )
        self.units = int(units)
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(
            **{"ndim": 2} if self.estimator == "local" else {"min_ndim": 2}
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights for inputs of a shape."""
        self._build((input_shape[-1], self.units), self.units)
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape), axes={-1: input_shape[-1]})

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of outputs for inputs of a shape."""
        return *input_shape[:-1], self.units

    def _mapped(self, inputs, kernel, bias=None):
        found = ops.matmul(inputs, kernel)
        return found if bias is None else found + bias

    def _local(self, inputs, means):
        """Return draws of outputs, which are normal where weights are."""
        variances = [ops.square(ops.cast(s, inputs.dtype)) for s in self.posterior.scales()]
        center = self._mapped(inputs, *means)
        variance = self._mapped(ops.square(inputs), *variances)
        spread = ops.sqrt(variance + keras.config.epsilon() ** 2)
        return center + spread * self.normal_like(center)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again, as JSON types."""
        return {**super().get_config(), "units": self.units, "posterior": self.posterior_kind}
