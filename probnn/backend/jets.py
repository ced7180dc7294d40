"""Arrays that carry their derivatives: exact gradients and Hessians of each row, nothing compiled.

A `Jet` is the value of an expression of n rows, with its first and second derivatives in the
columns of a table: those that are not zero everywhere. Functions have the names that tensors' have.
Derivatives go forwards: Griewank and Walther (2008), doi:10.1137/1.9780898717761, chapter 13.
"""

import numpy as np

_BLOCK = 16_384  # rows whose arrays a core's cache holds


class Jet:
    """A value with its derivatives.

    Attributes
    ----------
    value : numpy.ndarray, shape (n, ...)
        The value.
    first : dict
        Column -> derivative, of a shape that broadcasts to the value's.
    second : dict or None
        Columns (i, j), i <= j -> second derivative, likewise; None if they are not wanted.
    """

    __slots__ = ("first", "second", "value")
    __array_ufunc__ = None  # NumPy arrays leave operators to this class
    __hash__ = None

    def __init__(self, value, first, second):
        self.value, self.first, self.second = value, first, second

    shape = property(lambda self: self.value.shape)

    def __array__(self, *args, **kwargs):
        raise TypeError("Expected the functions of backend.math(x), for a Jet, which is no array.")

    def __getitem__(self, index):
        if not (isinstance(index, tuple) and index[0] is Ellipsis):
            raise TypeError(f"Expected an index x[..., i], for a Jet. Received: {index!r}.")
        return each(self, lambda part, shape: taken(part, shape, index))

    def __neg__(self):
        return each(self, lambda part, _: -part, whole=False)

    def __abs__(self):
        sign = np.sign(self.value)
        return each(self, lambda part, _: sign * part, whole=False)

    def __add__(self, other):
        if not isinstance(other, Jet):
            return Jet(self.value + other, self.first, self.second)
        second = None if self.second is None else added(dict(self.second), other.second)
        return Jet(self.value + other.value, added(dict(self.first), other.first), second)

    __radd__ = __add__

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def __mul__(self, other):
        if not isinstance(other, Jet):
            return each(self, lambda part, _: part * other, whole=False)
        a, b = self, other
        first = added(scaled(a.first, b.value), scaled(b.first, a.value))
        second = None
        if a.second is not None:
            second = added(scaled(a.second, b.value), scaled(b.second, a.value))
            second = added(second, products(a.first, b.first))
        return Jet(a.value * b.value, first, second)

    __rmul__ = __mul__

    def __truediv__(self, other):
        if not isinstance(other, Jet):
            return each(self, lambda part, _: part / other, whole=False)
        value = self.value / other.value
        inverse = 1.0 / other.value
        first = added(scaled(self.first, inverse), scaled(other.first, -value * inverse))
        second = None
        if self.second is not None:
            second = added(scaled(self.second, inverse), scaled(other.second, -value * inverse))
            second = added(second, products(first, scaled(other.first, -inverse)))
        return Jet(value, first, second)

    def __rtruediv__(self, other):
        inverse = 1.0 / self.value
        return other * chained(
            self, inverse, lambda: -inverse * inverse, lambda: 2.0 * inverse * inverse * inverse
        )

    def __pow__(self, exponent):
        x, n = self.value, exponent
        return chained(
            self,
            x**n,
            lambda: n * x ** (n - 1) if n else 0.0,
            lambda: n * (n - 1) * x ** (n - 2) if n not in (0, 1) else 0.0,
        )

    def __eq__(self, other):
        return self.value == value_of(other)

    def __ne__(self, other):
        return self.value != value_of(other)

    def __lt__(self, other):
        return self.value < value_of(other)

    def __le__(self, other):
        return self.value <= value_of(other)

    def __gt__(self, other):
        return self.value > value_of(other)

    def __ge__(self, other):
        return self.value >= value_of(other)


