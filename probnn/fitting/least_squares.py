"""Linear least squares to the last digits that double precision allows.

An orthogonal factorisation of the scaled columns, then iterative refinement with residuals in twice
the precision: of the augmented system, where columns are not far from dependent.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr, solve_triangular
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtri

from probnn._parallel import share
from probnn.design.matrix import Dense
from probnn.fitting.curvature import triangle
from probnn.fitting.optimum import Optimum

_NUMBERS = 32_768  # of x, taken at once
_CONSTANT = 0.5 * math.log(2.0 * math.pi)  # of a row of variance 1, in -log p
_WELL = 30.0  # condition number up to which one correction, by the residuals alone, is enough
_NOISE = 4.0  # of y over residuals, up to which X'r is rounded as much as they are
_BEST = 10.0  # up to which Cholesky's factor of X'X has the digits of QR's
_ILL = 1e4  # condition number above which standard errors are refined too
_EXACT = 20_000_000  # numbers n p^2 up to which they are, and up to which R comes from QR


class LeastSquares:
    """The solver of a linear model: `lstsq` of its rows, times the roots of their weights."""

    def solve(self, objective, start=None):
        """Return the `Optimum` of a `Likelihood` that is quadratic; it needs no start."""
        (a,) = objective.predicted
        x, y = objective.designs[a].toarray(), objective.y - objective.offsets.get(a, 0.0)
        total = len(y)
        if objective.weights is not None:
            root, total = np.sqrt(objective.weights), objective.weights.sum()
            x, y = x * root[:, None], y * root
        found = lstsq(x, y)
        return Optimum.in_one_step(
            found.coef,
            0.5 * found.ssr + total * _CONSTANT,
            -np.dot(found.residuals, x),
            inverse_root=found.inverse_root,
            inverse=found.normalized_cov,
            ssr=found.ssr,
        )


@dataclass(frozen=True)
class Solution:
    """A solution of min ||y - X b||.

    Attributes
    ----------
    coef : numpy.ndarray, shape (p,)
        The coefficients b.
    residuals : numpy.ndarray, shape (n,)
        y - X b, rounded once.
    ssr : float
        The sum of their squares.
    normalized_cov : numpy.ndarray, shape (p, p)
        (X'X)^-1: times the residual variance, the covariance of the coefficients.
    inverse_root : numpy.ndarray, shape (p, p)
        R with R R' = (X'X)^-1.
    """

    coef: np.ndarray
    residuals: np.ndarray
    ssr: float
    normalized_cov: np.ndarray
    inverse_root: np.ndarray

    @property
    def condition_number(self):
        """The ratio of the largest to the smallest singular value of X."""
        return _condition(self.inverse_root)


def lstsq(x, y, max_iterations=20):
    """Solve a linear least-squares problem of full column rank.

    Parameters
    ----------
    x : array_like, shape (n, p)
        The design, with n >= p; computed with in float64.
    y : array_like, shape (n,)
        The response.
    max_iterations : int
        The most refinements that are made.

    Returns
    -------
    Solution

    Raises
    ------
    ValueError
        If shapes do not agree, a value is not finite, there are fewer rows than columns, or the
        columns are linearly dependent in double precision.

    Notes
    -----
    Columns are scaled by powers of two, which rounds nothing, and factorised by Householder's QR;
    where the condition number is at most 10, or 30 of many rows, R is the Cholesky factor of X'X.
    Where it is at most 30, the seminormal equations R'R b = X'y are corrected once, by R'R d = X'r:
    Bjorck (1987), doi:10.1016/0024-3795(87)90101-7. Else the augmented system r + X b = y, X'r = 0
    is refined. Its residuals, and those r where they are small beside y, are summed in twice the
    working precision by error-free transformations, which gives more digits than an 80-bit long
    double and the same on every machine: Bjorck (1967), doi:10.1007/BF01939321; Ogita, Rump and
    Oishi (2005), doi:10.1137/030601818.

    Examples
    --------
    >>> import numpy as np
    >>> from probnn.fitting.least_squares import lstsq
    >>> x = np.column_stack([np.ones(4), [1.0, 2.0, 3.0, 4.0]])
    >>> lstsq(x, [3.0, 5.0, 7.0, 9.0]).coef.tolist()
    [1.0, 2.0]
    """
    x, y = np.asarray(x, dtype="float64"), np.asarray(y, dtype="float64")
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(
            f"Expected x of shape (n, p) and y of shape (n,). Received: {x.shape} and {y.shape}."
        )
    n, p = x.shape
    if n < p or p == 0:
        raise ValueError(
            "Expected at least one column, and as many rows as columns. Received: "
            f"{n} rows and {p} columns. Leave columns out, or penalise them."
        )
    many = n * p**2 > _EXACT
    gram, moments = Dense(x).gram if many else x.T @ x, x.T @ y
    sizes, norms = gram.diagonal().tolist(), np.sqrt(gram.diagonal())
    if not all(map(math.isfinite, [*sizes, *moments.tolist()])):
        raise ValueError("Expected finite x and y. Received: NaN or infinity. Drop those rows.")
    if not all(sizes):
        zero = sizes.index(0.0)
        raise ValueError(f"Expected no column of zeros. Received: column {zero}. Leave it out.")
    power = -np.frexp(norms)[1]
    powers = power[:, None] + power
    r, failed = dpotrf(np.ldexp(gram, powers))
    root, condition = (None, np.inf) if failed else _inverse(r)
    if condition > (_WELL if many else _BEST):
        scaled = x * np.ldexp(1.0, power)
        r = triangle(scaled)
        root, condition = _inverse(r)
    if condition * np.finfo(np.float64).eps >= 1.0:
        raise ValueError(
            f"Expected linearly independent columns. Received: columns whose condition number, "
            f"scaled, is {condition:.1e}. Leave columns out, or penalise them."
        )
    if condition > _WELL:
        q, r = qr(scaled, mode="economic", check_finite=False)
        coef, residuals = _refine(scaled, y, np.zeros(p), q, r, max_iterations)
        coef, root = np.ldexp(coef, power), dtrtri(r)[0]
    else:
        moments = np.ldexp(moments, power)
        scaled = dpotrs(r, moments)[0]
        coef, square = np.ldexp(scaled, power), np.vdot(y, y)
        noisy = square - np.vdot(moments, scaled) > square / _NOISE**2
        residuals = y - np.dot(x, coef) if noisy else _residuals(x, y, scaled, power)
        step = np.ldexp(dpotrs(r, np.ldexp(x.T @ residuals, power))[0], power)
        coef, residuals = coef + step, residuals - np.dot(x, step)
    inverse = root @ root.T
    if n * p**2 <= _EXACT and condition > _ILL:
        columns = [_refine(scaled, np.zeros(n), e, q, r, max_iterations)[0] for e in np.eye(p)]
        inverse = 0.5 * (np.array(columns) + np.array(columns).T)
    return Solution(
        coef=coef,
        residuals=residuals,
        ssr=float((residuals * residuals).sum()),
        normalized_cov=np.ldexp(inverse, powers),
        inverse_root=np.ldexp(root, power[:, None]),
    )


def _refine(x, y, z, q, r, max_iterations):
    """Return b and e of the augmented system e + X b = y, X'e = -z: those of QR, refined.

    With z = 0 that is least squares; with y = 0 and z a unit vector, b is a column of (X'X)^-1.
    """
    inner = q.T @ y + solve_triangular(r, z, trans="T", check_finite=False)
    coef = solve_triangular(r, inner, check_finite=False)
    residuals = y - q @ inner
    last = np.inf
    for _ in range(max_iterations):
        f, g = _augmented_residuals(x, y, coef, residuals, z)
        inner = q.T @ f - solve_triangular(r, g, trans="T", check_finite=False)
        step = solve_triangular(r, inner, check_finite=False)
        change = np.linalg.norm(step) / (np.linalg.norm(coef + step) or 1.0)
        if change >= last / 2:  # no contraction any more: what is left is rounding
            break
        coef = coef + step
        residuals = residuals + (f - q @ inner)
        # Every refinement gains the same factor, and the first was QR's own: from there on the
        # next change is known, and one that changes no digit is not made.
        rate = change if last == np.inf else change / last
        last = change
        if change * rate < 0.1 * np.finfo(np.float64).eps:
            break
    return coef, residuals


def _residuals(x, y, coef, power):
    """Return y - X b in half as many digits more, of coefficients b that are scaled by powers of 2.

    The leading bits of X and of b are so few that no sum of their products is rounded.
    """
    bits = (55 - math.ceil(math.log2(len(coef)))) // 2
    shift = math.ldexp(1.5, 53 - bits + math.frexp(math.sqrt(np.vdot(coef, coef)))[1])
    high = (coef + shift) - shift
    high, low = both = np.ldexp([high, coef - high], power)
    b, shift = high + low, np.ldexp(1.5, 53 - bits - power)[:, None]
    found = np.empty(len(y))

    def put(rows):
        for block, columns in _blocks(x, rows):
            high = columns + shift
            high -= shift
            exact, rest = np.dot(both, high)
            total, lost = two_sum(y[block], -exact)
            columns -= high
            found[block] = total + (lost - (rest + np.dot(b, columns)))

    share(put, *x.shape)
    return found


def _augmented_residuals(x, y, coef, residuals, z):
    """Return y - e - X b and -z - X'e, each summed as if in twice the precision, rounded once."""
    f = np.empty(len(y))

    def add(rows):
        g, lost = np.zeros((2, x.shape[1]))
        for block, columns in _blocks(x, rows):
            f[block] = _remainder(columns, y[block], coef, residuals[block])
            product, rounding = _product(columns, residuals[block])
            part, more = _sum(product.T)
            g, again = two_sum(g, -part)
            lost += again - more - rounding.sum(axis=1)
        return g, lost

    g, lost = -z, 0.0
    for part, more in share(add, *x.shape):
        g, again = two_sum(g, part)
        lost = lost + more + again
    return f, g + lost


def _blocks(x, rows):
    """Yield slices of some rows with the columns there, which stay in cache with their products."""
    step = max(1, _NUMBERS // x.shape[1])
    for start in range(rows.start, rows.stop, step):
        block = slice(start, min(start + step, rows.stop))
        yield block, x[block].T.copy()


def _remainder(columns, y, coef, residuals):
    """Return y - e - X b of some rows."""
    product, lost = _product(columns, -coef[:, None])
    total, more = _sum(np.concatenate([y[None], -residuals[None], product]))
    return total + (more + lost.sum(axis=0))


def _sum(values):
    """Return sums over the first axis, and what their rounding lost, by error-free halving."""
    error = 0.0
    while len(values) > 1:
        half = len(values) // 2
        total, lost = two_sum(values[:half], values[half : 2 * half])
        error = error + lost.sum(axis=0)
        values = np.concatenate([total, values[2 * half :]]) if len(values) % 2 else total
    return values[0], error


def two_sum(a, b):
    """Return a + b rounded, and what the rounding lost: Knuth's error-free transformation."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _product(a, b):
    """Return a b rounded, and what the rounding lost: Dekker's error-free transformation."""
    product, (a_high, a_low), (b_high, b_low) = a * b, _split(a), _split(b)
    lost = a_high * b_high
    lost -= product
    lost += a_high * b_low
    lost += a_low * b_high
    lost += a_low * b_low
    return product, lost


def _inverse(r):
    """Return the inverse of a triangle, and its condition number, or a bound of a small one."""
    root, failed = dtrtri(r)
    bound = np.inf if failed else math.sqrt(np.vdot(r.T, r.T) * np.vdot(root.T, root.T))
    return root, bound if bound <= _WELL else _condition(r)


def _condition(r):
    """Return the ratio of the largest to the smallest singular value."""
    singular = np.linalg.svd(r, compute_uv=False)
    return float(singular[0] / singular[-1]) if singular[-1] else float("inf")


def _split(a):
    """Return the upper and the lower half of the digits of a."""
    high = 134217729.0 * a  # 2^27 + 1
    high = high - (high - a)
    return high, a - high
