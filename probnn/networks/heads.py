"""The last layer: from features to the raw parameters of a distribution."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import keras
import numpy as np

from probnn import backend, data, families, links
from probnn.networks.layout import Layout, parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from probnn._types import ArrayLike, Tensor
    from probnn.families.base import Family

# What `keras.layers.Layer` itself takes; other keywords are options of the family.
_OF_LAYER = ("name", "dtype", "trainable", "autocast", "activity_regularizer")


@keras.saving.register_keras_serializable(package="probnn")
class Head(keras.layers.Layer):
    """The last layer of a probabilistic network: features in, raw parameters out.

    Every parameter of the family is *predicted* (a linear function of the features), *constant*
    (one trainable number for all rows), or *fixed* (a number you give). The output is a plain
    tensor that `NegativeLogLikelihood` and the models of this package understand. Call it on one
    tensor of features, or on a dict with those of each predicted parameter.

    Parameters
    ----------
    family : str or Family
        A name from `probnn.families.FAMILIES`, or a family with links and arguments of your choice.
    units : int
        The number of independent responses; y then has shape (n, units). Of a family of vectors
        ("multivariate_normal", "dirichlet") the length of the vector.
    constant : sequence of str, optional
        Names of the parameters that are one trainable number: `["scale"]` makes a normal head
        homoscedastic. By default none, but for the cutpoints of the ordinal family.
    fixed : dict
        Name -> value, in the parameter's natural units: `{"scale": 1.0}`.
    use_bias : bool
        Whether predicted parameters have an intercept.
    kernel_regularizer : str or keras.Regularizer, optional
        A penalty on the kernel.
    **kwargs
        `name`, `dtype`, `trainable`: as for any Keras layer. With a family's name, also its
        options: `Head("categorical", classes=3)`, `Head("bernoulli", link="probit")`,
        `Head("mixture", family="normal", components=3)`.

    Attributes
    ----------
    kinds : list of str
        How each raw column of one response is made: "predicted", "constant" or "fixed".
    biased : list of bool
        Which of them have an intercept.
    standardised : bool
        Whether the location trains in standard units, as the notes say.

    Raises
    ------
    ValueError
        For an unknown family or option, a name that is no parameter of it, a parameter both
        constant and fixed, or a fixed value outside the parameter's domain.

    Notes
    -----
    Input shape (..., p); output shape (..., units * k) with k the family's number of raw columns,
    the parameters of the first response first. Input is cast to the layer's variable dtype, so
    that under mixed precision the raw output is float32.

    The weights are `kernel` (p, units * predicted columns) and `bias`, as in `keras.layers.Dense`,
    then `constant`. Of a dict, the features stand side by side in the order of the family's
    parameters, and the kernel is flat, row by row: what would be zero is no weight. The kernel
    starts at zero, so that an untrained head predicts one distribution for all rows; `adapt(y)`,
    which `probnn.Model.fit` calls for a head that is still all zeros, makes it the marginal
    distribution of y. A location with the identity link is in the units of y; it trains in standard
    units instead, so that no learning rate depends on them: raw = raw_shift + raw_scale * (features
    @ kernel + bias), with two weights that are not trained and that `adapt` sets to the mean and
    the standard deviation of y (elsewhere to 0 and 1); in a mixture, the shift of each component's
    location is its own start. `coefficients()` gives the kernel and the bias in the units of the
    data.

    Examples
    --------
    >>> import keras, probnn as pn
    >>> model = pn.Sequential([keras.Input((3,)), pn.Head("normal", constant=["scale"])])
    >>> model.layers[-1].adapt([1.0, 2.0, 3.0])
    >>> model.predict_params([[0.5, 0.5, 0.5]], verbose=0)["loc"].tolist()
    [2.0]

    A mean that is linear in x, with a scale from hidden units:

    >>> x = keras.Input((1,))
    >>> h = keras.layers.Dense(20, "relu")(x)
    >>> model = pn.Model(x, pn.Head("normal")({"loc": x, "scale": h}))
    >>> model.heads.count_params()
    27
    """

    def __init__(
        self,
        family: str | dict[str, Any] | Family | None = None,
        /,
        units: int = 1,
        constant: Sequence[str] | None = None,
        fixed: Mapping[str, ArrayLike] | None = None,
        use_bias: bool = True,
        kernel_regularizer: str | dict[str, Any] | keras.Regularizer | None = None,
        **kwargs: Any,
    ) -> None:
        options = {name: kwargs.pop(name) for name in [*kwargs] if name not in _OF_LAYER}
        super().__init__(**{"autocast": False, **kwargs})
        if family is None:  # positional, since a mixture's option has that name too
            family = options.pop("family", None)
        self.family = self._family(family, units, options)
        self.units = self.family.y_columns if self.family.vector else int(units)
        self.responses = 1 if self.family.y_columns else self.units
        if constant is None:
            constant = [n for n in self.family.constant_by_default if n not in (fixed or {})]
        if isinstance(constant, str):
            raise ValueError(
                f"Expected `constant` to be a list of names. Received: {constant!r}. "
                f"Write constant=[{constant!r}]."
            )
        self.constant_names = tuple(constant)
        self.fixed = {name: float(value) for name, value in (fixed or {}).items()}
        self.use_bias = use_bias
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True

        self.family.check_names(self.constant_names, "constant")
        self.family.check_names(self.fixed, "fixed")
        both = [name for name in self.constant_names if name in self.fixed]
        if both:
            raise ValueError(
                f"Expected each parameter to be constant or fixed, not both. Received both for "
                f"{', '.join(map(repr, both))}."
            )
        for name, value in self.fixed.items():
            if self.family.params[name].size is not None:
                raise ValueError(f"A parameter that is a vector cannot be fixed: {name!r}.")
            domain = self.family.links[name].domain
            if not domain.contains(np.float64(value)):
                raise ValueError(
                    f"Expected the fixed value of {name!r} to lie in {domain}. Received: {value}."
                )

        # How each raw column of one response is made, and its value where no weight can change it.
        self.kinds, self.biased, known = [], [], []
        for name, param in self.family.params.items():
            size, kind = param.columns, "predicted"
            has_bias = use_bias and name not in self.family.no_intercept
            value = float("nan") if has_bias else 0.0
            if name in self.constant_names:
                kind, value = "constant", float("nan")
            elif name in self.fixed:
                kind = "fixed"
                value = float(self.family.links[name].forward(np.float64(self.fixed[name])))
            self.kinds += [kind] * size
            self.biased += [has_bias and kind == "predicted"] * size
            known += [value] * size
        self._known = np.array(known)
        link = self.family.links[self.family.location]
        self.standardised = link == links.get("identity") and self.kinds[0] != "fixed"
        self._start = None

    @staticmethod
    def _family(family, units, options):
        """Return the family, of vectors of `units` numbers if it is one of vectors."""
        if int(units) != units or units < 1:
            raise ValueError(f"Expected `units` to be a whole number >= 1. Received: {units}.")
        cls = families.FAMILIES.get(family) if isinstance(family, str) else None
        if getattr(cls, "vector", False):
            return families.get(family, units=int(units), **options)
        family = families.get(family, **options)
        if units > 1 and family.y_columns not in (None, units if family.vector else None):
            raise ValueError(
                f"Expected units=1 for {family!r}, whose y has {family.y_columns} columns. "
                f"Received: units={units}. Make a head for each response."
            )
        return family

    def build(self, input_shape: tuple[int | None, ...] | dict[str, Any]) -> None:
        """Make the weights for features of shape (..., p), or for a dict of such shapes."""
        self._layout = layout = Layout(self, input_shape)
        kinds, biased = np.array(self.kinds * self.responses), sum(self.biased) * self.responses
        constant, fixed = int(np.sum(kinds == "constant")), kinds == "fixed"
        start, penalty = self._start or self._before_data(), self.kernel_regularizer
        self.kernel = self._add("kernel", layout.kernel_shape, None, regularizer=penalty)
        self.bias = self._add("bias", (biased,), start) if biased else None
        self.constant = self._add("constant", (constant,), start) if constant else None
        if self.standardised:
            self.raw_shift = self._add("raw_shift", kinds.shape, start, trainable=False)
            self.raw_scale = self._add("raw_scale", kinds.shape, start, trainable=False)
        self._fixed_and_zero = np.array(
            [*np.tile(self._known, self.responses)[fixed], 0.0], dtype=self.variable_dtype
        )
        self.input_spec = [
            keras.layers.InputSpec(ndim=layout.rank, axes={-1: width}, name=name)
            for name, width in layout.widths.items()
        ]
        self.built = True

    @property
    def rank(self) -> int:
        """The rank of the features, with the axis of rows; 2 of a head that is not built."""
        return self._layout.rank if self.built else 2

    @property
    def rows(self) -> dict[str, slice]:
        """Which features, of those of all parameters side by side, each predicted one has."""
        return self._layout.rows

    def _before_data(self):
        """Return the weights of a head that has seen no y: all parameters inside their domains."""
        kinds = np.array(self.kinds * self.responses)
        raw = np.tile(self.family.inside(), self.responses)
        return {
            "bias": raw[self.biased * self.responses],
            "constant": raw[kinds == "constant"],
            "raw_shift": np.zeros(len(kinds)),
            "raw_scale": np.ones(len(kinds)),
        }

    def _add(self, name, shape, start, **kwargs):
        def initial(shape, dtype=None):
            value = np.zeros(shape) if start is None else start[name]
            return keras.ops.convert_to_tensor(value, dtype=dtype)

        return self.add_weight(
            name=name, shape=shape, initializer=initial, autocast=False, **kwargs
        )

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...] | dict[str, Any]
    ) -> tuple[int | None, ...]:
        """Return (..., units * k)."""
        return (*parts(self, input_shape)[0][1][:-1], self.responses * len(self.kinds))

    def compute_output_spec(self, features: Any) -> keras.KerasTensor:
        """Return a symbolic tensor of that shape, in the variable dtype."""
        shape = self.compute_output_shape(parts(self, features)[0][1].shape)
        return keras.KerasTensor(shape, dtype=self.variable_dtype)

    def compute_mask(self, features: Any, previous_mask: Any = None) -> Any:
        """Return which time steps count: those that count in the features of each parameter."""
        masks = [mask for mask in keras.tree.flatten(previous_mask) if mask is not None]
        return functools.reduce(keras.ops.logical_and, masks) if masks else None

    def call(self, features: Tensor | dict[str, Tensor]) -> Tensor:
        """Return raw parameters (..., units * k) of features (..., p), or of a dict of them."""
        each = [keras.ops.cast(part, self.variable_dtype) for _, part in parts(self, features)]
        features = each[0] if len(each) == 1 else keras.ops.concatenate(each, axis=-1)
        kernel, bias = self.coefficients()
        # The tensors' own operators: those of keras.ops make float32 of float64 but on TensorFlow.
        raw = features @ kernel
        return raw if bias is None else raw + bias

    def coefficients(self) -> tuple[Tensor, Tensor | None]:
        """Return the kernel and the bias that make raw output of features, in the data's units.

        Returns
        -------
        kernel : tensor, shape (p, units * k)
            Zero for parameters that are constant or fixed.
        bias : tensor, shape (units * k,), or None
            The intercepts, and the constant and fixed parameters as raw values; None where there
            is nothing to add.
        """
        ops, tensor = keras.ops, keras.ops.convert_to_tensor
        kernel, layout = tensor(self.kernel), self._layout
        bias = None if self.bias is None else tensor(self.bias)
        if len(kernel.shape) == 1:
            zero = ops.zeros(1, dtype=self.variable_dtype)
            kernel = ops.take(ops.concatenate([kernel, zero]), layout.places)
        if not layout.in_order:
            zero = ops.zeros((kernel.shape[0], 1), dtype=self.variable_dtype)
            kernel = ops.take(ops.concatenate([kernel, zero], axis=1), layout.columns, axis=1)
            known = [tensor(w) for w in (self.bias, self.constant) if w is not None]
            values = ops.concatenate([*known, tensor(self._fixed_and_zero)])
            bias = ops.take(values, layout.bias_places)
        if self.standardised:
            shift, scale = tensor(self.raw_shift), tensor(self.raw_scale)
            kernel = kernel * scale
            bias = shift if bias is None else bias * scale + shift
        return kernel, bias

    def assign_coefficients(self, kernel: ArrayLike, bias: ArrayLike | None) -> None:
        """Set the weights from what `coefficients` returns: in the data's units, as raw values.

        Parameters
        ----------
        kernel : array_like, shape (p, units * k)
            Ignored in columns of parameters that are not predicted.
        bias : array_like, shape (units * k,)
            Ignored for parameters that are fixed, and for all predicted ones without intercepts.
        """
        kernel, bias = np.asarray(kernel, dtype="float64"), np.asarray(bias, dtype="float64")
        if self.standardised:
            shift, scale = (
                backend.host_value(weight).astype("float64")
                for weight in (self.raw_shift, self.raw_scale)
            )
            kernel, bias = kernel / scale, (bias - shift) / scale
        kinds = np.array(self.kinds * self.responses)
        self.kernel.assign(kernel[self._layout.seen].reshape(self.kernel.shape))
        if self.bias is not None:
            self.bias.assign(bias[self.biased * self.responses])
        if self.constant is not None:
            self.constant.assign(bias[kinds == "constant"])

    def to_params(self, raw: Tensor) -> dict[str, Tensor]:
        """Return name -> parameter, shape (...) or (..., units), of raw output (..., units * k).

        Parameters
        ----------
        raw : tensor or array, shape (..., units * k)
            Output of this layer, of the backend or as NumPy arrays.
        """
        return self.family.to_params(self.family.by_response(raw))

    def mean(self, raw: Tensor) -> Tensor:
        """Return the mean, shape (...) or (..., units), that raw output stands for."""
        return self.family.mean(**self.to_params(raw))

    def adapt(self, y: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Make the head predict the marginal distribution of y for every row.

        The kernel becomes zero, and the intercepts and constants the maximum-likelihood estimates
        from y alone, given what is fixed: whatever the head had learnt is forgotten.

        Parameters
        ----------
        y : array_like, shape (n,), (n, 1) or (n, units)
            Responses; (n, t) or (n, t, units) for a head that was built on time steps; or the
            probabilities of classes, (n, classes).
        sample_weight : array_like, shape (n,), or (n, t) or (n, 1), optional
            What each row, or step, counts in the likelihood. Where it is 0, y is not looked at.

        Raises
        ------
        ValueError
            If y has zero rows that count, another shape, a value outside the family's support, no
            estimate that the links can reach, or a spread too small for the head's precision.
        """
        y = data.response(y, self, weight=sample_weight, soft=True).astype("float64")
        kinds, columns = np.array(self.kinds), self.family.y_columns
        weight = None if sample_weight is None else self._weight_of_rows(y, sample_weight)
        if data.is_soft(y, self):
            y, weight = data.as_codes(y.reshape(-1, self.family.classes), weight)
        rows = y.reshape(-1, columns or self.responses)
        if weight is not None:
            rows = data.as_often(rows, weight)
        parts = [rows] if columns else list(rows.T)
        raw = np.stack([self.family.marginal(part, self._known) for part in parts])
        for part, start in zip(parts, raw, strict=True):
            self._check_precision(part, start)
        start = {}
        if self.standardised:
            location = np.arange(len(kinds)) < self.family.params[self.family.location].columns
            start["raw_shift"] = np.where(location, raw, 0.0)
            start["raw_scale"] = np.ones_like(raw)
            start["raw_scale"][:, location] = [
                np.broadcast_to(self.family.raw_spread(part), location.sum()) for part in parts
            ]
            raw[:, location] = 0.0
        start["bias"] = raw[:, self.biased]
        start["constant"] = raw[:, kinds == "constant"]
        self._start = {name: value.reshape(-1) for name, value in start.items()}
        if self.built:
            self.kernel.assign(np.zeros(self.kernel.shape))
            for name, value in self._start.items():
                weight = getattr(self, name)
                if weight is not None:
                    weight.assign(value)

    def _weight_of_rows(self, y, sample_weight):
        """Return one weight for each row, of time steps each step, of y, shape (rows,)."""
        weight = np.asarray(data.to_numpy(sample_weight), dtype="float64")
        tail = len(self.family.y_shape) + (self.responses > 1) + data.is_soft(y, self)
        lead = y.shape[: y.ndim - tail]
        weight = weight.reshape(weight.shape[: len(lead)])
        return np.broadcast_to(weight, lead).ravel()

    def _check_precision(self, y, raw):
        """Raise ValueError if the head's dtype cannot tell the values of y from each other."""
        y = y[:10_000]
        low = "float64" if self.variable_dtype == "float64" else "float32"
        exact, found = (
            np.mean(self.family.log_prob(y.astype(dtype), np.tile(raw.astype(dtype), (len(y), 1))))
            for dtype in ("float64", low)
        )
        if not abs(exact - found) < 0.05 * (1.0 + abs(exact)):
            raise ValueError(
                f"Expected y with a spread that {low} can tell from rounding. Received: values "
                f"about {np.mean(y):.8g} with standard deviation {np.std(y):.3g}, whose mean "
                f"log-likelihood would come out as {found:.6g} in place of {exact:.6g}. Subtract a "
                "constant from y, or choose other units."
            )

    @property
    def is_new(self) -> bool:
        """Whether the weights are as `build` makes them: not adapted, set, loaded or trained."""
        if not self.built:
            return self._start is None
        return not np.any(backend.host_value(self.kernel)) and all(
            np.array_equal(
                backend.host_value(getattr(self, name)),
                np.asarray(value, dtype=self.variable_dtype),
            )
            for name, value in self._before_data().items()
            if getattr(self, name, None) is not None
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again, as JSON types."""
        return {
            **super().get_config(),
            "family": self.family.get_config(),
            "units": self.units,
            "constant": list(self.constant_names),
            "fixed": dict(self.fixed),
            "use_bias": self.use_bias,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
