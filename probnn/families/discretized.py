"""A continuous distribution, rounded to whole numbers."""

from __future__ import annotations

from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.base import Frozen, nearest_count
from probnn.families._frozen.counts import sum_over_counts
from probnn.families._frozen.tables import streams
from probnn.families._wrapper import Wrapper
from probnn.families.registry import get, register

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from probnn.families.base import Family
    from probnn.links import Link

_LEVELS = 65_536  # the most whole numbers, those of 16 bits
_REST = 1e-30  # probability beyond either end of a sum
_CHUNK = 1 << 16  # tails held at once
_LONG = 2_048  # numbers of a row, from which on they are summed by a rule


@register
class Discretized(Wrapper):
    """A continuous family rounded to the whole numbers from `low` to `high`: pixels, ratings, ages.

    Parameters are those of the base family. The lowest and the highest number take all that lies
    beyond them, so that the probabilities sum to 1. `Mixture(Discretized("logistic", low=0,
    high=255), components=10)` is the mixture of discretised logistics of image models.

    Parameters
    ----------
    family : str, dict or Family
        A continuous family whose tails can be computed: "logistic", "normal", "laplace", ...
    low, high : int
        The lowest and the highest number.
    link, links
        Of the base's parameters.

    Raises
    ------
    ValueError
        For bounds that are not whole, not in order, or more than 65,536 numbers apart; or a family
        whose tails are not known.

    Notes
    -----
    P(k) = F(k + 1/2) - F(k - 1/2): Salimans et al. (2017), "PixelCNN++", arXiv:1701.05517, section
    2.1. The difference is computed without cancelling, in either tail and for any width.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> family = pn.families.Discretized("logistic", low=0, high=255)
    >>> d = pn.Predictive(family, {"loc": [100.0], "scale": [10.0]})
    >>> d.quantile(0.5).tolist()
    [100.0]
    """

    name = "discretized"
    discrete = True

    def __init__(
        self,
        family: str | dict[str, Any] | Family,
        low: float = 0,
        high: float = 255,
        link: str | Link | None = None,
        links: Mapping[str, str | Link] | None = None,
    ) -> None:
        whole = all(isinstance(bound, Integral) for bound in (low, high))
        if not whole or not 0 < high - low < _LEVELS:
            raise ValueError(
                "Expected `low` and `high` to be whole numbers, low < high, with at most "
                f"{_LEVELS:,} numbers from one to the other. Received: low={low!r}, high={high!r}."
            )
        base = get(family)
        check_tails(base)
        if base.support.low > low - 0.5 and not (base.support.low == 0.0 and low >= 0):
            raise ValueError(
                f"Expected a family with values at low={low}. Received: {base!r}, whose support is "
                f"{base.support}."
            )
        self.low, self.high = int(low), int(high)
        super().__init__(base, link, links)
        self.discrete = self.smooth = True
        self.support = domains.whole_numbers(self.low, self.high)

    def frozen(self, **params: Any) -> Any:
        """Return SciPy-like functions of the whole numbers."""
        return FrozenDiscretized(self, params)

    def mean(self, **params: Any) -> Any:
        """Return the mean, from arrays or tensors of parameters."""
        if isinstance(params[self.location], np.ndarray):
            return self.frozen(**params).mean()
        first = params[self.location]
        m = backend.math(first)
        cuts = m.like(np.arange(self.low, self.high) + 0.5, first)
        linked = self.family.linked_to({name: each[..., None] for name, each in params.items()})
        above = self.family._log_sf(cuts, **linked)
        return self.low + m.total(m.exp(above))

    def _log_prob(self, y, **linked):
        base, m = self.family, backend.math(y)
        # Numbers at an end stand in for another that has both neighbours.
        inner = m.maximum(m.minimum(y, self.high - 1.0), self.low + 1.0)
        between = base._log_between(inner - 0.5, inner + 0.5, **linked)
        at_low = base._log_cdf(0.0 * y + (self.low + 0.5), **linked)
        at_high = base._log_sf(0.0 * y + (self.high - 0.5), **linked)
        return m.where(y <= self.low, at_low, m.where(y >= self.high, at_high, between))

    def _crps(self, y, **params):
        return self.frozen(**params).crps(y)

    def _start(self, y):
        moved = np.maximum(y, 0.5) if self.family.support.low == 0.0 else y
        guess = self.family._start(moved)
        return guess if np.ptp(y) == 0.0 else self._maximised(y, guess)


def check_tails(base):
    """Raise if a family's tails are not known."""
    if not base.has_tails:
        raise ValueError(
            "Expected a continuous family whose tails can be computed: normal, logistic, laplace, "
            "gumbel, log_normal, log_logistic, weibull, exponential, or a mixture of one. "
            f"Received: {base!r}."
        )


