"""SciPy-like functions of Tweedie distributions, in NumPy."""

import numpy as np

from probnn._parallel import share_blocks
from probnn._quadrature import gauss_legendre, tanh_sinh
from probnn.families._frozen.base import Frozen
from probnn.families._inversion import by_spline, solve_tail
from probnn.families._numerics import gamma_tail, log1p_minus, log_factorial_excess

_CHUNK = 1 << 16  # terms held at once in a sum
_FEW = 0.1  # a rate of jumps below which most y are 0
_MANY = 300.0  # jumps, from which on terms of the logarithm of their probability cancel
_END = 8.0  # of a bell, beyond which there is less than 1e-27
_LARGE = 1e5  # a shape whose tails SciPy has not
_GRID = 24  # points of a table on each unit of log(rate)
_FINE = 96  # and of one of quantiles, where Newton's steps begin


def _log_poisson(j, rate, log_factorial=None):
    """Return the logarithm of rate^j exp(-rate) / Gamma(j + 1), without cancelling large terms."""
    from scipy.special import gammaln

    near = j > _MANY
    if any_near := near.any():
        near &= abs(rate - j) < 0.25 * j
        if near.all():
            return j * log1p_minus((rate - j) / j) + log_factorial_excess(j)
    found = j * np.log(rate) - rate - (gammaln(j + 1.0) if log_factorial is None else log_factorial)
    if any_near and near.any():
        found[near] = _log_poisson(j[near], rate[near])
    return found


def _blocks(rows, count):
    """Return numbers of rows in parts, whose counts fill a chunk each."""
    if not len(rows):
        return []
    block = (np.cumsum(count[rows]) - 1) // _CHUNK
    return np.split(rows, np.flatnonzero(np.diff(block)) + 1)


def _from_1(r, u, log_cosine):
    """Return 1 - cos(u)^r cos(r u), without cancelling near 0."""
    power = r * log_cosine
    return -np.expm1(power) + 2.0 * np.exp(power) * np.sin(0.5 * r * u) ** 2


