"""Correct digits of every family's distributions at extreme parameters, against mpmath.

    python tests/benchmarks/edges.py [--record]

A digit is counted by the log relative error -log10(|found - exact| / |exact|), capped at 15; each
figure is the worst over a family's parameters, and over responses between its quantiles at 1e-12
and 1 - 1e-16. The exact density is mpmath's, with 50 digits, at that response, and a tail may be
that of the next float; tails, moments, entropy and CRPS are Gauss's rule over exact densities, in a
variable in which they are smooth, or sums of exact probabilities.
"""

import functools
import itertools
import sys
import warnings

import mpmath as mp
import numpy as np
import pandas as pd
from _edge_densities import CASES
from _edge_vectors import VECTORS
from _record import options, show

import probnn as pn
from probnn.families._frozen import parts_of

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
SMALL = [300, 200, 100, 60, 40, 30, 24, 20, 17, 14, 12, 10, 8, 6.5, 5, 4, 3, 2.3, 1.7, 1.3, 1, 0.6]
LEVELS = np.array([1e-12, 1e-4, 0.3, 0.5, 0.9, 1 - 1e-8, 1 - 2.0**-53])
COLUMNS = ["log_prob", "cdf", "sf", "quantile", "mean", "variance", "entropy", "crps"]


def digits(found, exact, scale=None, slack=0.0):
    """Return the correct digits of each number, or of the nearest one within some slack of it."""
    found, exact = np.asarray(found, dtype=float), np.asarray(exact, dtype=float)
    size = np.abs(exact) if scale is None else np.maximum(np.abs(exact), scale)
    with np.errstate(all="ignore"):
        error = np.where(found == exact, 0.0, np.maximum(np.abs(found - exact) - slack, 0.0) / size)
        return np.clip(np.where(np.isnan(error), 0.0, -np.log10(error)), 0.0, 15.0)


@functools.cache
def _cumulative():
    """Return the matrix of integrals from -1 to each node of the polynomials through all nodes."""
    n = len(NODES)
    basis = np.polynomial.legendre.legvander(NODES, n)
    columns = [NODES + 1.0]
    columns += [(basis[:, j + 1] - basis[:, j - 1]) / (2 * j + 1) for j in range(1, n)]
    return np.column_stack(columns) @ np.linalg.inv(basis[:, :n])


