"""The multivariate normal distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn._quadrature import tanh_sinh
from probnn.families._frozen.vector import FrozenVector
from probnn.families._numerics import HALF_LOG_2PI, by_precision, saturate, spread
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.registry import register
from probnn.links import Link

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from probnn._types import Floats, Tensor

_ROWS = 4096  # whose lengths are integrated at once


def _rows(units):
    """Return, for each place of a lower triangle read row by row, its row and column."""
    return np.tril_indices(units)


def unpacked(packed, units):
    """Return (..., d, d) lower triangular matrices of their packed rows (..., d (d + 1) / 2)."""
    if isinstance(packed, np.ndarray):
        matrix = np.zeros((*packed.shape[:-1], units, units), dtype=packed.dtype)
        matrix[..., *_rows(units)] = packed
        return matrix
    import keras

    zero, place, rows = 0.0 * packed[..., 0], 0, []
    for i in range(units):
        row = [packed[..., place + j] for j in range(i + 1)]
        rows.append(keras.ops.stack(row + [zero] * (units - i - 1), axis=-1))
        place += i + 1
    return keras.ops.stack(rows, axis=-2)


class PackedCholesky(domains.Domain):
    """The lower triangles, row by row along the last axis, with no negative number on the diagonal.

    Also those with zeros there: a small standard deviation may round to 0.
    """

    def contains(self, values):
        """Return, for each value, whether it is finite, and not negative on the diagonal."""
        length = values.shape[-1]
        row, column = _rows(int((2 * length) ** 0.5))
        return super().contains(values) & (values >= np.where(row == column, 0.0, -np.inf))


class CholeskyFactor(Link):
    """From lower triangles L to the logarithms of their diagonal, and L_ij / L_ii beside it.

    These raw values have no units: only the diagonal depends on those of y.

    Parameters
    ----------
    units : int
        The number of rows d of the triangle, packed as (L_11, L_21, L_22, L_31, ...).
    """

    name = "cholesky"
    elementwise = False
    domain = PackedCholesky("the packed lower triangles with a positive diagonal")

    def __init__(self, units=2):
        self.units = units
        row, column = _rows(units)
        self.diagonal = [int(place) for place in np.flatnonzero(row == column)]
        self.row = [int(i) for i in row]

    def forward(self, mu):
        """Return the raw values of packed triangles."""
        m = backend.math(mu)
        diagonal = [mu[..., place] for place in self.diagonal]
        columns = [
            m.log(diagonal[i]) if place == self.diagonal[i] else mu[..., place] / diagonal[i]
            for place, i in enumerate(self.row)
        ]
        return m.stack(columns)

    def inverse(self, eta):
        """Return the packed triangles of raw values."""
        m = backend.math(eta)
        diagonal = [m.exp(eta[..., place]) for place in self.diagonal]
        columns = [
            diagonal[i] if place == self.diagonal[i] else eta[..., place] * diagonal[i]
            for place, i in enumerate(self.row)
        ]
        return m.stack(columns)

    def get_config(self):
        """Return the name and the number of rows."""
        return {"name": self.name, "units": self.units}


@register
class MultivariateNormal(Family):
    """The multivariate normal distribution: several real responses that depend on each other.

    A response is a vector of d numbers. Parameters are `loc`, the d means, with the identity link;
    and `scale_tril`, the lower triangle L of the covariance matrix L L', row by row: L_11, L_21,
    L_22, L_31, ... Its raw values are the logarithms of the diagonal, and L_ij / L_ii beside it,
    which have no units. `covariance` makes the matrix.

    Parameters
    ----------
    units : int
        The length d of a response, at least 1.
    link, links
        Of `loc`, as for any family.

    Notes
    -----
    log p(y) = -sum(z^2) / 2 - sum of log L_ii - d log(2 pi) / 2 with L z = y - loc: Mardia, Kent
    and Bibby, *Multivariate Analysis*, 1979, section 3.1; for the factor, Pinheiro and Bates
    (1996), doi:10.1007/BF00140873. A number on the diagonal below exp(-28) in float32 and exp(-300)
    in float64 counts as that bound, and a z outside of +-1e12 and +-1e100 as that one.

    Quantiles, cdf, variances and CRPS of `Predictive` are those of each response alone, in an array
    (n, d): the marginal distributions, which are normal. Densities, entropy and draws are those of
    the whole vector.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> family = pn.families.MultivariateNormal(units=2)
    >>> family.covariance(np.array([2.0, 1.0, 1.0])).tolist()
    [[4.0, 2.0], [2.0, 2.0]]
    """

    name = "multivariate_normal"
    support = domains.REAL
    vector = True

    def __init__(
        self,
        units: int = 2,
        link: str | Link | None = None,
        links: Mapping[str, str | Link] | None = None,
    ) -> None:
        if int(units) != units or units < 1:
            raise ValueError(f"Expected `units` to be a whole number >= 1. Received: {units}.")
        self.units = self.y_columns = int(units)
        super().__init__(link, links)
        if not isinstance(self.links["scale_tril"], CholeskyFactor):
            raise ValueError(
                "The link of 'scale_tril' cannot be changed. Received: "
                f"{self.links['scale_tril']!r}."
            )

    def _parameters(self):
        d = self.units
        triangle = Param(CholeskyFactor(d), CholeskyFactor.domain, size=d * (d + 1) // 2)
        return {"loc": Param("identity", domains.REAL, size=d), "scale_tril": triangle}

    def distribution(self, loc: Tensor, scale_tril: Tensor) -> Any:
        """Return TFP's MultivariateNormalTriL, or torch's MultivariateNormal."""
        matrix = unpacked(scale_tril, self.units)
        if hasattr(backend.distributions, "MultivariateNormalTriL"):
            return backend.distributions.MultivariateNormalTriL(loc=loc, scale_tril=matrix)
        return backend.distributions.MultivariateNormal(loc, scale_tril=matrix)

    def frozen(self, loc: Tensor, scale_tril: Tensor) -> Any:
        """Return SciPy-like functions: joint densities and draws, marginal cdf and quantiles."""
        return FrozenMultivariateNormal(loc, scale_tril)

    def covariance(self, scale_tril: Tensor) -> Floats:
        """Return the covariance matrices (..., d, d) of packed triangles (..., d (d + 1) / 2)."""
        matrix = unpacked(scale_tril, self.units)
        if isinstance(matrix, np.ndarray):
            return matrix @ np.swapaxes(matrix, -1, -2)
        import keras

        return matrix @ keras.ops.swapaxes(matrix, -1, -2)

    def _log_prob(self, y, loc, scale_tril):
        raw, place, total, z = scale_tril.raw, 0, 0.0, []
        m = backend.math(raw)
        low, bound = by_precision(raw, -28.0, -300.0), by_precision(raw, 1e12, 1e100)
        # Row i of L z = y - loc over L_ii: raw values beside the diagonal are L_ij / L_ii.
        for i in range(self.units):
            log_diagonal = saturate(raw[..., place + i], low=low)
            rest = (y[..., i] - loc.value[..., i]) * m.exp(-log_diagonal)
            for j in range(i):
                rest = rest - raw[..., place + j] * z[j]
            z.append(saturate(rest, -bound, bound))
            total = total - 0.5 * m.square(z[i]) - log_diagonal - HALF_LOG_2PI
            place += i + 1
        return total

    def log_density(self, y: Any, **params: Any) -> Floats:
        """Return the log-density of vectors given natural parameters, in NumPy."""
        return self.frozen(**params).logpdf(y)

    def _start(self, y):
        loc, scale = y.mean(axis=0), self.raw_spread(y)
        z = (y - loc) / scale
        correlation = z.T @ z / len(y)
        correlation[np.diag_indices(self.units)] = 1.0  # also of a column with one value
        least = np.linalg.eigvalsh(correlation)[0]
        if least < 1e-8:  # a response that the others determine: a ridge keeps it from a line
            correlation += (1e-6 - least) * np.eye(self.units)
        triangle = scale[:, None] * np.linalg.cholesky(correlation)
        return {"loc": loc, "scale_tril": triangle[_rows(self.units)]}

    def raw_spread(self, y: Any) -> Any:
        """Return how far apart the raw locations of y are."""
        return np.array([spread(column, np.mean(column)) for column in y.T])

    def _crps(self, y, loc, scale_tril):
        from probnn.families.normal import Normal

        scale = FrozenMultivariateNormal(loc, scale_tril).std()
        return Normal()._crps(y, loc=loc, scale=scale)

    def _support_hint(self):
        return f"A response of this family has {self.units} numbers: y has shape (n, {self.units})."

    def __repr__(self):
        return f"<family multivariate_normal: {self.units} units, loc ({self.links['loc'].name})>"


def _mean_length(loc, variance):
    """Return the mean length of normal vectors of independent numbers, along the last axis.

    Notes
    -----
    With L(t) = E exp(-t |X|^2), that of a gamma distribution for each number, E|X| is the integral
    of (1 - L(t)) t^(-3/2) over t > 0, over 2 sqrt(pi).
    """
    shape, d = loc.shape[:-1], loc.shape[-1]
    square, variance = loc.reshape(-1, d).T ** 2, variance.reshape(-1, d).T
    size = np.sum(square + variance, axis=0)
    found = np.sqrt(size)
    some = np.flatnonzero((size > 0) & (size < np.inf))
    for rows in np.split(some, range(_ROWS, len(some), _ROWS)):
        square_, twice = square[:, rows] / size[rows], 2.0 * variance[:, rows] / size[rows]
        total = np.zeros(len(rows))
        for node, rest, weight in zip(*tanh_sinh(reach=4.0), strict=True):
            t, product, fall = node / rest, 0.0, 0.0  # the product of all 1 + t v, less 1
            for s, v in zip(square_, twice, strict=True):
                above = t * v
                product = product + above + product * above
                fall = fall + t * s / (1.0 + above)
            gone = -np.expm1(-0.5 * np.log1p(product) - fall)
            total += weight / (np.sqrt(rest) * node * np.sqrt(node)) * gone
        found[rows] *= total / (2.0 * np.sqrt(np.pi))
    return found.reshape(shape)


class FrozenMultivariateNormal(FrozenVector):
    """Normal distributions of d numbers in each row.

    Parameters
    ----------
    loc : array_like, shape (..., d)
        The means.
    scale_tril : array_like, shape (..., d (d + 1) / 2)
        The packed Cholesky factors.
    """

    def __init__(self, loc, scale_tril):
        loc, packed = (np.asarray(v, dtype="float64") for v in (loc, scale_tril))
        self.shape = np.broadcast_shapes(loc.shape[:-1], packed.shape[:-1])
        self.units = d = loc.shape[-1]
        self.loc = np.broadcast_to(loc, (*self.shape, d))
        self.tril = np.broadcast_to(unpacked(packed, d), (*self.shape, d, d))

    def _diagonal(self):
        return np.diagonal(self.tril, axis1=-2, axis2=-1)

    # ---- of the vector ----------------------------------------------------------------------

    def logpdf(self, y):
        """Return the logarithm of the joint density of y, shape (..., d)."""
        y = np.asarray(y, dtype="float64")
        inside = np.isfinite(y)
        gap, z = np.where(inside, y, self.loc) - self.loc, []
        diagonal = self._diagonal()
        with np.errstate(divide="ignore"):
            for i in range(self.units):
                rest = gap[..., i]
                for j in range(i):
                    rest = rest - self.tril[..., i, j] * z[j]
                z.append(rest / diagonal[..., i])
            logs = np.log(diagonal).sum(axis=-1)
        found = -0.5 * sum(each**2 for each in z) - logs - self.units * HALF_LOG_2PI
        outside = np.where(np.isnan(y).any(axis=-1), np.nan, -np.inf)
        return np.where(inside.all(axis=-1), found, outside)[()]

    def entropy(self):
        """Return the entropy of the vector, in nats."""
        with np.errstate(divide="ignore"):
            logs = np.log(self._diagonal()).sum(axis=-1)
        return self.units * (0.5 + HALF_LOG_2PI) + logs

    def mean(self):
        """Return the means."""
        return self.loc

    def _draw(self, rng, size):
        noise = rng.standard_normal((*size, self.units))
        return self.loc + (self.tril @ noise[..., None])[..., 0]

    def energy(self, y):
        """Return the energy score of y, shape (..., d), by the mean lengths of normal vectors."""
        variance, axes = np.linalg.eigh(self.tril @ np.swapaxes(self.tril, -1, -2))
        variance = np.maximum(variance, 0.0)
        gap = ((y - self.loc)[..., None, :] @ axes)[..., 0, :]
        return _mean_length(gap, variance) - 0.5 * _mean_length(0.0 * gap, 2.0 * variance)

    # ---- of each number ---------------------------------------------------------------------

    def var(self):
        """Return the variances."""
        return self.std() ** 2

    def std(self):
        """Return the standard deviations."""
        return np.linalg.norm(self.tril, axis=-1)

    def _marginal(self):
        from scipy import stats

        return stats.norm(self.loc, self.std())

    def support(self):
        """Return the ends of the real line."""
        return -np.inf, np.inf
