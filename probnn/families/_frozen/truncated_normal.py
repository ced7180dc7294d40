"""Truncated normal distributions, in NumPy."""

import math

import numpy as np

from probnn._quadrature import integral
from probnn.families._frozen.base import Frozen
from probnn.families._numerics import HALF_LOG_2PI
from probnn.families._truncation import NORMAL, Truncation, hazard_excess, log_mills

_DEEP = -40.0  # an end below it cuts nothing off that float64 could tell
_LAGUERRE = np.polynomial.laguerre.laggauss(16)


class FrozenTruncatedNormal(Frozen):
    """Truncated normal distributions.

    Parameters
    ----------
    family : TruncatedNormal
        The family, with its bounds.
    loc, scale : numpy.ndarray
        The parameters.
    """

    def __init__(self, family, loc, scale):
        self.family = family
        loc, scale = np.asarray(loc, dtype="float64"), np.asarray(scale, dtype="float64")
        self.loc, self.scale = np.broadcast_arrays(loc, scale)
        self.shape = self.loc.shape
        self.params = {"loc": self.loc, "scale": self.scale}
        self.low = -math.inf if family.low is None else family.low
        self.high = math.inf if family.high is None else family.high
        with np.errstate(all="ignore"):
            self.log_scale = np.log(self.scale)
            self.line = family.line(self.loc, self.log_scale)

    def support(self):
        """Return the bounds."""
        return self.low, self.high

    # ---- densities and probabilities --------------------------------------------------------

    def cdf(self, y):
        """Return P(Y <= y)."""
        return self._tail(y, self.line.flip)

    def sf(self, y):
        """Return P(Y > y)."""
        return self._tail(y, ~self.line.flip)

    def _places(self, y):
        """Return the standardised y, mirrored as the line is, and its distances from the ends."""
        y, line = np.clip(y, self.low, self.high), self.line
        t = line.from_near(y, self.family) / self.scale
        rest = np.where(line.flip, y - self.low, self.high - y) / self.scale
        return line.back((y - self.loc) / self.scale), t, rest

    def _tail(self, y, upper):
        """Return the probability of one side of y, upper or lower on the mirrored line."""
        y = np.asarray(y, dtype="float64")
        line = self.line
        nearer, farther = y <= self.low, y >= self.high
        nearer, farther = np.where(line.flip, farther, nearer), np.where(line.flip, nearer, farther)
        with np.errstate(all="ignore"):
            z, t, rest = self._places(y)
            found = np.exp(np.where(upper, self._log_upper(t, z, rest), self._log_lower(t, z)))
        return np.where(nearer, 1.0 * upper, np.where(farther, 1.0 - upper, found))

    def _log_lower(self, t, z):
        """Return log P(s < t) on the line, where t is z - a."""
        line = self.line

        def far():
            return Truncation(line.positive, False, t, np.log(t)).log_mass - line.log_mass

        def near():
            return _log_between(line.negative, z, t) - self._log_absolute()

        return _where(line.far, far, near)

    def _log_upper(self, t, z, rest):
        """Return log P(s > t) on the line, where t is z - a, and rest is b - z."""
        line = self.line
        b = line.b
        rest, log_rest = (None, None) if b is None else (rest, np.log(rest))

        def far():
            beyond = Truncation(line.positive + t, False, rest, log_rest).log_mass
            return beyond - line.log_mass - t * (line.positive + 0.5 * t)

        def near():
            return _log_between(z, b, rest) - self._log_absolute()

        return _where(line.far, far, near)

    def _log_absolute(self):
        """Return log P(a < Z < b), where a is not far."""
        line = self.line
        return line.log_mass + np.where(line.relative, NORMAL.log_density(line.negative), 0.0)

    # ---- quantiles --------------------------------------------------------------------------

    def ppf(self, q):
        """Return the y whose cdf is q."""
        return self._quantile(q, upper=False)

    def isf(self, q):
        """Return the y whose sf is q."""
        return self._quantile(q, upper=True)

    def _solve(self, rows, level, upper, other):
        # In groups of one tail and one form of it.
        group = 2 * (self.line.flip ^ upper) + self.line.far
        group, found = np.broadcast_to(group, self.shape).ravel()[rows], np.empty(len(rows))
        for each in np.unique(group):
            some = group == each
            with np.errstate(all="ignore"):
                found[some] = self._of_rows(rows[some])._solved(level[some], bool(each > 1))
        return np.clip(found, self.low, self.high)

    def _solved(self, level, upper):
        """Return the y that has a probability, at most a half, on one side of the line."""
        found, rows, part, ends = np.empty(len(level)), np.arange(len(level)), self, None
        x = self._near(level, upper)
        for _ in range(60):
            new, *ends, done = part._newton(x, level, upper, *(ends or part._ends()))
            found[rows] = new
            if done.all():
                break
            left = ~done
            x, level, rows = new[left], level[left], rows[left]
            part, ends = part._of_rows(np.flatnonzero(left)), [end[left] for end in ends]
        line, deep = self.line, self._deep
        near = line.bound(self.family) + line.back(self.scale * found)
        return np.where(deep, self.loc + line.back(self.scale * found), near)

    @property
    def _deep(self):
        """Where z is looked for, else the distance t from a."""
        return self.line.a < _DEEP

    def _ends(self):
        """Return the ends of what is looked for."""
        a, width = self.line.a, math.inf if self.line.width is None else self.line.width
        low, high = np.where(self._deep, a, 0.0), np.where(self._deep, a + width, width)
        return np.broadcast_arrays(low, high)

    def _near(self, level, upper):
        """Return what to begin with: what rounding leaves of the closed form."""
        from scipy.special import ndtri, ndtri_exp

        line, deep = self.line, self._deep
        a, width = line.a, math.inf if line.width is None else line.width
        beyond = 0.0 if line.width is None else np.where(line.far, np.exp(-line.gap), 0.0)
        if upper:
            log_rest = np.log(beyond + level * (1.0 - beyond))
        else:
            log_rest = np.log1p(-level * (1.0 - beyond))
        rate = line.positive
        # Far out as if the ratio of Mills's ratios were 1.
        far = -2.0 * log_rest / (rate + np.sqrt(rate**2 - 2.0 * log_rest))
        by_normal = -ndtri_exp(NORMAL.log_density(rate) + line.log_mills + log_rest) - rate
        far = np.where((rate < 1e3) & (by_normal > 0.0), by_normal, far)
        mass = level * np.exp(self._log_absolute())
        if upper:
            tail = 0.0 if line.width is None else np.exp(NORMAL.log_cdf(-line.b))
            z = -ndtri(tail + mass)
        else:
            z = ndtri(np.exp(NORMAL.log_cdf(line.negative)) + mass)
        x = np.where(deep, z, np.where(line.far, far, z - a))
        if not upper:  # next to the end the density is that there: nothing is lost beside a
            next_to = level / np.exp(line.log_density(0.0, a))
            x = np.where(~deep & (next_to < 1e-6), next_to, x)
        if line.width is not None:
            x = np.where(line.narrow, width * (1.0 - level if upper else level), x)
        low, high = self._ends()
        return np.clip(x, low, high)

    def _newton(self, x, level, upper, low, high):
        """Return x after a step within its bracket, the bracket, and whether x is right."""
        line, deep = self.line, self._deep
        t, z = np.where(deep, x - line.a, x), np.where(deep, x, line.a + x)
        rest = None if line.b is None else np.where(deep, line.b - x, line.width - x)
        log_tail = self._log_upper(t, z, rest) if upper else self._log_lower(t, z)
        gap = log_tail - np.log(level)
        right = (gap > 0.0) != upper  # the root is below x
        low, high = np.where(right, low, x), np.where(right, x, high)
        step = gap * np.exp(log_tail - line.log_density(t, z))
        new = x + step if upper else x - step
        # From so near, the error of Newton's step is the square of 1e-9.
        done = (abs(gap) < 1e-9) | (low == high)
        middle = np.where(np.isinf(high), 2.0 * x + 1.0, 0.5 * (low + high))
        inside = done | ((new >= low) & (new <= high))
        return np.where(inside, np.clip(new, low, high), middle), low, high, done

    # ---- moments and scores -----------------------------------------------------------------

    def mean(self):
        """Return the mean."""
        with np.errstate(all="ignore"):
            return self.family.mean(self.loc, self.scale)

    def var(self):
        """Return the variance."""
        with np.errstate(all="ignore"):
            first, second = self.line.first(), self._second()
            return self.scale**2 * (second - first**2)

    def _second(self):
        """Return E(s^2) where relative, else E(Z^2)."""
        line, a = self.line, self.line.positive
        at_a = np.exp(NORMAL.log_density(line.negative) - line.log_mass)
        if line.width is None:
            return np.where(line.far, _square_excess(a), 1.0 + line.negative * at_a)
        b, width, share = line.b, line.width, np.exp(-line.gap)
        beyond = _square_excess(b) + 2.0 * width * hazard_excess(b) + width**2
        far = (_square_excess(a) - share * beyond) / (1.0 - share)
        at_b = np.exp(NORMAL.log_density(b) - line.log_mass)
        wide = np.where(line.far, far, 1.0 + line.negative * at_a - b * at_b)
        return np.where(line.narrow, line._narrow(2) / line._narrow(0), wide)

    def entropy(self):
        """Return the differential entropy, in nats."""
        line = self.line
        with np.errstate(all="ignore"):
            first, second = line.first(), self._second()
            a = np.where(line.relative, line.a, 0.0)
            at = np.where(line.relative, a * first, HALF_LOG_2PI)
            return line.log_mass + at + 0.5 * second + self.log_scale

    def crps(self, y):
        """Return the continuous ranked probability score of y."""
        line, root = self.line, math.sqrt(2.0)
        with np.errstate(all="ignore"):
            z, t, rest = self._places(np.asarray(y, dtype="float64"))
            gap = np.exp(self._log_lower(t, z)) - np.exp(self._log_upper(t, z, rest))
            log_mass = self._log_absolute()
            ends = (None, None) if line.b is None else (root * line.b, root * line.width)
            spread = np.exp(_log_between(root * line.negative, *ends) - 2.0 * log_mass)
            near = z * gap + 2.0 * np.exp(NORMAL.log_density(z) - log_mass)
            near = near - spread / math.sqrt(math.pi)
            found = np.where(line.far, self._far_score(t, gap), near)
            if line.width is not None and line.narrow.any():
                found = np.where(line.narrow, self._narrow_score(t), found)
        return self.scale * found

    def _far_score(self, t, gap):
        """Return the score of s = t, on a line that is far: t (F - S) - 2 E(s; s < t) + E(min)."""
        line, a = self.line, self.line.positive
        share = 0.0 if line.width is None else np.exp(-line.gap)
        beyond = np.exp(log_mills(a + t) - line.log_mills - t * (a + 0.5 * t))
        excess = hazard_excess(a)
        below = (excess - beyond * (hazard_excess(a + t) + t)) / (1.0 - share)
        smaller = _smaller(a)
        if line.width is not None:
            area = excess - share * hazard_excess(line.b)
            smaller = smaller - share**2 * _smaller(line.b) - 2.0 * share * area
            smaller = (smaller + share**2 * line.width) / (1.0 - share) ** 2
        return t * gap - 2.0 * below + smaller

    def _narrow_score(self, t):
        """Return the score of s = t on a narrow line, by Gauss's rule on both sides of t."""
        a, width = self.line.a, self.line.width
        mass = width * self.line._narrow(0)

        def part(start, length):
            return integral(lambda s: np.exp(-s * (a + 0.5 * s)), start, length, 10)

        below = integral(lambda s: part(0.0, s) ** 2, 0.0, t, 10)
        above = integral(lambda s: part(s, width - s) ** 2, t, width - t, 10)
        return (below + above) / mass**2


