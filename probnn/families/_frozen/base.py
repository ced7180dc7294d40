"""What a frozen distribution is: the recipe, and what derives from it."""

from abc import ABC, abstractmethod
from itertools import islice
from typing import ClassVar

import numpy as np

from probnn._quadrature import tanh_sinh
from probnn.families._frozen.counts import sum_over_counts

_REST = 1e-16  # probability beyond either end of a sum
_ANEW = 64  # after so many steps, a probability is computed anew


class Frozen(ABC):
    """The distributions of all rows, with the methods of a frozen SciPy distribution.

    What a family's `frozen(**params)` returns: a `FrozenScipy` where SciPy's cdf and quantiles have
    every digit, else one of these.

    **The recipe.** Arguments are numbers, or arrays that broadcast against the rows. A subclass
    sets `shape`, that of the rows, and gives

    1. `family` and `params`, natural parameters by name, whose density is then that of the family;
       or `logpdf(y)`, at an atom the logarithm of its probability; or, with `discrete` true,
       `logpmf(k)`: -inf outside of the support, NaN where y is;
    2. `cdf(y)`, P(Y <= y);
    3. `ppf(p)`, the smallest y with cdf(y) >= p: the ends of the support at 0 and 1, else NaN;
    4. `mean()` and `var()`;
    5. `support()`, the lowest and the highest value.

    Then, only where the default will not do:

    6. `sf` and `isf`, where the upper tail has digits that 1 - cdf loses; `logcdf` and `logsf`,
       where a tail may underflow;
    7. `pdf` or `pmf`, `std` and `entropy`, where there is a shorter way;
    8. `_draw(rng, size)`: the default inverts the cdf;
    9. `parts()`, where it is a mixture; `knots()`, where the density has kinks; `energy(y)`, where
       that of vectors needs no draws.

    `_quantile(level, upper)` makes `ppf` and `isf` of `_solve`, which finds quantiles in one tail.

    Attributes
    ----------
    shape : tuple
        Of the rows.
    discrete : bool
        Whether values have probabilities: `logpmf` and `pmf` in place of `logpdf` and `pdf`.
    stepwise : bool
        Whether the probability of a count is soon known from that of the one before: `_ratio`.
    family : Family or None
        The family whose density this has.
    params : dict
        Name -> natural parameters of the rows.
    """

    shape: tuple
    discrete: bool = False
    stepwise: bool = False
    family = None
    params: ClassVar[dict] = {}

    # ---- what a subclass gives --------------------------------------------------------------

    @abstractmethod
    def cdf(self, y):
        """Return P(Y <= y)."""

    @abstractmethod
    def ppf(self, p):
        """Return the smallest y with cdf(y) >= p."""

    @abstractmethod
    def mean(self):
        """Return the mean."""

    @abstractmethod
    def var(self):
        """Return the variance."""

    @abstractmethod
    def support(self):
        """Return the ends of the support."""

    # ---- what derives from it ---------------------------------------------------------------

    def logpdf(self, y):
        """Return the logarithm of the density: the family's."""
        return self.family.log_density(y, **self.params)

    def logpmf(self, k):
        """Return log P(Y = k): the family's."""
        return self.family.log_density(k, **self.params)

    def pdf(self, y):
        """Return the density."""
        return np.exp(self.logpdf(y))

    def pmf(self, k):
        """Return P(Y = k)."""
        return np.exp(self.logpmf(k))

    def sf(self, y):
        """Return P(Y > y)."""
        return 1.0 - self.cdf(y)

    def logcdf(self, y):
        """Return log P(Y <= y)."""
        with np.errstate(divide="ignore"):
            return np.log(self.cdf(y))

    def logsf(self, y):
        """Return log P(Y > y)."""
        with np.errstate(divide="ignore"):
            return np.log(self.sf(y))

    def isf(self, q):
        """Return the smallest y with sf(y) <= q."""
        return self.ppf(1.0 - np.asarray(q))

    def median(self):
        """Return the median."""
        return self.ppf(0.5)

    def interval(self, confidence):
        """Return the ends of the central interval with a probability."""
        tail = 0.5 * (1.0 - np.asarray(confidence))
        return self.ppf(tail), self.isf(tail)

    def std(self):
        """Return the standard deviation."""
        return np.sqrt(self.var())

    def entropy(self):
        """Return the (differential) entropy, in nats: by a sum over counts, or over levels."""
        if self.discrete:
            return sum_over_counts(self, _information, in_steps=_information_in_steps)
        total = 0.0
        for level, _, weight in zip(*tanh_sinh(), strict=True):
            tail = max(0.5 * level, _REST)  # either half from its own
            for end in (self.ppf(tail), self.isf(tail)):
                total = total - 0.5 * weight * self.logpdf(end)
        return total

    def rvs(self, size=None, random_state=None):
        """Return random draws.

        Parameters
        ----------
        size : int or tuple, optional
            Their shape, which ends as that of the rows; by default, one for each row.
        random_state : int or numpy.random.Generator, optional
            For the same draws again.
        """
        size = self.shape if size is None else size
        size = (size,) if np.ndim(size) == 0 else tuple(size)
        return self._draw(np.random.default_rng(random_state), size)

    def _draw(self, rng, size):
        """Return draws of a shape that ends as the rows do."""
        return self.ppf(rng.random(size))

    def parts(self):
        """Return the weight and the distribution of each part, if this is a mixture of some."""
        return [(1.0, self)]

    def knots(self):
        """Return the numbers of each row, in a list, at which its density has a kink."""
        return []

    def energy(self, y):
        """Return the energy score of vectors y, if it needs no draws; else None."""
        return None

    # ---- quantiles from their nearer tail ---------------------------------------------------

    def _quantile(self, level, upper):
        """Return the quantiles at a level, or at 1 less it if `upper`.

        Each is solved for in its nearer tail, whose digits the other one would round away.
        """
        level = np.asarray(level, dtype="float64")
        shape = np.broadcast_shapes(level.shape, self.shape)
        rows = np.arange(int(np.prod(self.shape))).reshape(self.shape)
        level, rows, low, high = (
            np.broadcast_to(each, shape).ravel() for each in (level, rows, *self.support())
        )
        first, last = (high, low) if upper else (low, high)
        found = np.where(level == 0, first, np.where(level == 1, last, np.nan))
        near = (level > 0) & (level <= 0.5)
        far = (level > 0.5) & (level < 1)
        if near.any():
            found[near] = self._solve(rows[near], level[near], upper, False)
        if far.any():
            found[far] = self._solve(rows[far], 1.0 - level[far], not upper, True)
        return found.reshape(shape)[()]

    def _solve(self, rows, level, upper, other):
        """Return where a tail, the upper one if `upper`, has probabilities of at most 1/2.

        In rows that are numbered as in a raveled array; `other` says whether it is the tail that
        was not asked for.
        """
        raise NotImplementedError

    # ---- for sums over counts, and tables of them -------------------------------------------

    def _ratio(self, k):
        """Return P(Y = k + 1) / P(Y = k), if `stepwise`."""
        raise NotImplementedError

    def _masses(self, k):
        """Yield P(Y = k), P(Y = k + 1), ... of a count k of each row, if `stepwise`."""
        while True:
            mass = self.pmf(k)
            for _ in range(_ANEW):
                yield mass
                mass = mass * self._ratio(k)
                k = k + 1.0

    def _mode(self):
        """Return the most probable count, the first of several, if it is known; else None."""
        return None

    def _guess(self, p):
        """Return counts between which quantiles are likely: those of a gamma distribution.

        By Wilson and Hilferty's formula, unless it is very skewed.
        """
        from scipy.special import gammaincinv, ndtri

        mean, variance = self.mean(), self.var()
        square = variance / mean**2
        c = square / 9.0
        near = mean * np.maximum(1.0 - c + ndtri(p) * np.sqrt(c), 0.0) ** 3
        if (skewed := square > 1.0).any():
            shape, p, scale, near = np.broadcast_arrays(1.0 / square, p, square * mean, near)
            near, skewed = near.copy(), np.broadcast_to(skewed, near.shape)
            near[skewed] = gammaincinv(shape[skewed], p[skewed]) * scale[skewed]
        return near, near

    def _range(self):
        """Return the first and the last count of each row that a sum needs."""
        rest, (first, last) = np.full(self.shape, _REST), self.support()
        low, high = np.maximum(self.ppf(rest), first), self.isf(rest)
        return low, np.minimum(np.maximum(high, low + 4.0), last)  # some more where 1 - pmf is tiny

    def _of_rows(self, rows):
        """Return the distributions of some rows, numbered as in a raveled array."""
        params = {}
        for name, values in self.params.items():
            last = self.family.params[name].shape
            values = np.broadcast_to(values, (*self.shape, *last))
            params[name] = values.reshape(-1, *last)[rows]
        return self.family.frozen(**params)


