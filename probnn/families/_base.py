"""What a family is: the recipe, and what all families do."""

import functools
import inspect
from abc import ABC, abstractmethod
from typing import ClassVar

import keras
import numpy as np

from probnn import backend, domains
from probnn.families._marginal import maximised
from probnn.families._numerics import spread
from probnn.families._params import Linked, Param
from probnn.links import get as get_link


@functools.lru_cache(maxsize=256)
def _compiled(family, what, second):
    """Return the compiled derivatives of the negative log-likelihood or the mean of a family."""
    functions = {
        "nll": lambda y, raw: -family.log_prob(y, raw),
        "mean": lambda raw: family.mean(**family.to_params(raw)),
    }
    return backend.derivatives(functions[what], second)


def _without_links(config):
    """Return a configuration without links, of this family and of those that it is made of."""
    return {
        name: _without_links(value) if isinstance(value, dict) else value
        for name, value in config.items()
        if name != "links"
    }


class Family(ABC):
    """A parametric family of distributions of one response y: data, and two constructors.

    **The recipe.** A new family is one file in `probnn/families/`, one import line in that folder's
    `__init__.py`, and one row of `tests/tables/families.py`. In the file, `@register` a subclass
    that has

    1. `name`, and `parameters`: name -> `Param`, the location first;
    2. `support`: the `Domain` of y;
    3. `_log_prob(y, **linked)`: the log-density in terms of raw values, precise and finite for
       all of them; or `distribution(**params)`, the backend's own distribution object, whose
       log-density is the default;
    4. `frozen(**params)`: the frozen SciPy distribution, or a `Frozen` (the NumPy zone);
    5. `_start(y)`: the maximum-likelihood estimates from y alone, or robust ones;
       `_maximised(y, guess)` makes them of a guess.

    Then, only where the default will not do:

    6. `distribution(**params)`, where the backend's library has the distribution; the default is
       one of our own;
    7. `_distribution(**linked)`, where the library takes a raw form that keeps more digits;
    8. `mean(**params)`, where the mean is not the first parameter;
    9. `_crps(y, **params)`, where a closed form is known; the default integrates;
    10. `_derivatives(y, raw)`, where a closed form is faster than automatic differentiation;
    11. `with_dispersion(phi)`, where a GLM of the family has a dispersion besides its mean, and
        `of_mean`, whether it is a family of generalized linear models;
    12. `_log_cdf`, `_log_sf`, `_log_between` and `has_tails`, where its tails can be computed, for
        `Censored` and `Discretized`; `_location_scale.LocationScale` has them;
    13. the facts that others ask in place of a name: `kind`, where flags and the support do not
        say it, `canonical_link`, `loss`, `scale_parameter`, `limits`, and the other attributes
        below. A family made by subclassing has those of its parent.

    An `__init__` of its own passes `link` and `links` on, and keeps each further argument in an
    attribute of the same name, from where `get_config` saves it.

    Parameters
    ----------
    link : str or Link, optional
        The link of the first parameter, the location.
    links : dict, optional
        Links of any parameters, by name. Others keep their default.

    Attributes
    ----------
    params : dict
        Name -> `Param`, in the order of the raw columns.
    links : dict
        Name -> `Link`, as chosen.
    location : str
        The name of the first parameter.
    size : int
        The number of raw columns.

    Examples
    --------
    >>> import probnn as pn
    >>> pn.families.Normal(links={"scale": "softplus"})
    <family normal: loc (identity), scale (softplus)>
    """

    name: ClassVar[str]
    parameters: ClassVar[dict[str, Param]]
    support: ClassVar[domains.Domain]
    discrete: ClassVar[bool] = False
    classes: ClassVar[int | None] = None  # how many, where y is the code of one
    closed_under_mixing: ClassVar[bool] = False  # whether its mixtures are of the family itself
    of_mean: ClassVar[bool] = False  # an exponential family whose location is its mean: a GLM's
    canonical_link: ClassVar[str | None] = None  # of the location, in the exponential family
    loss: ClassVar[str | None] = None  # what the location minimises: squared_, absolute_error
    proportions: ClassVar[bool] = False  # whether y may be the share of successes of a row
    has_tails: ClassVar[bool] = False  # whether `_log_cdf`, `_log_sf`, `_log_between` are there
    scale_parameter: ClassVar[str | None] = None  # that stretches y, or its logarithm
    components: ClassVar[int | None] = None  # of a mixture of distributions of one family
    censored: ClassVar[bool] = False  # whether y is a lower and an upper bound
    zero: ClassVar[str | None] = None  # the parameter that zeros beside those of counts have
    overdispersed: ClassVar[str | None] = None  # the family of a larger variance at the same mean
    heavier: ClassVar[tuple | None] = None  # families of heavier tails, where not those of its kind
    y_columns: ClassVar[int | None] = None  # of a response that is several numbers
    y_meaning: ClassVar[str] = ""  # of those columns
    atom: ClassVar[bool] = False  # whether the lowest value has a probability of its own
    vector: ClassVar[bool] = False  # whether the response is a random vector, of y_columns numbers
    smooth: ClassVar[bool] = True  # whether the log-density has second derivatives
    circular: ClassVar[bool] = False  # whether y is an angle
    given: ClassVar[tuple] = ()  # what a row's distribution needs besides parameters: trials
    constant_by_default: ClassVar[tuple] = ()  # parameters that a Head makes one number for all
    # Parameter -> 0 or infinity, and the simpler family that this one is there.
    limits: ClassVar[dict] = {}
    # Parameter without an intercept -> the one whose first raw value falls as it would rise.
    no_intercept: ClassVar[dict] = {}

    def __init__(self, link=None, links=None):
        self.params = self._parameters()
        self.location = next(iter(self.params))
        chosen = dict(links or {})
        if link is not None:
            if self.location in chosen:
                raise ValueError(
                    f"Both `link` and `links` name a link for {self.location!r}: give it once."
                )
            chosen[self.location] = link
        self.check_names(chosen, "links")
        self.links = {
            name: get_link(chosen.get(name, param.link)) for name, param in self.params.items()
        }
        self.size = sum(param.columns for param in self.params.values())

    def _parameters(self):
        """Return name -> `Param`; overridden where the sizes depend on an argument."""
        return dict(self.parameters)

    # ---- what a subclass gives --------------------------------------------------------------

    def distribution(self, **params):
        """Return the backend's distribution, of TFP or torch, with these tensors of parameters."""
        from probnn.families._own_distribution import OwnDistribution

        return OwnDistribution(self, params)

    @abstractmethod
    def frozen(self, **params):
        """Return the frozen SciPy distribution with these NumPy arrays of parameters."""

    @abstractmethod
    def _start(self, y):
        """Return name -> number: the fit of this family to y of shape (n,), finite whatever y."""

    def _log_prob(self, y, **linked):
        """Return log p(y), given a `Linked` for every parameter."""
        if not isinstance(y, np.ndarray):
            return self._distribution(**linked).log_prob(y)
        frozen = self.frozen(**{name: parameter.value for name, parameter in linked.items()})
        return frozen.logpmf(y) if self.discrete else frozen.logpdf(y)

    def _log_cdf(self, y, **linked):
        """Return log P(Y <= y), given a `Linked` for every parameter."""
        raise NotImplementedError

    def _log_sf(self, y, **linked):
        """Return log P(Y > y), given a `Linked` for every parameter."""
        raise NotImplementedError

    def _log_between(self, low, high, **linked):
        """Return log P(low < Y <= high), given a `Linked` for every parameter."""
        raise NotImplementedError

    def _log_zero(self, **linked):
        """Return log P(Y = 0) of counts, where that is simpler than `_log_prob`; else None."""
        return None

    def _distribution(self, **linked):
        """Return the backend's distribution, given a `Linked` for every parameter."""
        return self.distribution(**{name: parameter.value for name, parameter in linked.items()})

    def mean(self, **params):
        """Return the mean, from arrays or tensors of parameters."""
        return params[self.location]

    def _crps(self, y, **params):
        """Return the CRPS in closed form, NaN in rows where it fails; None if none is known."""
        return None

    def _mixture_crps(self, y, weights, **params):
        """Return the CRPS of mixtures, as `_crps` does; components are along the last axis."""
        return None

    def _derivatives(self, y, raw):
        """Return what `derivatives` returns, in closed form; None if there is none."""
        return None

    def with_dispersion(self, phi):
        """Return the parameters, by name, that a GLM's dispersion phi stands for: none here.

        In a family that has some, the variance is phi times a function of the mean, and the
        estimates of the mean do not depend on phi.
        """
        return {}

    def raw_spread(self, y):
        """Return how far apart the raw locations of y are: a number, or one for each column."""
        return spread(y, np.mean(y))

    def conditioned(self, y):
        """Return y of several columns as the numbers that are random, and what the rest gives."""
        return y, {}

    def observed_mean(self, y):
        """Return what of y is compared with the mean."""
        return y

    def frozen_log_prob(self, frozen, y):
        """Return the log-density, or log-mass, of y under a frozen distribution."""
        return frozen.logpmf(y) if self.discrete else frozen.logpdf(y)

    def cdf_range(self, frozen, y):
        """Return P(Y < y) and P(Y <= y) under a frozen distribution."""
        upper = frozen.cdf(y)
        if self.discrete:
            return frozen.cdf(y - 1.0), upper
        return (np.where(y == self.support.low, 0.0, upper) if self.atom else upper), upper

    # ---- what everyone uses -----------------------------------------------------------------

    def log_prob(self, y, raw):
        """Return the log-density, or log-mass, of y given raw network outputs.

        Parameters
        ----------
        y : tensor or array, shape (...)
            Responses; values outside the support are the caller's business (`check`).
        raw : tensor or array, shape (..., size)
            Raw outputs: column i belongs to the i-th parameter.

        Returns
        -------
        tensor or array, shape (...)
        """
        return self._log_prob(y, **self.linked(raw))

    def derivatives(self, y, raw, second=True):
        """Return the negative log-likelihood of each row, and its derivatives in the raw values.

        Parameters
        ----------
        y : numpy.ndarray, shape (n,)
            Responses inside the support.
        raw : numpy.ndarray, shape (n, size)
            Raw values.
        second : bool
            Whether Hessians are wanted.

        Returns
        -------
        value, gradient, hessian : numpy.ndarray
            Of shape (n,), (n, size), and (n, size, size) or None; in float64. The value may lack
            terms that depend on y alone.
        """
        known = self._derivatives(y, raw)
        return _compiled(self, "nll", second)(y, raw) if known is None else known

    def mean_derivatives(self, raw, second=True):
        """Return the mean of each row, and its derivatives in the raw values.

        Parameters
        ----------
        raw : numpy.ndarray, shape (n, size)
            Raw values.
        second : bool
            Whether Hessians are wanted.

        Returns
        -------
        value, gradient, hessian : numpy.ndarray
            As `derivatives`.
        """
        return _compiled(self, "mean", second)(raw)

    def linked(self, raw):
        """Split raw outputs (..., size) by parameter: name -> `Linked`."""
        linked, start = {}, 0
        for name, param in self.params.items():
            index = start if param.size is None else slice(start, start + param.columns)
            linked[name] = Linked(raw[..., index], self.links[name])
            start += param.columns
        return linked

    def linked_to(self, params):
        """Return the parameters as `Linked`: name -> value and raw value."""
        links = self.links
        return {name: Linked(links[name].forward(v), links[name]) for name, v in params.items()}

    @property
    def label(self):
        """The name, and those of families that this one is made of."""
        return self.name

    @property
    def kind(self):
        """What a response is, in one word: what others ask in place of the name.

        "real", "positive", "proportion", "counts", "binary", "categorical", "ordinal", "circular",
        or "vector". A subclass states what flags and the support do not say.
        """
        if self.vector or self.circular:
            return "vector" if self.vector else "circular"
        if self.classes is not None:
            return "categorical"
        if self.support.whole:
            return "binary" if self.support == domains.BINARY else "counts"
        if self.support.low >= 0.0:
            return "proportion" if self.support.high <= 1.0 else "positive"
        return "real"

    @property
    def has_classes(self):
        """Whether a response is the code of a class; 0 and 1 are too."""
        return self.kind in ("binary", "categorical", "ordinal")

    @property
    def is_canonical(self):
        """Whether the location has the canonical link: observed and expected information agree."""
        return self.links[self.location].name == self.canonical_link

    @property
    def raw_columns(self):
        """The raw columns in order: pairs of a parameter, and what tells its columns apart."""
        return [
            (name, self.links[name].raw_label(param, j))
            for name, param in self.params.items()
            for j in range(param.columns)
        ]

    def like(self, other):
        """Return whether another family is this one, perhaps with other links."""
        alike = _without_links(self.get_config()) == _without_links(other.get_config())
        return type(self) is type(other) and alike

    def reduces_to(self, other):
        """Return whether a limit of this family is another one, or what that was made of."""
        names = {getattr(cls, "name", None) for cls in type(other).__mro__}
        return any(simpler in names for _, simpler in self.limits.values())

    def per_trial(self):
        """Return the family of each single trial, where y counts independent ones; else None."""
        return None

    @property
    def y_shape(self):
        """The shape of one y: () of a number, (y_columns,) of several."""
        return () if self.y_columns is None else (self.y_columns,)

    def by_response(self, raw):
        """Return raw outputs (..., d * size) of d > 1 responses as (..., d, size)."""
        units = raw.shape[-1] // self.size
        if units == 1:
            return raw
        if isinstance(raw, np.ndarray):
            return raw.reshape(*raw.shape[:-1], units, self.size)
        return keras.ops.reshape(raw, (*keras.ops.shape(raw)[:-1], units, self.size))

    def to_params(self, raw):
        """Return the parameters, by name, that raw outputs (..., size) stand for."""
        return {name: linked.value for name, linked in self.linked(raw).items()}

    def to_distribution(self, raw):
        """Return the backend's distribution that raw outputs (..., size) stand for: tensors."""
        return self._distribution(**self.linked(raw))

    def to_raw(self, params):
        """Return the raw values, shape (..., size), of parameters by name: NumPy arrays."""
        columns = []
        for name, param in self.params.items():
            raw = np.asarray(self.links[name].forward(np.asarray(params[name], dtype="float64")))
            columns.append(raw[..., None] if param.size is None else raw)
        return np.concatenate(columns, axis=-1)

    def start(self, y):
        """Return the parameters of the marginal distribution of y.

        Parameters
        ----------
        y : array_like, shape (n,), or (n, y_columns)
            Responses.

        Returns
        -------
        dict
            Name -> number: the maximum-likelihood estimates where they exist inside the parameter
            space, and finite values near them where they do not (all y equal, say). Estimates
            without a closed form are those of at most 10,000 rows.

        Raises
        ------
        ValueError
            If y is empty or has a value outside the support.
        """
        y = np.asarray(y, dtype="float64")
        if y.size == 0:
            raise ValueError("Expected at least one row of y. Received: zero rows.")
        self.check(y)
        return self._start(y)

    def marginal(self, y, known=None):
        """Return the raw parameters of the marginal distribution of y, given those that are known.

        Parameters
        ----------
        y : array_like, shape (n,)
            Responses.
        known : numpy.ndarray, shape (size,), optional
            Raw values that are given, NaN for those to be estimated.

        Returns
        -------
        numpy.ndarray, shape (size,)

        Raises
        ------
        ValueError
            As `start`; or if an estimate lies where its link cannot reach.
        """
        start = self.start(y)
        with np.errstate(invalid="ignore", divide="ignore"):
            raw = self.to_raw(start)
        free = np.ones(self.size, bool) if known is None else np.isnan(known)
        if not np.isfinite(raw[free]).all():
            raise ValueError(
                f"Expected links that reach the estimates from y, {start}. Received: {self!r}, "
                f"whose raw values would be {raw.tolist()}. Choose other links."
            )
        if free.all() or np.array_equal(raw[~free], known[~free]):
            return raw
        raw[~free] = known[~free]
        return maximised(self, np.asarray(y, dtype="float64"), raw, free) if free.any() else raw

    def _maximised(self, y, params):
        """Return the parameters that maximise the likelihood of y, found from others near them."""
        raw = maximised(self, y, self.to_raw(params), np.ones(self.size, bool))
        return {name: value.tolist() for name, value in self.to_params(raw).items()}

    def inside(self):
        """Return raw parameters, shape (size,), that stand for values well inside their domains."""
        raw = []
        for name, param in self.params.items():
            if param.size is None:
                raw.append(self.links[name].forward(np.float64(param.domain.inside)))
            else:
                raw += [0.0] * param.size
        return np.array(raw)

    def check(self, y, what="y"):
        """Raise ValueError if y has a value outside the support.

        Parameters
        ----------
        y : numpy.ndarray
            Responses, rows first.
        what : str
            What the message calls them.
        """
        bad = ~self.support.contains(y)
        if bad.any():
            first = tuple(int(i[0]) for i in np.nonzero(bad))
            rest = f" (column {', '.join(map(str, first[1:]))})" if len(first) > 1 else ""
            raise ValueError(
                f"Expected every {what} to lie in the support of the {self.name} family, "
                f"{self.support}. Received: {what} = {y[first]} in row {first[0]}{rest}, and "
                f"{int(bad.sum())} such value(s) in all. {self._support_hint()}"
            )

    def check_seen(self, y, **given):
        """Raise ValueError if what is random of y is impossible, where the rest of y is given."""
        self.check(y)

    def columns_problem(self, what, shown, shape):
        """Say which shape of a y of several columns was expected."""
        meaning = f", {self.y_meaning}" if self.y_meaning else ""
        return (
            f"Expected {what} of shape {shown}{meaning}, for the {self.name} family. Received: "
            f"shape {shape}. {self._support_hint()}"
        )

    def _support_hint(self):
        """Say what to do about y outside the support."""
        return "Clean or recode the data, or choose a family with that support."

    def check_names(self, names, what):
        """Raise ValueError if any of these is not the name of a parameter."""
        unknown = [name for name in names if name not in self.params]
        if unknown:
            raise ValueError(
                f"Expected `{what}` to name parameters of the {self.name} family: "
                f"{', '.join(self.params)}. Received: {', '.join(map(repr, unknown))}."
            )

    def get_config(self):
        """Return the arguments that make this family again, as JSON types, with its name.

        The arguments of a subclass's own `__init__` are read from attributes of the same names.
        """
        arguments = inspect.signature(type(self)).parameters
        own = {name: getattr(self, name) for name in arguments if name not in ("link", "links")}
        changed = {
            name: link.get_config()
            for name, link in self.links.items()
            if link != get_link(self.params[name].link)
        }
        return {"name": self.name, **own, **({"links": changed} if changed else {})}

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash(repr(self.get_config()))

    def __repr__(self):
        return f"<family {self.label}: {self._shown()}>"

    def _shown(self):
        """Return the parameters with their links, and the options that are not None."""
        shown = [f"{name} ({link.name})" for name, link in self.links.items()]
        options = {
            k: v for k, v in self.get_config().items() if k not in ("name", "links", "family")
        }
        shown += [f"{name}={value}" for name, value in options.items() if value is not None]
        return ", ".join(shown)