def _where(chosen, first, second):
    """Return first() where chosen, else second(): without the one that none wants."""
    if chosen.all():
        return first()
    return np.where(chosen, first(), second()) if chosen.any() else second()


def _log_between(low, high, width):
    """Return log P(low < Z < high), of any two ends; without an upper one if it is None."""
    if high is None:
        return NORMAL.log_sf(low)
    start = np.where(low + high < 0.0, -high, low)
    part = Truncation(start, False, width, np.log(width))
    return part.log_mass + np.where(part.relative, NORMAL.log_density(start), 0.0)


def _square_excess(a):
    """Return E((Z - a)^2) given Z > a, for a >= 0: 1 - a E(Z - a), and its continued fraction."""
    small, large = np.minimum(a, 4.0), np.maximum(a, 4.0)
    fraction = large
    for k in range(40, 2, -1):
        fraction = large + k / fraction
    excess = hazard_excess(a)
    return np.where(a < 4.0, 1.0 - small * excess, excess * 2.0 / fraction)


def _smaller(a):
    """Return the expected smaller one of two draws of Z - a given Z > a, for a >= 0."""
    small, large = np.minimum(a, 30.0), np.maximum(a, 30.0)
    excess, root = hazard_excess(small), math.sqrt(2.0)
    near = small + 2.0 * excess - root * np.exp(log_mills(root * small)) * (small + excess) ** 2
    far = 0.0
    for node, weight in zip(*_LAGUERRE, strict=True):
        s = 0.5 * node / large
        far = far + weight * np.exp(2.0 * (log_mills(large + s) - log_mills(large)) - s**2)
    return np.where(a < 30.0, near, 0.5 * far / large)
