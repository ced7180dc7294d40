"""The von Mises distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn._quadrature import integral
from probnn.families._frozen.base import Frozen
from probnn.families._inversion import by_spline, solve_tail
from probnn.families._numerics import by_precision, saturate
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor

_LOG_2PI = math.log(2.0 * math.pi)
_TURN = 2.0 * math.pi
_SERIES_FROM = 30.0  # concentration, from which the series of log I_0 has 16 digits
_DROP = 40.0  # fall of the log-density, beyond which exp(-40) of an integral is nothing

# I_0(k) exp(-k) sqrt(2 pi k) = sum of (1 * 9 * ... * (2 j - 1)^2) / (j! (8 k)^j): DLMF 10.40.1.
_SERIES = [1.0]
for _j in range(1, 16):
    _SERIES.append(_SERIES[-1] * (2 * _j - 1) ** 2 / (8 * _j))

_NODES = 40  # of Gauss's rule
_FINE = 64  # points on each unit of log(concentration) of a table where Newton's steps begin


@register
class VonMises(Family):
    """The von Mises distribution of angles: directions, times of the day or of the year.

    Responses are angles in radians, of any turn: y and y + 2 pi are one. Parameters are `loc`, the
    mean direction, and `concentration` (kappa): 0 is the uniform distribution on the circle, and a
    large one has nearly the normal distribution with variance 1 / concentration, as in
    `scipy.stats.vonmises` and R's circular. The default links are the identity and the logarithm.

    Notes
    -----
    log p(y) = concentration (cos(y - loc) - 1) - log(2 pi exp(-concentration) I_0(concentration)):
    Mardia and Jupp, *Directional Statistics*, 2000, doi:10.1002/9780470316979, section 3.5. A
    concentration is held between exp(-40) and exp(80) in float32, exp(-300) and exp(600) in
    float64.

    Quantiles, intervals and the variance are those of the distribution cut open opposite to the
    mean direction: a quantile lies in [loc - pi, loc + pi], and the cdf at y is that of the turn of
    y which is nearest to `loc`. Next to a cut it has few digits: a float is 1e-16 from pi. CRPS is
    that of the circle, E d(V, y) - E d(V, V') / 2 with d the angle between two directions: Grimit
    et al. (2006), doi:10.1256/qj.05.235.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> frozen = pn.families.VonMises().frozen(loc=3.0, concentration=2.0)
    >>> float(frozen.cdf(3.0 - 2.0 * np.pi).round(6))
    0.5
    """

    name = "von_mises"
    parameters = {
        "loc": Param("identity", domains.REAL),
        "concentration": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.REAL
    circular = True

    # No distribution of a library: torch's log-density has seven digits, and what TFP and torch
    # call its variance is another thing.

    def frozen(self, loc: Tensor, concentration: Tensor) -> Any:
        """Return SciPy-like functions: SciPy's own cdf is a normal one from concentration 50 on."""
        return FrozenVonMises(loc, concentration, self)

    def _log_prob(self, y, loc, concentration):
        m = backend.math(loc.raw)
        low, high = by_precision(loc.raw, -40.0, -300.0), by_precision(loc.raw, 80.0, 600.0)
        log_k = saturate(concentration.log, low, high)
        half = m.sin(0.5 * (y - loc.value))
        return -2.0 * m.exp(log_k) * m.square(half) - _LOG_2PI - _log_i0e(log_k)

    def _at_limits(self, found, y, params):
        return found  # a concentration of 0 is that of the uniform distribution

    def _start(self, y):
        loc = float(np.arctan2(np.mean(np.sin(y)), np.mean(np.cos(y))))
        short = 2.0 * float(np.mean(np.sin(0.5 * (y - loc)) ** 2))  # 1 - the mean resultant length
        if short < 1e-20:  # one direction: any large concentration will do to begin with
            return {"loc": loc, "concentration": 1e6}
        return {"loc": loc, "concentration": _concentration(short)}

    def raw_spread(self, y: Any) -> Any:
        """Return how far apart the raw locations of y are."""
        loc = self._start(y)["loc"]
        found = float(np.sqrt(np.mean(_nearest_turn(y, loc) ** 2)))
        return found if found > 1e-12 else 1.0

    def _crps(self, y, loc, concentration):
        frozen = FrozenVonMises(loc, concentration)
        t = abs(_nearest_turn(y, loc))
        # The derivative in t of E d(V, y) is P(V within half a turn behind y) - P(V ahead of it).
        to_y = t + 2.0 * (frozen._excess(t) - frozen._excess(np.pi - t))
        return to_y - 0.5 * frozen._between_draws()


class FrozenVonMises(Frozen):
    """Von Mises distributions of directions on the line cut at loc +- pi.

    Parameters
    ----------
    loc, concentration : array_like, shape (...)
        The parameters.
    family : VonMises, optional
        The family, for its density.

    Notes
    -----
    Tails and moments are integrals of the density, by Gauss's rule over the part where it is above
    exp(-40) of its maximum there.
    """

    def __init__(self, loc, concentration, family=None):
        loc, concentration = (np.asarray(v, dtype="float64") for v in (loc, concentration))
        self.loc, self.concentration = np.broadcast_arrays(loc, concentration)
        self.shape = self.loc.shape
        self.family, self.params = family, {"loc": self.loc, "concentration": self.concentration}

    @property
    def _scale(self):
        """The density at `loc`."""
        from scipy.special import i0e

        return 1.0 / (_TURN * i0e(self.concentration))

    # ---- densities and tails ----------------------------------------------------------------

    def cdf(self, y):
        """Return P(Y <= y), of the turn of y that is nearest to `loc`."""
        t = _nearest_turn(y, self.loc)
        tail = self._tail(abs(t))
        return np.where(t > 0, 1.0 - tail, tail)

    def sf(self, y):
        """Return P(Y > y), of the turn of y that is nearest to `loc`."""
        t = _nearest_turn(y, self.loc)
        tail = self._tail(abs(t))
        return np.where(t > 0, tail, 1.0 - tail)

    def _beyond(self, a, power=0):
        """Return the integral of x^power exp(log p(a + x) - log p(a)) over x > 0 and a + x < pi."""
        k = self.concentration
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            # Where the density has fallen by exp(-40), by the product formula for cos a - cos b.
            drop = 0.5 * _DROP / k
            end = 2.0 * np.arcsin(np.sqrt(np.minimum(np.sin(0.5 * a) ** 2 + drop, 1.0)))
            width = 2.0 * np.arcsin(np.minimum(drop / np.sin(0.5 * (end + a)), 1.0))
        width = np.minimum(width, np.pi - a)

        def fallen(x):
            return x**power * np.exp(-2.0 * k * np.sin(0.5 * x) * np.sin(0.5 * x + a))

        return integral(fallen, 0.0, width, _NODES)

    def _at(self, a):
        """Return the density at the angle a from `loc`."""
        return self._scale * np.exp(-2.0 * self.concentration * np.sin(0.5 * a) ** 2)

    def _tail(self, a):
        """Return P(Y > loc + a), for 0 <= a <= pi."""
        return self._at(a) * self._beyond(a)

    def _excess(self, a):
        """Return the mean of max(Y - loc - a, 0), for 0 <= a <= pi."""
        return self._at(a) * self._beyond(a, power=1)

    # ---- quantiles --------------------------------------------------------------------------

    def ppf(self, p):
        """Return the quantile, between loc - pi and loc + pi."""
        return self._quantile(p, upper=False)

    def isf(self, q):
        """Return the quantile at 1 - q."""
        return self._quantile(q, upper=True)

    def _solve(self, rows, level, upper, other):
        k, start = self.concentration.ravel()[rows], None
        if (level == level[0]).all() and (k > 0).all():

            def exact(log_k):
                return _angles(np.exp(log_k), np.full(len(log_k), level[0]))

            start = by_spline(exact, np.log(k), _FINE)
        x = _angles(k, level, start)
        return self.loc.ravel()[rows] + (x if upper else -x)

    # ---- moments ----------------------------------------------------------------------------

    def mean(self):
        """Return the mean direction."""
        return self.loc

    def var(self):
        """Return the mean square of the angle from the mean direction, at most pi^2 / 3."""
        return 2.0 * self._at(0.0) * self._beyond(0.0, power=2)

    def entropy(self):
        """Return the differential entropy, in nats."""
        k = self.concentration
        with np.errstate(divide="ignore"):
            width = 2.0 * np.arcsin(np.minimum(np.sqrt(0.5 * _DROP / k), 1.0))

        def term(x):
            fall = 2.0 * k * np.sin(0.5 * x) ** 2
            return fall * np.exp(-fall)

        half = self._scale * integral(term, 0.0, width, _NODES)
        return 2.0 * half - np.log(self._scale)

    def _between_draws(self):
        """Return the mean angle between two draws, from the density of their difference."""
        from scipy.special import i0e

        k = self.concentration
        with np.errstate(divide="ignore"):
            width = 4.0 * np.arcsin(np.minimum(np.sqrt(0.25 * _DROP / k), np.sqrt(0.5)))

        def term(x):
            fall = 4.0 * k * np.sin(0.25 * x) ** 2
            return x * np.exp(-fall) * i0e(2.0 * k * np.cos(0.5 * x))

        return integral(term, 0.0, width, _NODES) / (np.pi * i0e(k) ** 2)

    def support(self):
        """Return the ends of the line: loc - pi and loc + pi."""
        return self.loc - np.pi, self.loc + np.pi

    def _draw(self, rng, size):
        return self.loc + rng.vonmises(0.0, self.concentration, size=size)


def _angles(k, level, start=None):
    """Return the angles from `loc` beyond which there is a probability, of at most 1/2."""
    from scipy.special import ndtri

    def log_tail(x, rows):
        part = FrozenVonMises(0.0, k[rows])
        tail = part._tail(x)
        return np.log(tail), -part._at(x) / tail

    if start is None:
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            sine = -ndtri(level) / (2.0 * np.sqrt(k))
        uniform = np.pi * (1.0 - 2.0 * level)
        start = np.where(sine < 0.7, 2.0 * np.arcsin(np.minimum(sine, 1.0)), uniform)
    start = np.clip(start, 0.0, np.pi)
    return solve_tail(log_tail, np.log(level), start, np.ones_like(k), ends=(0.0, np.pi))


def _nearest_turn(y, loc):
    """Return y - loc less whole turns: between -pi and pi, where each end stays what it is."""
    y = np.asarray(y, dtype="float64")
    d = y - loc
    slack = 2.3e-16 * (abs(y) + abs(loc))
    turns = np.rint(np.maximum(abs(d) - slack, 0.0) / _TURN)
    return np.clip(d - np.copysign(turns, d) * _TURN, -np.pi, np.pi)


def _log_i0e(log_k):
    """Return log(I_0(k) exp(-k)) with k = exp(log_k)."""
    m = backend.math(log_k)
    edge = math.log(_SERIES_FROM)
    inverse = m.exp(-m.maximum(log_k, edge))
    total = _SERIES[-1] * inverse
    for coefficient in _SERIES[-2:0:-1]:
        total = (total + coefficient) * inverse
    series = m.log1p(total) - 0.5 * (_LOG_2PI + log_k)
    return m.where(log_k > edge, series, m.log(m.i0e(m.exp(m.minimum(log_k, edge)))))


def _concentration(short):
    """Return the concentration whose mean resultant length is 1 - short: Newton's method."""
    from scipy.special import i0e, i1e

    length = 1.0 - short
    if short < 1e-4:  # 1 - A_1 = 1 / (2 k) + 1 / (8 k^2) + 1 / (8 k^3) + 25 / (128 k^4) + ...
        k = 0.5 / short
        for _ in range(4):
            k = (0.5 + (0.125 + (0.125 + 0.1953125 / k) / k) / k) / short
        return k
    if length < 1e-6:
        return max(2.0 * length, 1e-6)
    k = length * (2.0 - length**2) / (1.0 - length**2)  # Banerjee et al. (2005), to 10 per cent
    for _ in range(10):
        ratio = i1e(k) / i0e(k)
        k = max(k - (ratio - length) / (1.0 - ratio**2 - ratio / k), 0.1 * k)
    return float(k)