class Exact:
    """What follows from an exact density: integrals over panels between rough quantiles.

    Parameters
    ----------
    log_density : callable
        Of one mpmath number.
    kind : str
        "real", "circle", "positive", "unit", or "wide" for counts whose probabilities are smooth.
    frozen : Frozen
        Whose quantiles are ends of panels, no more.
    y : numpy.ndarray
        Responses.
    atom, log_atom : mpmath.mpf
        P(Y = 0) of a positive density, and its logarithm; of counts, half of it, below the panels,
        and the logarithm of all.
    widest : float
        Of the panels.
    """

    def __init__(self, log_density, kind, frozen, y, atom=0, log_atom=-mp.inf, widest=np.inf):
        self.log_density, self.kind, self.widest = log_density, kind, widest
        self.atom, self.log_atom = float(atom), float(log_atom)
        some = float(-mp.expm1(log_atom))
        self.shift = mp.mpf("0.5") if kind == "wide" else mp.mpf(0)
        ends = [*y]
        with np.errstate(all="ignore"):
            for _, part in parts_of(frozen):
                for level in (np.full(frozen.shape, 10.0**-s) for s in SMALL):
                    ends += [part.ppf(level).item(), part.isf(some * level).item()]
                    if self.atom:
                        ends.append(part.isf(some * (1.0 - level)).item())
        ends = np.array(ends)[np.isfinite(ends)]
        middle = frozen.mean() if self.atom else frozen.ppf(np.full(frozen.shape, 0.5))
        self.middle = mp.mpf(float(np.max(middle)))
        gap = abs(frozen.ppf(np.full(frozen.shape, 0.7)) - frozen.ppf(np.full(frozen.shape, 0.3)))
        self.unit = self.middle if self.atom else mp.mpf(float(np.max(gap))) or mp.mpf(1)
        ends = [mp.mpf(float(v)) + more for v in ends for more in {mp.mpf(0), self.shift}]
        x = sorted({self.to_x(v) for v in ends if self.inside(v)})
        if self.kind == "real":
            x = sorted({*x, *(side * 2.0**-j for j in range(40) for side in (-1, 1))})
        if self.kind == "unit":
            x = sorted({*x, *np.arange(-40.0, 42.0, 2.0)})
        edges = np.array([*self._beyond(x[0], -1)[::-1], *x, *self._beyond(x[-1], 1)])
        more = [
            np.linspace(a, b, int(np.ceil((b - a) / widest)), endpoint=False)
            for a, b in itertools.pairwise(edges)
        ]
        self.edges = edges if widest == np.inf else np.array([*np.concatenate(more), edges[-1]])
        width = np.diff(self.edges)
        self.x = self.edges[:-1, None] + 0.5 * width[:, None] * (NODES + 1.0)
        self.half = 0.5 * width[:, None]
        y = [[self.to_y(v) for v in row] for row in self.x]
        logs = [[self.of_x(v) for v in row] for row in self.x]
        slopes = [[self.slope(v) for v in row] for row in self.x]
        self.f = np.array(
            [
                [float(mp.exp(a + mp.log(b))) for a, b in zip(*rows, strict=True)]
                for rows in zip(logs, slopes, strict=True)
            ]
        )  # of x
        self.logs = np.array([[float(v) for v in row] for row in logs])
        self.first = float(self.to_y(self.edges[0]) / self.unit)  # below which there is an atom
        self.gap = np.array([[float((v - self.middle) / self.unit) for v in row] for row in y])
        self.dy = np.array([[float(v / self.unit) for v in row] for row in slopes])
        inner = self.half * (self.f @ _cumulative().T)
        mass = (self.half * self.f) @ WEIGHTS
        self.below = self.atom + np.concatenate([[0.0], np.cumsum(mass)])
        self.above = np.concatenate([np.cumsum(mass[::-1])[::-1], [0.0]])
        self.lower = self.below[:-1, None] + inner
        back = self.half * (self.f[:, ::-1] @ _cumulative().T)[:, ::-1]
        self.upper = self.above[1:, None] + back

    def _beyond(self, x, side):
        """Return ends of panels beyond all quantiles, as far as there is some probability."""
        ends, step = [], 0.02 * max(abs(x), 1e-300) if self.kind == "wide" else 0.5
        most = 60 if self.widest == np.inf else 600
        while self.kind != "circle" and len(ends) < most:
            end = x + side * step
            log_density = self.of_x(end) + mp.log(self.slope(end))
            ends.append(end)
            if log_density + mp.log(abs(end) + 1) < -700:
                break
            step += min(step, self.widest)
        return ends

    def inside(self, y):
        """Return whether a quantile is no end of the support."""
        known = {"real": True, "circle": abs(y) <= mp.pi, "unit": 0 < y < 1}
        return known.get(self.kind, y > 0)

    def of_x(self, x):
        """Return the log-density at the y of an x."""
        if self.kind == "unit":  # whose y may round to 1
            return self.log_density(mp.mpf(float(x)), odds=True)
        return self.log_density(self.to_y(x))

    def to_x(self, y):
        """Return the variable of integration."""
        if self.kind in ("real", "circle"):
            return float(mp.asinh((mp.mpf(y) - self.middle) / self.unit))
        if self.kind == "unit":
            return float(mp.log(mp.mpf(y) / (1 - mp.mpf(y))))
        return float(mp.log(mp.mpf(y) / self.middle))

    def to_y(self, x):
        """Return y, exactly."""
        x = mp.mpf(float(x))
        if self.kind in ("real", "circle"):
            return self.middle + self.unit * mp.sinh(x)
        return 1 / (1 + mp.exp(-x)) if self.kind == "unit" else self.middle * mp.exp(x)

    def slope(self, x):
        """Return the derivative of y in x."""
        x = mp.mpf(float(x))
        if self.kind in ("real", "circle"):
            return self.unit * mp.cosh(x)
        if self.kind == "unit":
            return 1 / (1 + mp.exp(-x)) / (1 + mp.exp(x))
        return self.middle * mp.exp(x)

    def _integral(self, values):
        with np.errstate(all="ignore"):
            terms = np.where(self.f > 0, self.half * self.f * values, 0.0)
        return float((terms @ WEIGHTS).sum())

    def _edge(self, y):
        return int(np.argmin(abs(self.edges - self.to_x(y))))

    def tails(self, y):
        """Return P(Y <= y) and P(Y > y) of a y that is an end of a panel."""
        if self.kind != "wide":
            at = self._edge(y) if y or not self.atom else 0
            return self.below[at], self.above[at]
        h, u = mp.mpf("1e-3") * self.unit, mp.mpf(float(y))
        at = self._edge(u + self.shift)
        slope = mp.exp(self.log_density(u + h)) - mp.exp(self.log_density(u - h))
        fix = float(slope / (48 * h))  # Euler and Maclaurin's, of the midpoint rule
        return self.below[at] - fix, self.above[at] + fix

    def mean_gap(self):
        """Return the mean less the middle."""
        return float(self.unit) * self._mean()

    def _mean(self):
        return self._integral(self.gap) - self.atom * float(self.middle / self.unit)

    def variance(self):
        """Return the variance."""
        with np.errstate(all="ignore"):
            mean = self._mean()
            found = self._integral((self.gap - mean) ** 2)
            if self.atom:
                found += self.atom * (float(self.middle / self.unit) + mean) ** 2
            return float(self.unit) ** 2 * found

    def entropy(self):
        """Return the entropy."""
        return -self._integral(self.logs) - (self.atom and self.atom * self.log_atom)

    def crps(self, y):
        """Return the CRPS of a y that is an end of a panel."""
        edge = self._edge(y) if y or not self.atom else 0
        with np.errstate(all="ignore"):
            low, high = (np.where(t > 0, t**2 * self.dy, 0.0) for t in (self.lower, self.upper))
            low, high = (self.half * low) @ WEIGHTS, (self.half * high) @ WEIGHTS
        found = low[:edge].sum() + high[edge:].sum()
        if self.atom:
            found += self.first * (self.atom if edge else self.above[0]) ** 2
        return float(self.unit) * float(found)


