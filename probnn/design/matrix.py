"""The protocol of designs, and the dense one."""

from functools import cached_property

import numpy as np

from probnn._parallel import share
from probnn.data.tables import constant_columns

_ALL = slice(None)


class Design:
    """A matrix (n, p) whose columns have names: what fits ask of it are products, never elements.

    To write one, subclass, set `shape`, and write `dot`, `tdot`, `sandwich`, `take` and `toarray`,
    each for some of the rows, a slice or indices. A fit visits blocks of rows that fit in cache, so
    none of them may copy more than the block.

    Parameters
    ----------
    names : list of str, optional
        The names of the columns.
    terms : dict, optional
        Name -> indices of columns that belong together, as those of a category; by default each
        column is one.

    Attributes
    ----------
    shape : tuple of int
        (n, p).
    """

    shape: tuple

    def __init__(self, names=None, terms=None):
        self.names = [f"x{j + 1}" for j in range(self.shape[1])] if names is None else list(names)
        self.terms = {name: [j] for j, name in enumerate(self.names)} if terms is None else terms

    def __len__(self):
        return self.shape[0]

    @cached_property
    def constants(self):
        """The indices of columns that have one value."""
        return constant_columns(self.toarray())

    def dot(self, b, rows=_ALL):
        """Return X b, (m,) of b (p,), or (m, k) of b (p, k)."""
        raise NotImplementedError

    def tdot(self, v, rows=_ALL):
        """Return X'v, (p,) of v (m,), or (k, p) of v (m, k)."""
        raise NotImplementedError

    def sandwich(self, w, other=None, rows=_ALL):
        """Return X' diag(w) Z, (p, q), of w (m,) and another design Z, or X itself."""
        raise NotImplementedError

    @cached_property
    def gram(self):
        """X'X, (p, p), of all rows: what tells ranks and first steps."""
        return sum(share(self._gram, *self.shape))

    def _gram(self, rows):
        return self.sandwich(np.ones(rows.stop - rows.start), rows=rows)

    @cached_property
    def glimpse(self):
        """How many rows, a few of many, and their X'X: it tells most of what all rows would."""
        n, few = self.shape[0], 2 * self.shape[1] + 500
        if few >= n // 4:
            return n, self.gram
        return few, self.take(np.sort(np.random.default_rng(0).integers(0, n, few))).gram

    @cached_property
    def squares(self):
        """The sums of squares of the columns, (p,): the diagonal of X'X, without its cost."""
        return sum(share(self._squares, *self.shape))

    def _squares(self, rows):
        x = self.toarray(rows)
        return np.einsum("ij,ij->j", x, x)

    def take(self, rows):
        """Return the design of some rows, copied."""
        raise NotImplementedError

    def toarray(self, rows=_ALL):
        """Return the rows as an array (m, p)."""
        raise NotImplementedError

    def __array__(self, dtype=None, copy=None):
        found = np.asarray(self.toarray(), dtype=dtype)  # np.array(copy=None) needs NumPy 2
        return found.copy() if copy else found


class Dense(Design):
    """A design that is an array (n, p); `constants` where somebody has looked for them."""

    def __init__(self, x, names=None, terms=None, constants=None):
        self._x, self.shape = x, x.shape
        if constants is not None:
            self.constants = constants
        super().__init__(names, terms)

    def dot(self, b, rows=_ALL):
        """Return X b: np.dot lets other threads run meanwhile, the operator @ does not always."""
        return np.dot(self._x[rows], b)

    def tdot(self, v, rows=_ALL):
        """Return X'v, (p,) or (k, p)."""
        return np.dot(v.T, self._x[rows])

    def sandwich(self, w, other=None, rows=_ALL):
        """Return X' diag(w) Z, (p, q)."""
        x = self._x[rows]
        if other in (None, self) and w.min() >= 0:
            half = x * np.sqrt(w)[:, None]
            return half.T @ half  # NumPy sees the square: half the work
        if other in (None, self) and w.max() <= 0:
            return -self.sandwich(-w, rows=rows)
        right = x if other is None else other.toarray(rows)
        return x.T @ (right * w[:, None])

    def _gram(self, rows):
        x = self._x[rows]
        return x.T @ x

    def take(self, rows):
        """Return the design of some rows, copied."""
        return Dense(self._x[rows], self.names, self.terms)

    def toarray(self, rows=_ALL):
        """Return the rows, not copied where `rows` is a slice."""
        return self._x[rows]


def ones(n):
    """Return the design of n rows whose one column is 1; it takes no memory."""
    return Dense(np.broadcast_to(1.0, (n, 1)), ["const"])


def take_rows(designs, index):
    """Return rows of designs, once for designs that are one; None stays None."""
    taken = {id(x): x.take(index) for x in designs if x is not None}
    return [None if x is None else taken[id(x)] for x in designs]


def as_designs(columns):
    """Return a `Design` for each array or design, one for those that are one; None stays None."""
    made = {id(x): x if isinstance(x, Design) else Dense(x) for x in columns if x is not None}
    return [None if x is None else made[id(x)] for x in columns]