class FrozenDiscretized(Frozen):
    """Continuous distributions that are rounded.

    Parameters
    ----------
    family : Discretized
        The family, with its lowest and its highest number.
    params : dict
        The parameters of the continuous distributions.
    """

    discrete = stepwise = True

    def __init__(self, family, params):
        self.family, self.params = family, params
        self.base, self.low, self.high = family.family.frozen(**params), family.low, family.high
        self.shape = np.shape(self.base.mean())

    def cdf(self, k):
        """Return P(Y <= k)."""
        k = np.floor(k)
        return np.where(k < self.low, 0.0, np.where(k >= self.high, 1.0, self.base.cdf(k + 0.5)))

    def sf(self, k):
        """Return P(Y > k)."""
        k = np.floor(k)
        return np.where(k < self.low, 1.0, np.where(k >= self.high, 0.0, self.base.sf(k + 0.5)))

    def ppf(self, p):
        """Return the smallest number with cdf >= p."""
        p = np.asarray(p, dtype="float64")
        return self._smallest(self.base.ppf(p), lambda k: self.cdf(k) >= p)

    def isf(self, q):
        """Return the smallest number with sf <= q."""
        q = np.asarray(q, dtype="float64")
        return self._smallest(self.base.isf(q), lambda k: self.sf(k) <= q)

    def _smallest(self, x, reached):
        return nearest_count(np.ceil(x - 0.5), reached, self.low, self.high)

    def _range(self):
        return float(self.low), float(self.high)

    def _guess(self, p):
        near = np.clip(np.ceil(self.base.ppf(p) - 0.5), self.low, self.high)
        return near, near

    def _masses(self, k):
        # By the nearer tail: in sums it needs no more digits. Some at once.
        k = k + np.zeros(self.shape)
        many = np.arange(-1.0, max(1, _CHUNK // max(1, k.size))).reshape(-1, *(1,) * k.ndim)
        while True:
            lower, upper = self.cdf(k + many), self.sf(k + many)
            yield from np.where(lower[:-1] < 0.5, np.diff(lower, axis=0), -np.diff(upper, axis=0))
            k = k + len(many) - 1.0

    # ---- sums over numbers, from one of them upwards and downwards ---------------------------

    def _sums(self, start, *terms):
        """Return the sums (m, n) of terms over numbers, of each row around one of its own.

        A term is a pair: of steps j, the tail P(Y > start + j), or P(Y <= start - 1 - j), the one
        before it, and the side, 1 or -1; and of all numbers, as `sum_over_counts` takes it, where
        they are many.
        """
        start, total = np.ravel(start), np.zeros((len(terms), np.size(start)))
        with np.errstate(all="ignore"):
            low, high = (np.ravel(v) for v in (self.base.ppf(_REST), self.base.isf(_REST)))
        # Also a few where nearly all is at one number, and they make up the sums.
        low = np.clip(np.minimum(np.floor(low), start - 3.0), self.low, self.high)
        high = np.clip(np.maximum(np.ceil(high), start + 3.0), self.low, self.high)
        long = high - low > _LONG
        for side, width in ((1.0, high - start), (-1.0, start - low)):
            for rows, wide in streams(np.flatnonzero(~long & (width >= 0)), width + 1.0):
                part, last = self._of_rows(rows), np.zeros(len(rows))
                first = start[rows] - (side < 0)
                for some in range(0, wide, many := max(1, _CHUNK // len(rows))):
                    j = np.arange(some, min(some + many, wide))[:, None]
                    tail = (part.sf if side > 0 else part.cdf)(first + side * j)
                    before = np.concatenate([last[None], tail[:-1]])
                    for i, (term, _) in enumerate(terms):
                        total[i, rows] += term(j, tail, before, side).sum(axis=0)
                    last = tail[-1]
        if long.any():
            part = self._of_rows(np.flatnonzero(long))
            total[:, long] = [sum_over_counts(part, term, start[long]) for _, term in terms]
        return total.reshape(len(terms), *self.shape)

    def _mass(self, k):
        """Return P(Y = k), by the nearer tail: in sums it needs no more digits."""
        lower, upper = self.cdf(k - 1.0), self.cdf(k)
        return np.where(lower < 0.5, upper - lower, self.sf(k - 1.0) - self.sf(k))

    @cached_property
    def _moments(self):
        """The mean and the variance."""
        middle = self.ppf(np.full(self.shape, 0.5))
        first, second = self._sums(
            middle,
            (lambda j, tail, _, side: side * tail, lambda part, k, at: (k - at) * part._mass(k)),
            (
                lambda j, tail, *_: (2 * j + 1) * tail,
                lambda part, k, at: (k - at) ** 2 * part._mass(k),
            ),
        )
        return (middle + first)[()], (second - first**2)[()]

    def mean(self):
        """Return the mean."""
        return self._moments[0]

    def var(self):
        """Return the variance."""
        return self._moments[1]

    def entropy(self):
        """Return the entropy, in nats."""
        from scipy.special import entr

        middle = self.ppf(np.full(self.shape, 0.5))
        log_most = self.logpmf(middle)
        (others,) = self._sums(
            middle,
            (
                lambda j, tail, last, _: np.where(j > 0, entr(last - tail), 0.0),
                lambda part, k, at: np.where(k == at, 0.0, entr(part._mass(k))),
            ),
        )
        return (others - np.exp(log_most) * log_most)[()]

    def crps(self, y):
        """Return the CRPS: the sum of squares of the lower tails below y, and the upper ones."""

        def square(part, k, y):
            return np.where(k < y, part.cdf(k), part.sf(k)) ** 2

        y = np.broadcast_to(y, self.shape)
        return self._sums(y, (lambda j, tail, *_: tail**2, square))[0][()]

    def support(self):
        """Return the lowest and the highest number."""
        return self.low, self.high

    def _draw(self, rng, size):
        drawn = self.base.rvs(size=size, random_state=rng)
        return np.clip(np.ceil(drawn - 0.5), self.low, self.high)
