"""Convolutions whose kernels are distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from probnn.networks.layers.variational import Variational

if TYPE_CHECKING:
    from typing import Any, Literal

    from probnn._priors import Prior

ops = keras.ops


class _Convolution(Variational):
    """What convolutions of any number of axes have in common."""

    _estimators = "flipout", "reparameterised"
    rank: int

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: Literal["valid", "same"] = "valid",
        data_format: Literal["channels_first", "channels_last"] | None = None,
        dilation_rate: int | tuple[int, ...] = 1,
        activation: Any = None,
        prior: float | Prior = 1.0,
        estimator: Literal["flipout", "reparameterised"] | None = None,
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
            "mean_field",
            estimator,
            use_bias,
            kernel_initializer,
            initial_scale,
            kl_rows,
            seed,
            **kwargs,
        )
        self.filters = int(filters)
        self.kernel_size, self.strides, self.dilation_rate = (
            (value,) * self.rank if isinstance(value, int) else tuple(value)
            for value in (kernel_size, strides, dilation_rate)
        )
        if padding not in ("valid", "same"):
            raise ValueError(f"Expected padding to be 'valid' or 'same'. Received: {padding!r}.")
        self.padding = padding
        self.data_format = data_format or keras.config.image_data_format()
        self._units_axis = -1 if self.data_format == "channels_last" else 1
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights for inputs of a shape."""
        channels = input_shape[self._units_axis]
        self._build((*self.kernel_size, channels, self.filters), self.filters)
        self.input_spec = keras.layers.InputSpec(
            ndim=self.rank + 2, axes={self._units_axis: channels}
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of outputs for inputs of a shape."""
        plain = self._plain(self.filters, self.kernel_size, **self._options())
        return plain.compute_output_shape(input_shape)

    def _options(self):
        return {
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }

    def _mapped(self, inputs, kernel, bias=None):
        found = ops.conv(inputs, kernel, **self._options())
        if bias is None:
            return found
        shape = [1] * (self.rank + 2)
        shape[self._units_axis] = self.filters
        return found + ops.reshape(bias, shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again, as JSON types."""
        own = {"filters": self.filters, "kernel_size": self.kernel_size, **self._options()}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="probnn")
class Conv1DVariational(_Convolution):
    """A convolution over steps with independent normal posteriors of its weights.

    Parameters
    ----------
    filters, kernel_size, strides, padding, data_format, dilation_rate, activation
        As in `keras.layers.Conv1D`; padding "valid" or "same".
    prior, use_bias, kernel_initializer, initial_scale, kl_rows, seed, **kwargs
        As in `DenseVariational`.
    estimator : {"flipout", "reparameterised"}, optional
        As in `DenseVariational`: the first unless told. A row's signs are those of all its places.

    Raises
    ------
    ValueError
        As `DenseVariational`.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> layer = pn.layers.Conv1DVariational(4, 3, padding="same")
    >>> tuple(layer(np.ones((2, 10, 1))).shape)
    (2, 10, 4)
    """

    rank, _plain = 1, keras.layers.Conv1D


@keras.saving.register_keras_serializable(package="probnn")
class Conv2DVariational(_Convolution):
    """A convolution over images with independent normal posteriors of its weights.

    Parameters
    ----------
    filters, kernel_size, strides, padding, data_format, dilation_rate, activation
        As in `keras.layers.Conv2D`.
    prior, estimator, use_bias, kernel_initializer, initial_scale, kl_rows, seed, **kwargs
        As in `Conv1DVariational`.

    Raises
    ------
    ValueError
        As `DenseVariational`.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> layer = pn.layers.Conv2DVariational(4, 3, activation="relu")
    >>> tuple(layer(np.ones((2, 8, 8, 1))).shape)
    (2, 6, 6, 4)
    """

    rank, _plain = 2, keras.layers.Conv2D
