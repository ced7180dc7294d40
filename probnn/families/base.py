"""What a family is: the recipe, and what all families do."""

from __future__ import annotations

import functools
from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend
from probnn.domains import NEAR_SIMPLEX
from probnn.families._expected import expected_information
from probnn.families._marginal import maximised
from probnn.families._numerics import spread
from probnn.families._params import Linked
from probnn.families.facts import Facts
from probnn.links import get as get_link

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from probnn._types import ArrayLike, Floats, Tensor

_IDENTITY = get_link("identity")


@functools.lru_cache(maxsize=256)
def _derivatives_of(family, what, second):
    """Return the derivatives of the negative log-likelihood or the mean of a family."""
    functions = {
        "nll": lambda y, raw: -family.log_prob(y, raw),
        "mean": lambda raw: family.mean(**family.to_params(raw)),
    }
    return backend.derivatives(functions[what], second)


class Family(Facts):
    """A parametric family of distributions of one response y: data, and two constructors.

    **The recipe.** A new family is one file in `probnn/families/`, one import line in that folder's
    `__init__.py`, and one row of `tests/tables/families.py`. In the file, `@register` a subclass
    that has

    1. `name`, and `parameters`: name -> `Param`, the location first;
    2. `support`: the `Domain` of y;
    3. `_log_prob(y, **linked)`: the log-density in terms of raw values, precise and finite for
       all of them; or `distribution(**params)`, the backend's own distribution object, whose
       log-density is the default;
    4. `frozen(**params)`: a `FrozenScipy` of the frozen SciPy distribution, whose density is then
       the family's, or another `Frozen` (the NumPy zone);
    5. `_start(y)`: the maximum-likelihood estimates from y alone, or robust ones;
       `_maximised(y, guess)` makes them of a guess.

    Then, only where the default will not do:

    6. `distribution(**params)`, where the backend's library has the distribution; the default is
       one of our own;
    7. `_distribution(**linked)`, where the library takes a raw form that keeps more digits;
    8. `mean(**params)`, where the mean is not the first parameter; `variance(**params)`, where it
       is known without `frozen`, which may take SciPy's distributions;
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

    # ---- what a subclass gives --------------------------------------------------------------

    def distribution(self, **params: Any) -> Any:
        """Return the backend's distribution, of TFP or torch, with these tensors of parameters."""
        from probnn.families._own_distribution import OwnDistribution

        return OwnDistribution(self, params)

    @abstractmethod
    def frozen(self, **params: Any) -> Any:
        """Return the distributions of all rows, a `Frozen`, of NumPy arrays of parameters."""

    @abstractmethod
    def _start(self, y):
        """Return name -> number: the fit of this family to y of shape (n,), finite whatever y."""

    def _log_prob(self, y, **linked):
        """Return log p(y), given a `Linked` for every parameter."""
        if not isinstance(y, np.ndarray):
            return self._distribution(**linked).log_prob(y)
        frozen = self.frozen(**{name: parameter.value for name, parameter in linked.items()})
        frozen = getattr(frozen, "scipys", frozen)  # which would ask back
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

    def mean(self, **params: Any) -> Any:
        """Return the mean, from arrays or tensors of parameters."""
        return params[self.location]

    def variance(self, **params: Any) -> Any:
        """Return the variance, from arrays of parameters."""
        return self.frozen(**params).var()

    def _crps(self, y, **params):
        """Return the CRPS in closed form, NaN in rows where it fails; None if none is known."""
        return None

    def _mixture_crps(self, y, weights, **params):
        """Return the CRPS of mixtures, as `_crps` does; components are along the last axis."""
        return None

    def _derivatives(self, y, raw):
        """Return what `derivatives` returns, in closed form; None if there is none."""
        return None

    def _information(self, raw):
        """Return what `information` returns, in closed form; None if there is none."""
        return None

    def with_dispersion(self, phi: float | Floats) -> dict[str, Any]:
        """Return the parameters, by name, that a GLM's dispersion phi stands for: none here.

        In a family that has some, the variance is phi times a function of the mean, and the
        estimates of the mean do not depend on phi.
        """
        return {}

    def raw_spread(self, y: Any) -> Any:
        """Return how far apart the raw locations of y are: a number, or one for each column."""
        return spread(y, np.mean(y))

    def conditioned(self, y: Any) -> tuple[Any, dict[str, Any]]:
        """Return y of several columns as the numbers that are random, and what the rest gives."""
        return y, {}

    def observed_mean(self, y: Any) -> Any:
        """Return what of y is compared with the mean."""
        return y

    def frozen_log_prob(self, frozen: Any, y: Any) -> Floats:
        """Return the log-density, or log-mass, of y under a frozen distribution."""
        return frozen.logpmf(y) if self.discrete else frozen.logpdf(y)

    def cdf_range(self, frozen: Any, y: Any) -> tuple[Floats, Floats]:
        """Return P(Y < y) and P(Y <= y) under a frozen distribution."""
        upper = frozen.cdf(y)
        if self.discrete:
            return frozen.cdf(y - 1.0), upper
        return (np.where(y == self.support.low, 0.0, upper) if self.atom else upper), upper

    # ---- what everyone uses -----------------------------------------------------------------

    def log_prob(self, y: Any, raw: Tensor) -> Tensor:
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

    def class_log_probs(self, raw: Tensor) -> Tensor:
        """Return the log-probabilities of all classes, shape (..., classes), given raw outputs."""
        codes = backend.math(raw).like(np.arange(float(self.classes)), raw)
        return self.log_prob(codes, raw[..., None, :])

    def log_density(self, y: Any, **params: Any) -> Floats:
        """Return the log-density, or log-mass, of y given natural parameters, in NumPy.

        Parameters
        ----------
        y : array_like
            Responses; those of a vector along the last axis.
        **params : array_like
            The natural parameters, which broadcast against y.

        Returns
        -------
        numpy.ndarray
            -inf outside of the support, and at infinity; NaN where y is NaN. Where a parameter is
            at the end of its domain, as a scale of 0, the limit from inside.

        Examples
        --------
        >>> import probnn as pn
        >>> pn.families.Gamma().log_density([1.0, -1.0, float("inf")], mean=1.0, shape=1.0).tolist()
        [-1.0, -inf, -inf]
        """
        y = np.asarray(y, dtype="float64")
        params = {name: np.asarray(v, dtype="float64") for name, v in params.items()}
        inside = self.support.contains(y)
        everywhere = inside.all()
        held = y if everywhere else np.where(inside, y, self.support.inside)
        with np.errstate(all="ignore"):
            found = self._at_limits(self._log_prob(held, **self._natural(params)), held, params)
        if not everywhere:
            outside = np.where(np.isnan(y), np.nan, -np.inf)
            if self.vector:
                inside, outside = inside.all(axis=-1), outside.sum(axis=-1)
            found = np.where(inside, found, outside)
        return found[()]

    def _natural(self, params):
        """Return natural parameters as `Linked`, nothing of which is lost on a way to a link."""
        return {name: Linked(values, _IDENTITY) for name, values in params.items()}

    def _at_limits(self, found, y, params):
        """Return log-densities with the right limits where a parameter is at its domain's end."""
        ends = [
            (values == domain.low) | (values == domain.high)
            for name, values in params.items()
            if not (domain := self.params[name].domain).open and not self.params[name].shape
        ]
        ends = [each for each in ends if each.any()]
        if not ends:
            return found
        at_end = functools.reduce(np.logical_or, ends)
        if self.discrete:  # what is 0 * infinity there has a limit
            inner = {name: from_end(values, self.params[name]) for name, values in params.items()}
            limit = self._log_prob(y, **self._natural(inner))
            return np.where(at_end & np.isnan(found), limit, found)
        point = False  # where all is at one
        if self.scale_parameter is not None:
            middle = params[self.location]
            middle = np.exp(middle) if self.support.low == 0.0 else middle
            point = (params[self.scale_parameter] == 0) & (y == middle)
        return np.where(at_end, np.where(point, np.inf, -np.inf), found)

    def derivatives(
        self, y: Any, raw: Tensor, second: bool = True, columns: Sequence[int] | None = None
    ) -> tuple[Floats, Floats, Floats | None]:
        """Return the negative log-likelihood of each row, and its derivatives in the raw values.

        Parameters
        ----------
        y : numpy.ndarray, shape (n,)
            Responses inside the support.
        raw : numpy.ndarray, shape (n, size)
            Raw values.
        second : bool
            Whether Hessians are wanted.
        columns : sequence of int, optional
            The raw columns whose derivatives are wanted, by default all. Those in others may be
            anything, and the value may lack terms that depend on y and others alone.

        Returns
        -------
        value, gradient, hessian : numpy.ndarray
            Of shape (n,), (n, size), and (n, size, size) or None; in float64. The value may lack
            terms that depend on y alone.
        """
        known = self._derivatives(y, raw)
        return _derivatives_of(self, "nll", second)(y, raw) if known is None else known

    def information(self, raw: Floats) -> Floats:
        """Return the expected information of each row's raw values, shape (n, size, size).

        Parameters
        ----------
        raw : numpy.ndarray, shape (n, size)
            Raw values.

        Returns
        -------
        numpy.ndarray
            E[s s'], s the gradient of the log-likelihood in the raw values: positive semidefinite,
            where a Hessian need not be. In closed form, or by quadrature over responses.

        Raises
        ------
        ValueError
            If a response is several numbers.

        Examples
        --------
        >>> import numpy as np, probnn as pn
        >>> pn.families.Normal().information(np.array([[0.0, np.log(2.0)]])).round(6).tolist()
        [[[0.25, 0.0], [0.0, 2.0]]]
        """
        known = self._information(raw)
        return expected_information(self, raw) if known is None else known

    def check_expected(self) -> None:
        """Raise ValueError if the family has no expected information."""
        if self.y_columns is not None:
            raise ValueError(
                "Expected a family of one number in each row, for the expected information. "
                f"Received: {self!r}. Ask for the observed one: information='observed'."
            )

    def mean_derivatives(
        self, raw: Tensor, second: bool = True
    ) -> tuple[Floats, Floats, Floats | None]:
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
        return _derivatives_of(self, "mean", second)(raw)

    def to_distribution(self, raw: Tensor) -> Any:
        """Return the backend's distribution that raw outputs (..., size) stand for: tensors."""
        return self._distribution(**self.linked(raw))

    def start(self, y: ArrayLike) -> dict[str, Any]:
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

    def marginal(self, y: ArrayLike, known: Floats | None = None) -> Floats:
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
        y = np.asarray(y, dtype="float64")
        free = np.ones(self.size, bool) if known is None else np.isnan(known)
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.of_mean and free[0] and not free[1:].any() and self.size > 1:
                # The mean of an exponential family is that of y, whatever the rest.
                self.check(y)
                raw = np.append(self.links[self.location].forward(np.mean(y)), known[1:])
                if np.isfinite(raw[0]):
                    return raw
            start = self.start(y)
            raw = self.to_raw(start)
        if not np.isfinite(raw[free]).all():
            raise ValueError(
                f"Expected links that reach the estimates from y, {start}. Received: {self!r}, "
                f"whose raw values would be {raw.tolist()}. Choose other links."
            )
        if free.all() or np.array_equal(raw[~free], known[~free]):
            return raw
        raw[~free] = known[~free]
        return maximised(self, y, raw, free) if free.any() else raw

    def _maximised(self, y, params):
        """Return the parameters that maximise the likelihood of y, found from others near them."""
        raw = maximised(self, y, self.to_raw(params), np.ones(self.size, bool))
        return {name: value.tolist() for name, value in self.to_params(raw).items()}

    def check(
        self, y: Any, what: str = "y", counts: ArrayLike = True, is_soft: bool = False
    ) -> None:
        """Raise ValueError if y has a value outside the support.

        Parameters
        ----------
        y : numpy.ndarray
            Responses, rows first.
        what : str
            What the message calls them.
        counts : numpy.ndarray of bool, shape that of y, optional
            Which of the values to look at.
        is_soft : bool
            Whether y is the probabilities of classes, (..., classes), in place of codes.
        """
        support = NEAR_SIMPLEX if is_soft else self.support
        good = support.contains(y)
        if not good.all() and (bad := ~good & counts).any():
            first = tuple(int(i[0]) for i in np.nonzero(bad))
            rest = f" (column {', '.join(map(str, first[1:]))})" if len(first) > 1 else ""
            hint = "Divide by the sum of the row." if is_soft else self._support_hint()
            if np.isnan(y[first]):
                hint = f"Leave out the rows whose {what} is missing. {hint}"
            raise ValueError(
                f"Expected every {what} to lie in the support of the {self.name} family, "
                f"{support}. Received: {what} = {y[first]} in row {first[0]}{rest}, and "
                f"{int(bad.sum())} such value(s) in all. {hint}"
            )

    def check_seen(self, y: Any, **given: Any) -> None:
        """Raise ValueError if what is random of y is impossible, where the rest of y is given."""
        self.check(y)

    def columns_problem(self, what: str, shown: Any, shape: tuple[int, ...]) -> str:
        """Say which shape of a y of several columns was expected."""
        meaning = f", {self.y_meaning}" if self.y_meaning else ""
        return (
            f"Expected {what} of shape {shown}{meaning}, for the {self.name} family. Received: "
            f"shape {shape}. {self._support_hint()}"
        )

    def _support_hint(self):
        """Say what to do about y outside the support."""
        return "Clean or recode the data, or choose a family with that support."


def from_end(values, param):
    """Return a parameter's values, those at an end of its domain moved a little inside."""
    if param.shape:
        return values
    low, high = param.domain.low, param.domain.high
    values = np.where(values == low, low + 1e-300, values)
    return np.where(values == high, high - 2.0**-53, values)
