"""The Hessian of a likelihood as sums of products of columns, weighted by the rows' curvatures."""

from itertools import combinations_with_replacement

import numpy as np

_FEW = 24  # pairs of raw columns up to which the product of each is formed by itself
_WIDE = 200  # columns above which products of all their pairs would cost more than they save


def groups_of(designs):
    """Return pairs of a design and the raw columns that it makes, for each distinct design."""
    groups = {}
    for a, x in enumerate(designs):
        if x is not None:
            groups.setdefault(id(x), (x, []))[1].append(a)
    return [*groups.values()]


def span(columns):
    """Return a slice of increasing columns where there is one: no copy is made of it."""
    together = slice(columns[0], columns[-1] + 1)
    return together if len(columns) == together.stop - together.start else columns


def shrunk(gram, rows):
    """Return the X'X of some rows, its correlations shrunk by what chance makes of them.

    Ledoit and Wolf (2004), doi:10.1016/S0047-259X(03)00096-4, with the diagonal as the target.
    """
    diagonal = gram.diagonal()
    size = np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    correlations = gram / (size * size[:, None])
    others = np.vdot(correlations, correlations) - len(gram)
    chance = len(gram) * (len(gram) - 1) / rows
    found = gram * max(0.0, 1.0 - chance / others) if others > 0.0 else gram.copy()
    np.fill_diagonal(found, diagonal)
    return found


def products_of(groups, slices):
    """Return what adds up the Hessian of raw columns with these designs."""
    if len(groups) == 1:
        (x, columns), k = groups[0], len(groups[0][1])
        if k * (k + 1) // 2 > _FEW and x.shape[1] <= _WIDE:
            return AllPairs(x, columns, slices)
    return PairByPair(groups, slices)


class PairByPair:
    """X_a' diag(w_ab) X_b of one pair of raw columns after the other."""

    def __init__(self, groups, slices):
        self.designs = {a: x for x, columns in groups for a in columns}
        self.pairs = list(combinations_with_replacement(sorted(self.designs), 2))
        self.slices, self.size = slices, max(slices[a].stop for a in self.designs)

    def zeros(self):
        """Return the sum over no rows."""
        return np.zeros((self.size, self.size))

    def add(self, total, curvature, rows):
        """Add the products of some rows, of curvatures (m, k, k) in all raw columns."""
        for a, b in self.pairs:
            product = self.designs[a].sandwich(curvature[:, a, b], self.designs[b], rows)
            total[self.slices[a], self.slices[b]] += product

    def whole(self, total):
        """Return the Hessian (p, p): the blocks below the diagonal are those above."""
        for a, b in self.pairs:
            total[self.slices[b], self.slices[a]] = total[self.slices[a], self.slices[b]].T
        return total


class AllPairs:
    """One product for many raw columns of one design: W'(X * X), of pairs of either once.

    It takes a quarter of the operations of all blocks, in one large product of matrices.
    """

    def __init__(self, x, columns, slices):
        self.x, (self.a, self.b) = x, np.triu_indices(len(columns))
        self.columns, self.places = np.array(columns), [slices[a] for a in columns]
        self.width = x.shape[1]

    def zeros(self):
        """Return the sum over no rows: a row for a pair of raw columns, a column for one of X."""
        return np.zeros((len(self.a), self.width * (self.width + 1) // 2))

    def add(self, total, curvature, rows):
        """Add the products of some rows, of curvatures (m, k, k) in all raw columns."""
        x = np.ascontiguousarray(self.x.toarray(rows).T)
        squares, end = np.empty((total.shape[1], x.shape[1])), 0
        for j, column in enumerate(x):
            start, end = end, end + self.width - j
            np.multiply(x[j:], column, out=squares[start:end])
        weights = curvature[:, self.columns[self.a], self.columns[self.b]]
        total += weights.T @ squares.T

    def whole(self, total):
        """Return the Hessian (p, p)."""
        size = max(place.stop for place in self.places)
        hessian, block = np.empty((size, size)), np.empty((self.width, self.width))
        i, j = np.triu_indices(self.width)
        for a, b, values in zip(self.a, self.b, total, strict=True):
            block[i, j] = block[j, i] = values
            hessian[self.places[a], self.places[b]] = block
            hessian[self.places[b], self.places[a]] = block
        return hessian