def derivatives(function, arrays, second):
    """Return a function of rows, with its gradients and Hessians in those of its last argument.

    Parameters
    ----------
    function : callable
        `function(*others, x)` of jets, x of shape (n, k), returns one of shape (n,).
    arrays : sequence of numpy.ndarray
        Its arguments, in float64.
    second : bool
        Whether the Hessians are wanted.

    Returns
    -------
    value, gradient, hessian : numpy.ndarray
        Of shape (n,), (n, k), and (n, k, k) or None.
    """
    n, k = arrays[-1].shape
    value, gradient = np.empty(n), np.zeros((n, k))
    hessian = np.zeros((n, k, k)) if second else None
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        *others, x = (array[rows] for array in arrays)
        x = Jet(x, dict(enumerate(np.eye(k))), {} if second else None)
        with np.errstate(all="ignore"):
            found = constant(function(*(constant(other, x) for other in others), x), x)
        value[rows] = found.value
        for i, part in found.first.items():
            gradient[rows, i] = part
        for (i, j), part in (found.second or {}).items():
            hessian[rows, i, j] = hessian[rows, j, i] = part
    return value, gradient, hessian


# ---- how derivatives are carried -----------------------------------------------------------------


def value_of(x):
    """Return the value of a jet, or what is none."""
    return x.value if isinstance(x, Jet) else x


def each(x, function, whole=True):
    """Return a linear function of the value and of each derivative, given the value's shape."""
    shape = x.value.shape if whole else None
    first = {i: function(part, shape) for i, part in x.first.items()}
    first = {i: part for i, part in first.items() if part is not None}
    if x.second is None:
        return Jet(function(x.value, shape), first, None)
    second = {ij: function(part, shape) for ij, part in x.second.items()}
    return Jet(function(x.value, shape), first, second)


def taken(part, shape, index):
    """Return part[index] of a part that broadcasts to a shape; None where that is 0 in all rows."""
    if np.ndim(part) == 1 and len(shape) > 1 and index[1:] != (None,):  # all rows have the same
        taken = np.broadcast_to(part, shape[-1:])[index[1]]
        return taken if np.any(taken) else None
    return np.broadcast_to(part, shape)[index]


def scaled(parts, factor):
    """Return a table of derivatives times a factor."""
    return {key: part * factor for key, part in parts.items()}


def added(one, other):
    """Return the sum of two tables of derivatives, of which the first may be changed."""
    for key, part in other.items():
        one[key] = one[key] + part if key in one else part
    return one


def products(one, other):
    """Return the table, by pairs of columns, of one_i other_j + one_j other_i."""
    found = {}
    for i, a in one.items():
        for j, b in other.items():
            key = (i, j) if i <= j else (j, i)
            product = a * b if i != j else 2.0 * (a * b)
            found[key] = found[key] + product if key in found else product
    return found


def squares(one, factor):
    """Return the table, by pairs of columns, of one_i one_j times a factor."""
    columns = sorted(one)
    bent = scaled(one, factor)
    return {(i, j): bent[i] * one[j] for a, i in enumerate(columns) for j in columns[a:]}


def chained(x, value, slope, curve):
    """Return f(x), given its value, and functions that return f'(x) and f''(x)."""
    if not x.first:
        return Jet(value, {}, x.second)
    f1, second = slope(), None
    if x.second is not None:
        second = added(scaled(x.second, f1), squares(x.first, curve()))
    return Jet(value, scaled(x.first, f1), second)


def constant(x, like):
    """Return a jet, or a number as one without derivatives."""
    return x if isinstance(x, Jet) else Jet(np.asarray(x), {}, None if like.second is None else {})


def joined(parts, join):
    """Return arrays that are joined, value by value and derivative by derivative."""
    model = next(part for part in parts if isinstance(part, Jet))
    parts = [constant(part, model) for part in parts]

    def table(of):
        keys = dict.fromkeys(key for part in parts for key in of(part))
        return {
            key: join([np.broadcast_to(of(p).get(key, 0.0), p.value.shape) for p in parts])
            for key in keys
        }

    second = None if model.second is None else table(lambda part: part.second)
    return Jet(join([part.value for part in parts]), table(lambda part: part.first), second)
