"""Counts of a base family above zero, and a zero whose probability is its own."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from probnn import domains
from probnn.families._frozen.base import Frozen, nearest_count
from probnn.families._frozen.tables import from_tables
from probnn.families._params import Param
from probnn.families._wrapper import Wrapper
from probnn.families.registry import get

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from probnn.families.base import Family
    from probnn.links import Link


class ZeroAdjusted(Wrapper):
    """A base family of counts, with one more parameter for the zeros.

    A subclass gives `zero`, the name of that parameter, the last one, and `_atom`.
    """

    discrete = True

    def __init__(
        self,
        family: str | dict[str, Any] | Family,
        link: str | Link | None = None,
        links: Mapping[str, str | Link] | None = None,
    ) -> None:
        base = get(family)
        is_counts = base.discrete and base.classes is None and base.y_columns is None
        if not is_counts or base.support.low != 0.0 or base.support.high <= 1.0:
            raise ValueError(
                f"Expected a family of counts from 0 on, as 'poisson'. Received: {base!r}."
            )
        super().__init__(base, link, links)
        self.support, self.discrete = self.family.support, True

    def _parameters(self):
        return {**super()._parameters(), self.zero: Param("logit", domains.PROBABILITY)}

    def _log_zero_of_base(self, y, linked):
        """Return the log-mass of the base at zero, in the shape of y."""
        known = self.family._log_zero(**linked)
        return self.family._log_prob(0.0 * y, **linked) if known is None else known

    def _atom(self, zero, params):
        """Return P(Y = 0), and P(Y = k) / P(B = k) for counts k > 0, B of the base."""
        raise NotImplementedError

    def frozen(self, **params: Any) -> Any:
        """Return SciPy-like functions of the counts."""
        zero = np.asarray(params.pop(self.zero))
        return FrozenZeroAdjusted(self, {**params, self.zero: zero}, *self._atom(zero, params))

    def _crps(self, y, **params):
        frozen = self.frozen(**params)
        inner = {name: frozen.params[name] for name in self.family.params}
        at, at_zero = (self.family._crps(k, **inner) for k in (y, 0.0 * y))
        if at is None:
            return None
        # With the base's E min(B, y), its two scores differ by y - 2 E min(B, y).
        factor = frozen.factor
        score = y * (1.0 - factor) + factor * (at - at_zero) + factor**2 * at_zero
        # Where terms cancel, a sum over counts has the digits: here, or in the score of the base.
        lost = score < 0.1 * y * np.maximum(factor, 1.0)
        return np.where(lost | (at_zero < 0.3 * frozen.base.mean()), np.nan, score)

    def _start(self, y):
        n, positive = len(y), y[y > 0]
        share = np.clip(np.mean(y == 0), 0.5 / (n + 1.0), 1.0 - 0.5 / (n + 1.0))
        base = self.family._start(positive if positive.size else y)
        guess = {**base, self.zero: share}
        if positive.size == 0 or positive.size == n:
            return guess
        found = self._maximised(y, guess)
        low = 0.5 / (n + 1.0)  # a probability of 0 or 1 has no raw value to train from
        return {**found, self.zero: float(np.clip(found[self.zero], low, 1.0 - low))}


class FrozenZeroAdjusted(Frozen):
    """Distributions of counts with an adjusted zero.

    Parameters
    ----------
    family : ZeroAdjusted
        The family.
    params : dict
        Its parameters.
    zero : array_like
        P(Y = 0).
    factor : array_like
        P(Y = k) / P(B = k) for k > 0.
    """

    discrete = True

    def __init__(self, family, params, zero, factor):
        self.family, self.params = family, params
        self.base = family.family.frozen(**{name: params[name] for name in family.family.params})
        self.zero, self.factor = np.broadcast_arrays(zero, factor)
        self.shape, self.stepwise = self.zero.shape, getattr(self.base, "stepwise", False)

    def cdf(self, k):
        """Return P(Y <= k)."""
        above = self.zero + self.factor * (self.base.cdf(k) - self._below)
        k, far = np.broadcast_to(k, above.shape), above >= 0.5  # where the upper tail has digits
        rows = np.broadcast_to(np.arange(self.zero.size).reshape(self.shape), above.shape)[far]
        part, above = self.base._of_rows(rows), np.array(above)
        above[far] = 1.0 - np.ravel(self.factor)[rows] * part.sf(k[far])
        return np.where(k < 0, 0.0, above)

    @cached_property
    def _below(self):
        return self.base.cdf(0)

    def sf(self, k):
        """Return P(Y > k)."""
        return np.where(np.asarray(k) < 0, 1.0, self.factor * self.base.sf(k))

    def ppf(self, p):
        """Return the smallest count with cdf >= p."""
        return from_tables(self, p, False) if self.stepwise else self._by_base(p, False)

    def isf(self, q):
        """Return the smallest count with sf <= q."""
        return from_tables(self, q, True) if self.stepwise else self._by_base(q, True)

    def _search(self, rows, level, upper):
        return self._of_rows(rows)._by_base(level, upper)

    def _by_base(self, level, upper):
        level = np.asarray(level, dtype="float64")
        if upper:
            k = self.base.isf(np.clip(level / self.factor, 0.0, 1.0))
            return nearest_count(k, lambda k: self.sf(k) <= level)
        guess = np.where(
            level < 0.5,
            self.base.ppf(self._level_of_base(level)),
            self.base.isf(np.clip((1.0 - level) / self.factor, 0.0, 1.0)),
        )
        guess = np.where(level <= self.zero, 0.0, guess)
        k = nearest_count(guess, lambda k: self.cdf(k) >= level)
        return np.where(level == 0.0, 0.0, k)

    def _level_of_base(self, p):
        return np.clip((p - self.zero) / self.factor + self._below, 0.0, 1.0)

    def _guess(self, p):
        return self.base._guess(self._level_of_base(p))

    def _masses(self, k):
        for mass in self.base._masses(k):
            yield np.where(k == 0, self.zero, self.factor * mass)
            k = k + 1.0

    def _range(self):
        if not self.stepwise or (self.factor > 2.0).any():
            return super()._range()
        return np.zeros(self.shape), self.base._range()[1]

    def entropy(self):
        """Return the entropy, in nats: of zero or not, and that of the base without its zero."""
        from scipy.special import entr, xlog1py

        some = -np.expm1(self.base.logpmf(0))  # whose complement may be 1 but for rounding
        without = self.base.entropy() + xlog1py(1.0 - some, -some)
        at_zero = -xlog1py(self.zero, -self.factor * some)
        at_zero = np.where(self.zero > 0.5, at_zero, entr(self.zero))
        return at_zero + entr(self.factor) * some + self.factor * without

    def mean(self):
        """Return the mean."""
        return self.factor * self.base.mean()

    def var(self):
        """Return the variance."""
        mean, factor = self.base.mean(), self.factor
        return factor * self.base.var() + factor * (1.0 - factor) * mean**2

    def support(self):
        """Return the smallest and the largest count."""
        return 0, self.base.support()[1]

    def _draw(self, rng, size):
        return self.isf(1.0 - rng.random(size))
