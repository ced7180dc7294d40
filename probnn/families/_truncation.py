"""The standard normal distribution between two bounds, for NumPy arrays and tensors alike."""

from probnn import backend
from probnn._quadrature import gauss_legendre
from probnn.families._standard import StandardNormal
from probnn.links import log1mexp

NORMAL = StandardNormal()
_NODES, _WEIGHTS = gauss_legendre(10)

# Of Mills's ratio, and of its inverse less a, times a + 1: the coefficients of polynomials P and Q
# in (a - 3) / (a + 3) whose ratio interpolates it for a >= 0, to 1e-15 and 4e-15 of itself.
_MILLS = (
    (
        1.2183611948404132,
        -1.2142113003172308,
        1.2327080793829095,
        -0.4563537336429817,
        0.12675139178883088,
        0.08380982884919987,
        -0.06486052624169421,
        0.033368119447470916,
        -0.008794897254436145,
        0.0015347635959569773,
        -0.00011236652473231421,
    ),
    (
        1.0,
        -0.7980019421355852,
        0.8871060040367198,
        -0.31828883999032936,
        0.19172828533773614,
        -0.026030323400914896,
        0.014850239789289154,
        0.0003091011704379701,
        0.0004840634441371176,
        4.021251261249684e-05,
        3.7531596033798613e-06,
    ),
)
_EXCESS = (
    (
        1.132394619721746,
        -1.9086820836322558,
        2.165273500608304,
        -1.3410273733379665,
        0.4866878900846435,
        0.04604502064479432,
        -0.14440091731670213,
        0.08726854566193494,
        -0.027987111132629895,
        0.0051647726018544384,
        -0.0004214249242255662,
    ),
    (
        1.0,
        -1.69009415713994,
        2.1574498180097725,
        -1.7100578625315168,
        1.1038529306306233,
        -0.5107426713399028,
        0.19160077146456925,
        -0.050641607736788406,
        0.010058221183758214,
        -0.001182132879771955,
        7.212931869550438e-05,
    ),
)


class Truncation:
    """The standard normal Z between a and a + width, mirrored so that the middle is not below 0.

    Where a > 0, or the interval is `narrow`, probabilities and moments are `relative`: those of
    s = Z - a, to the density at a. They keep their digits where the density itself underflows.

    Parameters
    ----------
    a : tensor or array
        The lower end.
    flip : tensor, array or bool
        Whether a stands for the upper bound: whether -Z is the standardised y.
    width, log_width : tensor or array, optional
        Of an interval with two ends.
    """

    def __init__(self, a, flip, width=None, log_width=None):
        m = backend.math(a)
        self.m, self.a, self.width, self.log_width = m, a, width, log_width
        self.flip = (a != a) if flip is False else (a == a) if flip is True else flip
        self.far = a > 0.0
        # Not by maximum and minimum, whose gradient at 0 JAX halves.
        self.positive, self.negative = m.where(a > 0.0, a, 0.0 * a), m.where(a > 0.0, 0.0 * a, a)
        self.log_mills = log_mills(self.positive)
        self.log_tail = NORMAL.log_sf(self.negative)
        self.narrow, self.relative, self.gap, self.b = None, self.far, None, None
        if width is None:
            self.log_mass = m.where(self.far, self.log_mills, self.log_tail)
            return
        self.b = m.maximum(a + width, 0.0)
        # The logarithm of P(Z > a) / P(Z > b).
        by_mills = width * (self.positive + 0.5 * width) + self.log_mills - log_mills(self.b)
        gap = m.where(self.far, by_mills, self.log_tail - NORMAL.log_sf(self.b))
        self.narrow = gap < 1.0
        self.relative = self.far | self.narrow
        self.gap = m.where(self.narrow, 0.0 * gap + 1.0, gap)
        wide = m.where(self.far, self.log_mills, self.log_tail) + log1mexp(self.gap)
        self.log_mass = m.where(self.narrow, log_width + m.log(self._narrow(0)), wide)

    def _narrow(self, power):
        """Return the mean of s^power exp(-s (a + s / 2)) over narrow intervals, by Gauss's rule."""
        m = self.m
        a = m.where(self.narrow, self.a, 0.0 * self.a)[..., None]
        width = m.where(self.narrow, self.width, 0.0 * self.width + 1e-3)[..., None]
        s = width * m.like(_NODES, a)
        return m.total(m.like(_WEIGHTS, a) * s**power * m.exp(-s * (a + 0.5 * s)))

    def back(self, distance):
        """Return a distance in the direction of y."""
        return self.m.where(self.flip, -distance, distance)

    def from_near(self, y, family):
        """Return how far y is from the bound that a stands for."""
        if family.high is None:
            return y - family.low
        if family.low is None:
            return family.high - y
        return self.m.where(self.flip, family.high - y, y - family.low)

    def bound(self, family):
        """Return the bound that a stands for."""
        zero = 0.0 * self.a
        if family.high is None:
            return zero + family.low
        if family.low is None:
            return zero + family.high
        return self.m.where(self.flip, zero + family.high, zero + family.low)

    def log_density(self, t, z):
        """Return the log-density at a + t, which is z or, mirrored, -z."""
        near = self.m.where(self.relative, -t * (self.a + 0.5 * t), NORMAL.log_density(z))
        return near - self.log_mass

    def first(self):
        """Return E(s) where relative, else E(Z)."""
        m, positive = self.m, self.positive
        at_a = NORMAL.log_density(self.negative) - self.log_mass
        excess = hazard_excess(positive)
        if self.width is None:
            near = m.exp(m.where(self.far, 0.0 * at_a, at_a))
            return m.where(self.far, excess, near)
        share = m.exp(-self.gap)
        far = (excess - share * (hazard_excess(self.b) + self.width)) / (1.0 - share)
        rise = -m.expm1(-self.width * m.maximum(self.a + 0.5 * self.width, 0.0))
        near = m.exp(m.where(self.relative, 0.0 * at_a, at_a)) * rise
        wide = m.where(self.far, far, near)
        return m.where(self.narrow, self._narrow(1) / self._narrow(0), wide)


def log_mills(a):
    """Return log(P(Z > a) / phi(a)) for a >= 0."""
    return backend.math(a).log(_ratio(_MILLS, a))


def hazard_excess(a):
    """Return phi(a) / P(Z > a) - a for a >= 0: E(Z - a) given Z > a."""
    return _ratio(_EXCESS, a)


def _ratio(polynomials, a):
    """Return P / Q / (a + 1)."""
    t = 1.0 - 2.0 / (1.0 + a / 3.0)
    over, under = (_polynomial(coefficients, t) for coefficients in polynomials)
    return over / under / (a + 1.0)


def _polynomial(coefficients, t):
    """Return the polynomial in t with these coefficients, from the constant on."""
    total = coefficients[-1] + 0.0 * t
    for coefficient in coefficients[-2::-1]:
        total = total * t + coefficient
    return total
