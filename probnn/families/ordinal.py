"""Ordered classes: cumulative links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from probnn import backend, domains
from probnn.families._numerics import by_precision, saturate
from probnn.families._params import Param
from probnn.families._standard import Mirrored, StandardGumbel, StandardLogistic, StandardNormal
from probnn.families.base import Family
from probnn.families.categorical import FrozenCategorical
from probnn.families.registry import register
from probnn.links import CLogLog, Link, Logit, Probit

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor

# Cumulative link -> the distribution whose cdf is its inverse, and the link itself.
_LINKS = {
    "logit": (StandardLogistic(), Logit()),
    "probit": (StandardNormal(), Probit()),
    "cloglog": (Mirrored(StandardGumbel()), CLogLog()),
}


@dataclass(frozen=True)
class Increasing(domains.Domain):
    """The vectors, along the last axis, of numbers that do not decrease."""

    def contains(self, values):
        """Return, for each value, whether it is finite and none before it is larger."""
        steps = values[..., 1:] >= values[..., :-1]
        if isinstance(values, np.ndarray):
            ordered = steps.all(axis=-1, keepdims=True)
        else:
            import keras

            ordered = keras.ops.all(steps, axis=-1, keepdims=True)
        return super().contains(values) & ordered


class Ordered(Link):
    """eta_1 = mu_1, and eta_j = log(mu_j - mu_(j-1)): increasing numbers by the logs of the gaps.

    A gap is held between exp(-28) and exp(28) in float32, exp(-300) and exp(300) in float64.
    """

    name = "ordered"
    elementwise = False
    domain = Increasing("the increasing numbers")

    def forward(self, mu):
        """Return the first number, and the logarithms of the gaps."""
        m = backend.math(mu)
        return m.concatenate([mu[..., :1], m.log(mu[..., 1:] - mu[..., :-1])])

    def inverse(self, eta):
        """Return the increasing numbers."""
        m = backend.math(eta)
        return m.cumsum(m.concatenate([eta[..., :1], self.gaps(eta)]), axis=-1)

    def raw_label(self, param, j, classes=None):
        """Return the classes on both sides of a cutpoint; but for the first, its gap is told."""
        below, above = (j, j + 1) if classes is None else classes[j : j + 2]
        return f" {below}|{above}" + (" (log gap)" if j else "")

    def gaps(self, eta):
        """Return the gaps, one fewer than the numbers."""
        bound = by_precision(eta, 28.0, 300.0)
        return backend.math(eta).exp(saturate(eta[..., 1:], -bound, bound))


@register
class Ordinal(Family):
    """Class codes in an order: ordinal regression, the proportional odds model.

    P(Y <= j) = F(cutpoint_j - loc). Parameters are `loc`, the linear predictor, without an
    intercept, which the cutpoints stand for; and `cutpoints`, C - 1 increasing numbers, from the
    first one and the logarithms of the gaps. So they are in R's `MASS::polr`, and raw values are
    those of statsmodels' `OrderedModel`. The cutpoints are one vector for all rows unless said
    otherwise.

    Parameters
    ----------
    classes : int
        The number of classes C, at least 2. Responses are the codes 0, 1, ..., C - 1.
    link : str
        F: "logit" of the logistic cdf, for proportional odds; "probit" of the normal one;
        "cloglog" of 1 - exp(-exp(t)), for proportional hazards of times in groups.

    Notes
    -----
    McCullagh (1980), doi:10.1111/j.2517-6161.1980.tb01109.x. A gap between cutpoints is held
    between exp(-28) and exp(28) in float32, exp(-300) and exp(300) in float64. CRPS is the ranked
    probability score: Epstein (1969), doi:10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> family = pn.families.Ordinal(classes=3)
    >>> family.mean(loc=np.zeros(1), cutpoints=np.array([[-1.0, 1.0]])).round(3).tolist()
    [[0.269, 0.462, 0.269]]
    """

    name = "ordinal"
    kind = "ordinal"
    discrete = True
    no_intercept: ClassVar[dict] = {"loc": "cutpoints"}
    constant_by_default: ClassVar[tuple] = ("cutpoints",)

    def __init__(self, classes: int = 3, link: str | Link = "logit") -> None:
        if int(classes) != classes or classes < 2:
            raise ValueError(f"Expected `classes` to be a whole number >= 2. Received: {classes}.")
        if link not in _LINKS:
            raise ValueError(
                f"Expected `link`, of the cumulative probabilities, to be one of "
                f"{', '.join(_LINKS)}. Received: {link!r}."
            )
        self.classes, self.link = int(classes), link
        self.support = domains.codes(self.classes)
        self.standard, self._cumulative = _LINKS[link]
        super().__init__()

    @classmethod
    def sizes(cls, params: dict[str, Any]) -> dict[str, int]:
        """Return the number of classes, one more than that of cutpoints."""
        shape = np.shape(params.get("cutpoints", ()))
        return {"classes": shape[-1] + 1} if shape and shape[-1] else {}

    def _parameters(self):
        return {
            "loc": Param("identity", domains.REAL),
            "cutpoints": Param(Ordered(), Ordered.domain, size=self.classes - 1),
        }

    def frozen(self, loc: Tensor, cutpoints: Tensor) -> Any:
        """Return SciPy-like functions of the class probabilities."""
        loc, cutpoints = np.asarray(loc), np.asarray(cutpoints)
        params = {"loc": loc, "cutpoints": cutpoints}
        return FrozenCategorical(self, self.mean(**params), params)

    def _natural(self, params):
        return self.linked_to(params)  # gaps of cutpoints are raw values

    def mean(self, loc: Tensor, cutpoints: Tensor) -> Any:
        """Return the class probabilities (..., C), from arrays or tensors of parameters."""
        m = backend.math(loc)
        z = cutpoints - loc[..., None]
        terms = [self.standard.log_cdf(z[..., :1]), self.standard.log_sf(z[..., -1:])]
        if self.classes > 2:
            width = cutpoints[..., 1:] - cutpoints[..., :-1]
            tiny = m.maximum(width, by_precision(width, 1e-30, 1e-300))
            terms.insert(1, self.standard.log_between(z[..., :-1], tiny))
        return m.exp(m.concatenate(terms))

    def _log_prob(self, y, loc, cutpoints):
        standard, link, raw = self.standard, self.links["cutpoints"], cutpoints.raw
        m = backend.math(raw)
        low = m.pick(cutpoints.value, y - 1.0) - loc.value
        first, last = standard.log_cdf(low), standard.log_sf(low)
        if self.classes == 2:
            return m.where(y < 1, first, last)
        width = m.pick(link.gaps(raw), y - 1.0)
        middle = standard.log_between(low, width)
        return m.where(y < 1, first, m.where(y > self.classes - 2, last, middle))

    def _start(self, y):
        counts = np.bincount(y.astype(int), minlength=self.classes).astype(float)
        if (counts == 0).any():  # half a row more in each class keeps the cutpoints apart
            counts += 0.5
        below = np.cumsum(counts)[:-1] / counts.sum()
        return {"loc": 0.0, "cutpoints": self._cumulative.forward(below)}

    def raw_spread(self, y: Any) -> Any:
        """Return how far apart the raw locations of y are."""
        return 1.0

    def _crps(self, y, loc, cutpoints):
        reached = np.arange(self.classes - 1) >= np.asarray(y)[..., None]
        z = cutpoints - np.asarray(loc)[..., None]
        below = np.where(
            reached, -np.exp(self.standard.log_sf(z)), np.exp(self.standard.log_cdf(z))
        )
        return np.sum(below**2, axis=-1)

    def _support_hint(self):
        return (
            "Code the classes from 0 in their order, without gaps, and give the family their "
            f"number: probnn.families.Ordinal(classes=...), now {self.classes}."
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this family again, as JSON types, with its name."""
        return {"name": self.name, "classes": self.classes, "link": self.link}

    def __repr__(self):
        return f"<family ordinal: {self.classes} classes, {self.link}>"