class ExactCounts:
    """What follows from exact probabilities of few counts."""

    def __init__(self, log_mass, last):
        self.k = np.arange(last + 1)
        self.logs = [log_mass(int(k)) for k in self.k]
        self.mass = np.array([mp.exp(v) for v in self.logs])
        self.below = np.cumsum(self.mass)
        self.above = np.append(np.cumsum(self.mass[::-1])[::-1][1:], mp.mpf(0))

    def tails(self, y):
        """Return P(Y <= y) and P(Y > y)."""
        return float(self.below[int(y)]), float(self.above[int(y)])

    def mean_gap(self):
        """Return the mean."""
        return float(sum(self.k * self.mass))

    def variance(self):
        """Return the variance."""
        mean = sum(self.k * self.mass)
        return float(sum((k - mean) ** 2 * m for k, m in zip(self.k, self.mass, strict=True)))

    def entropy(self):
        """Return the entropy."""
        some = ((m, v) for m, v in zip(self.mass, self.logs, strict=True) if m > 0)
        return float(-sum(m * v for m, v in some))

    def crps(self, y):
        """Return the CRPS."""
        y = int(y)
        return float(sum(self.below[:y] ** 2) + sum(self.above[y:] ** 2))


def of_case(case):
    """Return name -> the worst digits of a family at one set of parameters."""
    d = pn.Predictive(case.family, {name: [value] for name, value in case.params.items()})
    found = {}
    quantiles = np.array([np.ravel(d.frozen.ppf(np.array([p])))[0] for p in LEVELS])
    y = np.unique(quantiles[np.isfinite(quantiles)])
    support = case.family.family.support if case.family.censored else case.family.support
    inside = support.contains(y)
    y = y[inside] if inside.any() else y
    log_density = case.log_density(**{n: _exact(v) for n, v in case.params.items()})
    if isinstance(case.kind, int):
        exact = ExactCounts(log_density, case.kind)
        y = np.unique(np.append(y, [0.0, 1.0]))
        offset = 0.0
    else:
        atom, log_atom = 0, -mp.inf
        if case.family.atom or case.kind == "wide":
            log_atom = log_density(mp.mpf(0))
            atom = mp.exp(log_atom) / (1 if case.family.atom else 2)
        if case.family.atom:
            some = float(-mp.expm1(log_atom))
            y = np.unique([*y, *(d.frozen.isf(some * p).item() for p in LEVELS[1:-1])])
        exact = Exact(log_density, case.kind, d.frozen, y, atom, log_atom, case.widest)
        offset = float(exact.middle)
    each = pn.Predictive(case.family, {n: [v] * len(y) for n, v in case.params.items()})
    tails = np.array([exact.tails(v) for v in y])
    logs = np.array([float(log_density(mp.mpf(float(v)))) for v in y])
    found["log_prob"] = digits(each.log_prob(y), logs)
    seen = tails > 1e-290
    ulp = np.array([float(mp.exp(v) * mp.mpf(float(abs(x)))) for v, x in zip(logs, y, strict=True)])
    ulp = 0.0 if isinstance(exact, ExactCounts) else 2.0**-52 * ulp
    found["cdf"] = digits(each.frozen.cdf(y), tails[:, 0], slack=ulp)[seen[:, 0]]
    found["sf"] = digits(each.frozen.sf(y), tails[:, 1], slack=ulp)[seen[:, 1]]
    found["quantile"] = [
        _of_quantile(exact, q, p, logs[y == q])
        for p, q in zip(LEVELS, quantiles, strict=True)
        if q in y
    ]
    variance = exact.variance()
    if case.moments:
        found["mean"] = digits(d.mean() - offset, exact.mean_gap(), max(offset, variance**0.5))
        found["variance"] = digits(d.variance(), variance)
    found["entropy"] = digits(d.entropy(), exact.entropy(), 0.0 if case.discrete else 1.0)
    if case.moments and case.kind != "circle":  # whose scores are of angles
        scores = np.array([exact.crps(v) for v in y])
        found["crps"] = digits(each.crps(y), scores)
    return {name: float(np.min(v)) for name, v in found.items() if len(np.atleast_1d(v))}


