"""The likelihood of linear predictors: one function of the coefficients for every family."""

import copy
import functools
from collections.abc import Iterator
from itertools import accumulate

import numpy as np

from probnn._parallel import share
from probnn.design.matrix import as_designs, take_rows
from probnn.fitting.objective import Objective, added
from probnn.fitting.products import groups_of, products_of, shrunk, span

_NUMBERS = 200_000  # of a design taken at once: a block and its products stay in cache
_LARGE = 2_000_000  # numbers in a design above which a sample of its rows is fitted first
_MANY, _COSTLY = 64, 100_000_000  # coefficients, numbers n p^2, from which a Hessian costs more
_SAMPLE = 1_000  # rows that tell the mean curvature at the start


class Likelihood(Objective):
    """The negative log-likelihood of coefficients, summed over rows, with its derivatives.

    Every raw column of the family is the product of a design with coefficients of its own, or one
    known value. Data are visited in blocks of rows that fit in cache, and are never copied.

    Parameters
    ----------
    family : probnn.families.Family
        The family of the responses.
    y : numpy.ndarray, shape (n,)
        Responses inside its support.
    designs : sequence of length family.size
        The `Design`, or array, (n, p_a) of each raw column, or None where its value is known.
    known : numpy.ndarray, shape (family.size,)
        The raw values of columns without a design.
    offsets : dict, optional
        Raw column -> array (n,) to add to it.
    weights : numpy.ndarray, shape (n,), optional
        A factor for the negative log-likelihood of each row.

    Attributes
    ----------
    slices : list
        For each raw column, where its coefficients stand among all.
    size : int
        The number of coefficients.
    """

    in_memory = True

    def __init__(self, family, y, designs, known, offsets=None, weights=None):
        self.family, self.y, self.designs, self.known = family, y, as_designs(designs), known
        self.offsets, self.weights = offsets or {}, weights
        widths = [0 if x is None else x.shape[1] for x in self.designs]
        ends = accumulate(widths)
        self.slices = [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]
        self.size = sum(widths)
        self.every = 1
        self.predicted = [a for a, x in enumerate(self.designs) if x is not None]
        self.groups = groups_of(self.designs)
        self.products = products_of(self.groups, self.slices)

    def __len__(self):
        return len(self.y)

    def blocks(self, rows=None, second=True) -> Iterator[slice]:
        """Yield slices of rows, of all or of a share, that are computed with at once."""
        widest = max(x.shape[1] for x, _ in self.groups)
        # A block's product is added to a Hessian, which should cost little beside it.
        least = min(max(256, widest), 1_000) if second else 256
        step = max(least, _NUMBERS // max(self.family.size ** (1 + second), widest))
        rows = slice(0, len(self)) if rows is None else rows
        for start in range(rows.start, rows.stop, step * self.every):
            yield slice(start, min(start + step, rows.stop))

    @property
    def smooth(self):
        """Whether second derivatives exist everywhere."""
        return self.family.smooth

    @property
    def is_quadratic(self):
        """Whether it is half the sum of squared residuals of a linear model, but for a constant."""
        family = self.family
        if family.loss != "squared_error" or not family.is_canonical or len(self.predicted) > 1:
            return False
        unit = family.with_dispersion(1.0).items()
        names = list(family.params)
        return all(
            self.known[names.index(name)] == family.links[name].forward(np.float64(value))
            for name, value in unit
        )

    @property
    def is_wide(self):
        """Whether a Hessian costs so much that steps borrow another."""
        return self.size >= _MANY and len(self) * self.size**2 >= _COSTLY

    def sample(self):
        """Return the likelihood of a random part of many rows, copied; None of few."""
        n = len(self)
        few = max(n // 50, 100 * self.size)
        if n * self.size <= _LARGE or few >= n // 4:
            return None
        return self.rows(np.sort(np.random.default_rng(0).integers(0, n, few)))

    def thinned(self, every):
        """Return the likelihood of one block of rows in `every`, spread over all, not copied."""
        thin = copy.copy(self)
        thin.every = every
        return thin

    def rows(self, index):
        """Return the likelihood of some of the rows, copied."""
        return Likelihood(
            self.family,
            self.y[index],
            take_rows(self.designs, index),
            self.known,
            {a: offset[index] for a, offset in self.offsets.items()},
            None if self.weights is None else self.weights[index],
        )

    def mean_hessian(self, coef):
        """Return a Hessian as if all rows had their mean curvature; None of few coefficients.

        It costs products of the columns of a few rows, and has none of different designs.
        """
        if not self.is_wide:
            return None
        some = np.random.default_rng(0).integers(0, len(self), _SAMPLE)
        few = self.rows(np.sort(some))
        mean = few.curvatures(coef).mean(axis=0)
        if self.weights is not None:
            mean *= self.weights.mean() / few.weights.mean()
        hessian = np.zeros((self.size, self.size))
        for x, columns in self.groups:
            rows, gram = x.glimpse
            gram = gram if rows == len(self) else shrunk(gram, rows) * (len(self) / rows)
            for a in columns:
                for b in columns:
                    hessian[self.slices[a], self.slices[b]] = mean[a, b] * gram
        return hessian

    @property
    def cost(self):
        """How many gradients take about the time of a Hessian: it is bound by products of rows."""
        return 2.0 + self.size / 30.0

    def rough_hessian(self, coef):
        """Return the Hessian that a few of the rows tell; None where few are many of them."""
        few = 100 * max(x.shape[1] for x, _ in self.groups)
        if self.size < _MANY or few > len(self) // 5:
            return None
        some = np.random.default_rng(0).integers(0, len(self), few)
        return len(self) / few * self.rows(np.sort(some))(coef)[2]

    def linear(self, coef, rows=slice(None)):
        """Yield each design's raw columns and what coefficients make of it in some rows, (n, k)."""
        for x, columns in self.groups:
            b = np.stack([coef[self.slices[a]] for a in columns], axis=1)
            yield columns, x.dot(b, rows)

    def raw(self, coef, rows=slice(None)):
        """Return the raw values (n, size of the family) of some rows."""
        n = len(self.y[rows])
        raw = np.empty((self.family.size, n)).T  # families take column by column
        if len(self.predicted) < raw.shape[1]:
            raw[:] = self.known
        for columns, values in self.linear(coef, rows):
            if len(columns) == raw.shape[1]:
                raw = values
            else:
                raw[:, span(columns)] = values
        for a, offset in self.offsets.items():
            raw[:, a] += offset[rows]
        return raw

    def __call__(self, coef, second=True):
        """Return the value, the gradient (p,), and the Hessian (p, p) or None, at coefficients."""
        shares = share(lambda rows: self._sums(coef, rows, second), len(self), self.size)
        value, gradient, hessian = functools.reduce(added, shares)
        return float(value), gradient, self.products.whole(hessian) if second else None

    def _sums(self, coef, share, second):
        """Return the sums over a share of the rows; of the Hessian, as `products` holds it."""
        value, gradient = 0.0, np.zeros(self.size)
        hessian = self.products.zeros() if second else None
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for rows in self.blocks(share, second):
                nll, slope, curvature = self._derivatives(coef, rows, second)
                value += nll.sum()
                for x, columns in self.groups:
                    parts = x.tdot(slope[:, span(columns)], rows)
                    for a, part in zip(columns, parts, strict=True):
                        gradient[self.slices[a]] += part
                if second:
                    self.products.add(hessian, curvature, rows)
        return value, gradient, hessian

    def scores(self, coef):
        """Return the gradient of the log-likelihood of each row in the coefficients, (n, p)."""
        scores = np.empty((len(self), self.size))
        for rows in self.blocks():
            _, slope, _ = self._derivatives(coef, rows, second=False)
            for a in self.predicted:
                x = self.designs[a].toarray(rows)
                scores[rows, self.slices[a]] = -slope[:, a, None] * x
        return scores

    def curvatures(self, coef):
        """Return the Hessians (n, k, k) of the rows' negative log-likelihood in raw values."""
        return np.concatenate([self._derivatives(coef, rows, True)[2] for rows in self.blocks()])

    def expected_curvatures(self, coef):
        """Return the expected Hessians (n, k, k) of the rows' negative log-likelihood."""
        found = [self.family.information(self.raw(coef, rows)) for rows in self.blocks()]
        found = np.concatenate(found)
        return found if self.weights is None else self.weights[:, None, None] * found

    def information(self, curvatures):
        """Return the Hessian (p, p) that Hessians (n, k, k) in raw values make."""
        hessian = self.products.zeros()
        for rows in self.blocks():
            self.products.add(hessian, curvatures[rows], rows)
        return self.products.whole(hessian)

    def _derivatives(self, coef, rows, second):
        nll, slope, curvature = self.family.derivatives(
            self.y[rows], self.raw(coef, rows), second, self.predicted
        )
        if self.weights is not None:
            weight = self.weights[rows]
            nll, slope = weight * nll, weight[:, None] * slope
            curvature = weight[:, None, None] * curvature if second else None
        return nll, slope, curvature