class FrozenTweedie(Frozen):
    """Tweedie distributions.

    Parameters
    ----------
    family : Tweedie
        The family, for its power and its density.
    mean, dispersion : array_like
        The parameters, of one shape or numbers.

    Notes
    -----
    Tails are sums over counts j of a Poisson probability times a tail of a gamma distribution: with
    every count of a window, or in a wide one by the trapezoidal rule.
    """

    def __init__(self, family, mean, dispersion):
        self.family = family
        self._mean, self.dispersion = np.broadcast_arrays(
            *(np.asarray(v, dtype="float64") for v in (mean, dispersion))
        )
        self.shape = self._mean.shape
        self.params = {"mean": self._mean, "dispersion": self.dispersion}
        w = family.power - 1.0
        self.jump = (1.0 - w) / w  # the shape of the gamma distribution of one jump
        with np.errstate(all="ignore"):
            self.rate = self._mean ** (1.0 - w) / (self.dispersion * (1.0 - w))
            self.scale = self._mean / (self.rate * self.jump)

    def _flat(self, rows):
        return FrozenTweedie(self.family, self._mean.ravel()[rows], self.dispersion.ravel()[rows])

    # ---- densities and tails ----------------------------------------------------------------

    def cdf(self, y):
        """Return P(Y <= y)."""
        y = np.asarray(y, dtype="float64")
        found = np.exp(-self.rate) + self._sums(y)[0]
        return np.where(y < 0, 0.0, np.minimum(np.where(np.isnan(y), np.nan, found), 1.0))[()]

    def sf(self, y):
        """Return P(Y > y)."""
        y = np.asarray(y, dtype="float64")
        found = np.where(y > 0, self._sums(y, upper=True)[0], -np.expm1(-self.rate))
        return np.where(y < 0, 1.0, np.minimum(np.where(np.isnan(y), np.nan, found), 1.0))[()]

    def _sums(self, y, upper=False, more=False):
        """Return P(0 < Y <= y), or P(Y > y).

        And if wanted, E max(y - Y, 0) where Y > 0, or E max(Y - y, 0), over the scale of jumps; and
        y times the density at y.
        """
        from scipy.special import gammainc, gammaincc, gammaln

        shape = np.broadcast_shapes(y.shape, self._mean.shape)
        y = np.broadcast_to(y, shape)
        inside = (y > 0) & (y < np.inf)
        mean, rate, scale = (
            np.broadcast_to(v, shape)[inside] for v in (self._mean, self.rate, self.scale)
        )
        w, tail = self.family.power - 1.0, gammaincc if upper else gammainc
        x = y[inside] / scale
        # The largest terms are near the rate, or in a tail near those of the density.
        middle = (np.maximum if upper else np.minimum)(rate * (x * scale / mean) ** (1.0 - w), rate)
        wide = (middle > 40.0) & (middle * w > 2.25)
        step = np.where(wide, np.sqrt(middle * w) / 1.5, 1.0)
        reach = 9.0 * np.sqrt(middle)
        first = np.maximum(middle - reach, 1.0)
        first = np.where(wide, first, np.floor(first))
        count = (np.ceil((middle + reach + 11.0 - first) / step) + 1).astype(np.int64)
        totals = np.zeros((3, x.size))
        # Where each count is taken, those of all rows share their factorials.
        most = np.max((first + count)[~wide], initial=0.0)
        tables = [gammaln(np.arange(most + 1.0) * each + 1.0) for each in (1.0, self.jump)]

        def add(rows):
            starts = np.concatenate([[0], np.cumsum(count[rows])[:-1]])
            index = np.repeat(rows, count[rows])
            j = first[index] + step[index] * (
                np.arange(len(index)) - np.repeat(starts, count[rows])
            )
            at_j, at_a = (None, None) if wide[rows[0]] else (v[j.astype(np.int64)] for v in tables)
            lam, at, a = rate[index], x[index], j * self.jump
            weight = step[index] * np.exp(_log_poisson(j, lam, at_j))
            value = tail(a, at)
            if (large := a > _LARGE).any():
                value[large] = gamma_tail(a[large], at[large], upper)
            totals[0, rows] = np.add.reduceat(weight * value, starts)
            if more:
                slope = a * np.exp(_log_poisson(a, at, at_a))
                over = (a - at if upper else at - a) * value + slope
                totals[1, rows] = np.add.reduceat(weight * over, starts)
                totals[2, rows] = np.add.reduceat(weight * slope, starts)

        share_blocks(
            add, [*_blocks(np.flatnonzero(~wide), count), *_blocks(np.flatnonzero(wide), count)]
        )
        ends = (0.0, 0.0, 0.0) if upper else (-np.expm1(-self.rate), np.inf, 0.0)
        found = [np.where(y > 0, end, np.zeros(shape)) for end in ends]
        for each, total in zip(found, totals, strict=True):
            each[inside] = total
        return found

    # ---- quantiles --------------------------------------------------------------------------

    def ppf(self, p):
        """Return the smallest y with cdf(y) >= p."""
        p = np.asarray(p, dtype="float64")
        return self._smallest(p - np.exp(-self.rate), 1.0 - p, (p >= 0) & (p <= 1))

    def isf(self, q):
        """Return the smallest y with sf(y) <= q."""
        q = np.asarray(q, dtype="float64")
        return self._smallest(-np.expm1(-self.rate) - q, q + 0.0 * self.rate, (q >= 0) & (q <= 1))

    def _smallest(self, low, high, valid):
        """Return the y with P(0 < Y <= y) = low and P(Y > y) = high, from the smaller of them."""
        shape = low.shape
        high, valid = np.broadcast_to(high, shape), np.broadcast_to(valid, shape)
        mean = np.broadcast_to(self._mean, shape)
        found = np.where(valid, np.where(low > 0, np.inf, 0.0), np.nan)
        rows = np.arange(self._mean.size).reshape(self._mean.shape)
        rows = np.broadcast_to(rows, shape)
        for chosen, level, upper in (
            (valid & (low > 0) & (low <= high), low, False),
            (valid & (low > high) & (high > 0), high, True),
        ):
            if np.any(chosen):
                part = self._flat(rows[chosen])
                start = part._interpolated(high[chosen], upper)
                found[chosen] = mean[chosen] * part._ratio(level[chosen] + 0.0, upper, start)
        return found[()]

    def _interpolated(self, above, upper):
        """Return the logarithms of `_ratio`, nearly, if many rows have P(Y > y) in common."""
        if (above != above[0]).any():
            return None

        def exact(log_rate):
            rate, rest = np.exp(log_rate), 2.0 - self.family.power
            one = FrozenTweedie(self.family, np.ones(len(rate)), 1.0 / (rate * rest))
            level = above[0] + 0.0 * rate if upper else 1.0 - above[0] - np.exp(-rate)
            return np.log(one._ratio(np.maximum(level, 1e-300), upper))

        return by_spline(exact, np.log(self.rate), _FINE)

    def _ratio(self, level, upper, start=None):
        """Return the quotients of y and the mean at which a tail has these probabilities."""
        from scipy.special import gammainccinv, gammaincinv

        some = -np.expm1(-self.rate)
        # A gamma distribution with the moments of the positive part is near.
        square = (1.0 + self.var() / self._mean**2) * some
        shape = 1.0 / np.maximum(square - 1.0, 1e-12)
        inverse = gammainccinv if upper else gammaincinv
        share = np.clip(level / some, 1e-300, 1.0 - 1e-12)
        if start is None:
            start = np.log(np.clip(inverse(shape, share) / (shape * some), 1e-200, 1e200))
        log_mean = np.log(self._mean)

        def tail(x, rows):
            part = self._flat(rows)
            value, _, slope = part._sums(np.exp(x + log_mean[rows]), upper, more=True)
            side, some = -1.0 if upper else 1.0, value > 0
            safe = np.where(some, value, 1.0)
            # Where a tail underflows, the way back is known, and no more.
            return np.where(some, np.log(safe), -1e5), side * np.where(some, slope / safe, 1.0)

        return np.exp(solve_tail(tail, np.log(level), start, np.sqrt(1.0 / shape)))

    # ---- moments and integrals --------------------------------------------------------------

    def mean(self):
        """Return the mean."""
        return self._mean[()]

    def var(self):
        """Return the variance."""
        return self.dispersion * self._mean**self.family.power

    def support(self):
        """Return the ends of the support."""
        return 0.0, np.inf

    def _draw(self, rng, size):
        # Of a count, then of a sum of so many gamma variables.
        count = rng.poisson(self.rate, size)
        return rng.standard_gamma(count * self.jump, size) * self.scale

    def entropy(self):
        """Return the entropy, in nats: of 0 or not, and of the density.

        That of Y / mean depends on the rate alone: of many rows, it is interpolated.
        """
        log_rate = np.log(self.rate).ravel()
        values, back = np.unique(log_rate, return_inverse=True)
        found = None
        if len(values) > _GRID and values[-1] - values[0] < len(values) / _GRID:
            from scipy.interpolate import CubicSpline

            count = int(np.ceil((values[-1] - values[0]) * _GRID)) + 4
            grid = np.linspace(values[0], values[-1], max(count, 8))
            found = CubicSpline(grid, self._entropies(np.exp(grid)))(values)
        else:
            found = self._entropies(np.exp(values))
        found = found[back].reshape(self._mean.shape)
        return (found - np.expm1(-self.rate) * np.log(self._mean))[()]

    def _entropies(self, rate):
        """Return the entropies with mean 1, given the rates: by Gauss's rule in log(y)."""
        w = self.family.power - 1.0
        one = FrozenTweedie(self.family, np.ones(len(rate)), 1.0 / (rate * (1.0 - w)))
        some = -np.expm1(-rate)
        low, high = (
            np.log(part)
            for part in (
                one._smallest(1e-16 * some, some, np.True_),
                one._smallest(some, 1e-16 * some, np.True_),
            )
        )
        total, (nodes, weights) = rate * np.exp(-rate), gauss_legendre(16)
        panels = np.clip(np.ceil((high - low) / (3.0 * w)), 12, 4000).astype(np.int64)
        for i, count in enumerate(panels):
            width = (high[i] - low[i]) / count
            x = low[i] + width * (np.arange(count)[:, None] + nodes)
            part = one._flat(np.array([i]))
            log_pdf = part.logpdf(np.exp(x))
            total[i] -= width * np.sum(weights * np.exp(log_pdf + x) * log_pdf)
        return total

    def crps(self, y):
        """Return the CRPS: E|Y - y| less half of E|Y - Y'|, both of them sums."""
        y = np.asarray(y, dtype="float64")
        mean = self._mean
        above = y > mean
        score = np.empty(np.broadcast_shapes(y.shape, mean.shape))
        y, above = np.broadcast_to(y, score.shape), np.broadcast_to(above, score.shape)
        rows = np.broadcast_to(np.arange(mean.size).reshape(mean.shape), score.shape)
        for upper, chosen in ((True, above), (False, ~above)):
            if np.any(chosen):
                part = self._flat(rows[chosen])
                at = y[chosen]
                over = part.scale * part._sums(at, upper, more=True)[1]
                # Of few jumps both terms are nearly the mean: each goes without.
                few = part.rate < _FEW
                both = np.where(few, part._mean, 0.0)
                if upper:  # y - mean + 2 E max(Y - y, 0)
                    mad = at - part._mean - both + 2.0 * over
                else:  # mean - y + 2 E max(y - Y, 0)
                    over += at * np.exp(-part.rate)
                    mad = (part._mean - both) - at + 2.0 * over
                half = part._mean * part._half_difference()
                if few.any():
                    half[few] = -part._flat(few)._lesser()
                score[chosen] = mad - half
        return score[()]

    def _lesser(self):
        """Return E min(Y, Y') of rates below 1/10, a sum over the numbers of jumps of both.

        Of gamma variables with shapes a and b, the mean of the lesser where it is the first is a
        times the probability that one with shape a + 1 is less than one with shape b.
        """
        from scipy.special import betainc, gammaln

        j = np.arange(1.0, 13.0)
        a = self.jump * j
        lesser = a[:, None] * betainc(a[:, None] + 1.0, a, 0.5)
        rate = self.rate[..., None]
        with np.errstate(divide="ignore"):
            chance = np.exp(j * np.log(rate) - rate - gammaln(j + 1.0))
        return 2.0 * self.scale * np.einsum("...j,jk,...k->...", chance, lesser, chance)

    def _half_difference(self):
        """Return E|Y - Y'| / (2 mean), by the characteristic function.

        With tan(u) = t scale, its square's modulus at t is exp(-2 rate (1 - cos(u)^r cos(r u))), r
        the shape of a jump; and pi |d| / 2 is the integral of (1 - cos(d t)) / t^2 over t > 0.
        """
        r, total = self.jump, np.zeros(self._mean.shape)
        with np.errstate(divide="ignore"):
            scale = 1.0 / np.sqrt(self.rate * r * (r + 1.0))  # of u, where the modulus is a bell
        bell = (_END * scale < 0.25) & (self.rate > 4.0 * r)
        if bell.any():
            rate, scale = -2.0 * self.rate[bell], scale[bell]
            found = 1.0 / np.tan(_END * scale)
            for part, weight in zip(*gauss_legendre(64), strict=True):
                u = _END * part * scale
                square = np.sin(u) ** 2
                gap = _from_1(r, u, 0.5 * np.log1p(-square))
                found -= _END * weight * scale * np.expm1(rate * gap) / square
            total[bell] = found
        if not bell.all():
            # Of a part of the interval from 0 to pi / 2, with more nodes where cos(r u) has waves.
            step = 0.03125 / 2.0 ** max(0.0, np.ceil(0.5 * np.log2(0.25 * r)))
            part, rest, weight = tanh_sinh(step, 4.0)
            u, square = 0.5 * np.pi * part, np.sin(0.5 * np.pi * part) ** 2
            near = 0.5 * np.log1p(-np.minimum(square, 0.81))  # the logarithm of the cosine
            gap = _from_1(r, u, np.where(u < 1.0, near, np.log(np.sin(0.5 * np.pi * rest))))
            rate, found = -2.0 * self.rate[~bell], 0.0
            for each, share in zip(gap, 0.5 * np.pi * weight / square, strict=True):
                found = found - share * np.expm1(each * rate)
            total[~bell] = found
        return self.scale / (np.pi * self._mean) * total
