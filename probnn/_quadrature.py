"""Nodes and weights of quadrature, and integrals of many rows at once."""

import functools

import numpy as np

# Kronrod's rule of 15 nodes on (-1, 1) for x >= 0, and Gauss's of 7, which are every second one.
_NODES = (
    0.0,
    0.207784955007898467600689403773245,
    0.405845151377397166906606412076961,
    0.586087235467691130294144838258730,
    0.741531185599394439863864773280788,
    0.864864423359769072789712788640926,
    0.949107912342758524526189684047851,
    0.991455371120812639206854697526329,
)
_KRONROD = (
    0.209482141084727828012999174891714,
    0.204432940075298892414161999234649,
    0.190350578064785409913256402421014,
    0.169004726639267902826583426598550,
    0.140653259715525918745189590510238,
    0.104790010322250183839876322541518,
    0.063092092629978553290700663189204,
    0.022935322010529224963732008058970,
)
_GAUSS = (
    0.417959183673469387755102040816327,
    0.381830050505118944950369775488975,
    0.279705391489276667901467771423780,
    0.129484966168869693270611432679082,
)

_PANELS = 2048  # whose values are held at once


@functools.cache
def gauss_legendre(n):
    """Return the n nodes and weights of Gauss's rule on (0, 1), each of shape (n,)."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return _fixed(0.5 * (nodes + 1.0), 0.5 * weights)


@functools.cache
def tanh_sinh(step=0.0625, reach=3.5):
    """Return nodes u of (0, 1), 1 - u to its last digit, and weights, each of shape (m,).

    Takahasi and Mori (1974), doi:10.2977/prims/1195192451: algebraic or logarithmic singularities
    at either end cost no accuracy.
    """
    t = step * np.arange(-round(reach / step), round(reach / step) + 1)
    v = 0.5 * np.pi * np.sinh(t)
    node, rest = 1.0 / (1.0 + np.exp(-2.0 * v)), 1.0 / (1.0 + np.exp(2.0 * v))
    return _fixed(node, rest, step * np.pi * np.cosh(t) * node * rest)


def integral(function, start, width, nodes=16):
    """Return the integrals of a function from start to start + width, by Gauss's rule.

    Parameters
    ----------
    function : callable
        Of an array of arguments, one in each interval.
    start, width : array_like
        The intervals, which broadcast.
    nodes : int
        In each interval.
    """
    total = 0.0
    for node, weight in zip(*gauss_legendre(nodes), strict=True):
        total = total + weight * function(start + node * width)
    return width * total


@functools.cache
def kronrod():
    """Return nodes and weights of a rule on (0, 1), and these less those of Gauss's rule inside."""
    gauss = np.zeros(8)
    gauss[::2] = _GAUSS
    nodes, weights, gauss = (np.concatenate([v[:0:-1], v]) for v in (_NODES, _KRONROD, gauss))
    nodes = nodes * np.where(np.arange(15) < 7, -1.0, 1.0)
    return _fixed(0.5 * (nodes + 1.0), 0.5 * weights, 0.5 * (weights - gauss))


def adaptive(function, edges, tolerance=1e-13, halvings=60):
    """Return the integrals over panels of many rows, (n,): a panel is halved until it is known.

    Parameters
    ----------
    function : callable
        Of numbers of rows (m,), one for each panel, and arguments (15, m).
    edges : numpy.ndarray, shape (n, e)
        The ends of panels, in order.
    tolerance : float
        The error of a panel that is allowed, over the integral of the row's absolute values.
    halvings : int
        The most of a panel.

    Notes
    -----
    Errors are estimated as in QUADPACK's QAG: Piessens et al. (1983),
    doi:10.1007/978-3-642-61786-7.
    """
    n, (nodes, weights, excess) = len(edges), kronrod()
    start, width = edges[:, :-1].ravel(), np.diff(edges).ravel()
    rows, total, allowed = np.repeat(np.arange(n), edges.shape[1] - 1), np.zeros(n), None
    some = width > 0
    rows, start, width = rows[some], start[some], width[some]
    for left in range(halvings, -1, -1):
        mean, gap, spread, size = np.empty((4, len(rows)))
        for first in range(0, len(rows), _PANELS):
            part = slice(first, first + _PANELS)
            values = function(rows[part], start[part] + nodes[:, None] * width[part])
            mean[part], gap[part] = weights @ values, abs(excess @ values)
            spread[part], size[part] = weights @ abs(values - mean[part]), weights @ abs(values)
        if allowed is None:
            allowed = tolerance * np.bincount(rows, width * size, n)
        with np.errstate(all="ignore"):
            error = width * spread * np.minimum((200.0 * gap / spread) ** 1.5, 1.0)
        more = (error > allowed[rows]) & (left > 0)
        total += np.bincount(rows[~more], (width * mean)[~more], n)
        if not more.any():
            break
        rows, start, width = rows[more], start[more], 0.5 * width[more]
        rows, start = np.repeat(rows, 2), np.stack([start, start + width], axis=-1).ravel()
        width = np.repeat(width, 2)
    return total


def _fixed(*arrays):
    for each in arrays:
        each.setflags(write=False)
    return arrays