def of_vector(case):
    """Return name -> the worst digits of a family of vectors at one set of parameters."""
    density, mean, variance, entropy = case.exact(**{n: _exact(v) for n, v in case.params.items()})
    d = pn.Predictive(case.family, {name: [value] for name, value in case.params.items()})
    each = pn.Predictive(case.family, {n: [v] * len(case.y) for n, v in case.params.items()})
    logs = [float(density(_exact(y))) for y in case.y]
    of_numbers = d.variance()[0]
    if np.ndim(variance) == 2:
        square = case.family.covariance(np.array(case.params["scale_tril"]))
        of_numbers, variance = [square, np.diag(of_numbers)], np.array(variance, dtype=float)
        variance = [variance, np.diag(np.diag(variance))]
    return {
        "log_prob": digits(each.log_prob(np.array(case.y)), logs).min(),
        "mean": digits(d.mean()[0], mean).min(),
        "variance": digits(of_numbers, variance).min(),
        "entropy": digits(d.entropy()[0], entropy, 1.0).min(),
    }


def _of_quantile(exact, q, p, log_density):
    """Return the digits of a quantile, to first order: the gap of the tail over the density."""
    low, high = exact.tails(q)
    if isinstance(exact, ExactCounts):
        before = low - float(exact.mass[int(q)])
        after = high + float(exact.mass[int(q)])
        right = (
            before < p <= low * (1 + 1e-15)
            if p < 0.5
            else high <= (1 - p) * 1.0002 < after * 1.0004
        )
        return 15.0 if right else 0.0
    if q == 0 and exact.atom:
        return 15.0 if p <= low else 0.0
    gap = low - p if p < 0.5 else (1 - p) - high
    size = float(mp.exp(mp.mpf(float(log_density[0]))) * max(abs(mp.mpf(float(q))), exact.unit))
    rest = 1.0 if exact.kind == "wide" else 0.0  # a count is next to the level
    error = max(abs(gap) / size - rest / max(abs(q), 1.0), 0.0)
    return float(np.clip(-np.log10(max(error, 1e-15)), 0.0, 15.0))


def _exact(value):
    return [_exact(v) for v in value] if isinstance(value, list) else mp.mpf(value)


def table(show_low=True):
    """Return a row of worst digits for each family."""
    mp.mp.dps = 50
    rows = {}
    for of, case in (*((of_case, c) for c in CASES), *((of_vector, c) for c in VECTORS)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = of(case)
        low = {name: round(v, 1) for name, v in found.items() if v < 8.0}
        if low and show_low:
            print(f"below 8 digits: {case.name} {case.params}: {low}", file=sys.stderr, flush=True)
        worst = rows.setdefault(case.name, {})
        for name, v in found.items():
            worst[name] = min(v, worst.get(name, 15.0))
    return rows


def main():
    """Print the table."""
    arguments = options(__doc__).parse_args()
    rows = table()
    cells = {
        column: [f"{row[column]:.1f}" if column in row else "" for row in rows.values()]
        for column in COLUMNS
    }
    show("edges", {"Correct digits": pd.DataFrame(cells, index=list(rows))}, arguments.record)


if __name__ == "__main__":
    main()