def parts_of(frozen):
    """Return weights and distributions that one is the mixture of, SciPy's own being of itself."""
    return frozen.parts() if isinstance(frozen, Frozen) else [(1.0, frozen)]


def nearest_count(k, reached, low=0.0, high=np.inf):
    """Return the smallest count that is reached, from one that rounding moved by at most 1.

    Parameters
    ----------
    k : numpy.ndarray
        Counts, infinite or NaN where there is none.
    reached : callable
        Whether counts are at least those that are looked for.
    low, high : float
        The ends of the counts.
    """
    k = np.clip(k, low, high)
    k = np.where(reached(k) | ~np.isfinite(k), k, np.minimum(k + 1.0, high))
    return np.where((k > low) & reached(k - 1.0), k - 1.0, k)[()]


def _information(frozen, k, _):
    """Return -P(Y = k) log P(Y = k)."""
    logs = frozen.logpmf(k)
    return -np.exp(logs) * np.where(np.isfinite(logs), logs, 0.0)


def _information_in_steps(frozen, low, count, _):
    """Return the sums of -P(Y = k) log P(Y = k)."""
    from scipy.special import entr

    total = np.zeros(low.shape)
    for j, mass in enumerate(islice(frozen._masses(low), count)):
        terms = entr(mass)
        if (large := mass > 0.5).any():  # whose logarithm has lost digits
            terms = np.where(large, -mass * frozen.logpmf(low + j), terms)
        total += terms
    return total
