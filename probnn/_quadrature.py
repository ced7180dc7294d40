"""Nodes and weights of quadrature, and integrals of many rows at once."""

import functools

import numpy as np

from probnn._parallel import share_blocks

# Kronrod's rule of 21 nodes on (-1, 1) for x >= 0, and Gauss's of 10, which are every second one.
_NODES = (
    0.0,
    0.148874338981631210884826001719,
    0.294392862701460198131126603104,
    0.433395394129247190799265943166,
    0.562757134668604683339000099273,
    0.679409568299024406234327365115,
    0.780817726586416897063717578345,
    0.865063366688984510732096688423,
    0.930157491355708226001207180060,
    0.973906528517171720077964012084,
    0.995657163025808080735527280689,
)
_KRONROD = (
    0.149445554002916905664936468390,
    0.147739104901338491374841515972,
    0.142775938577060080797094273139,
    0.134709217311473325928054001772,
    0.123491976262065851077958109585,
    0.109387158802297641899210590326,
    0.093125454583697605535065465083,
    0.075039674810919952767043140917,
    0.054755896574351996031381300245,
    0.032558162307964727478818972459,
    0.011694638867371874278064396062,
)
_GAUSS = (
    0.295524224714752870173815619189,
    0.269266719309996355091226921569,
    0.219086362515982043995534934228,
    0.149451349150580593145863396958,
    0.066671344308688137593568809893,
)

_APART = 0.25  # of the shorter panel beside an end: no farther from another it is left out
_PANELS = 1024  # whose values are held at once: more leave the cache, and BLAS takes threads


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
    gauss = np.zeros(11)
    gauss[1::2] = _GAUSS
    nodes, weights, gauss = (np.concatenate([v[:0:-1], v]) for v in (_NODES, _KRONROD, gauss))
    nodes = nodes * np.where(np.arange(21) < 10, -1.0, 1.0)
    return _fixed(0.5 * (nodes + 1.0), 0.5 * weights, 0.5 * (weights - gauss))


@functools.cache
def running():
    """Return the matrix that makes integrals from 0 to each node of values at those of `kronrod`.

    Shape (21, 21): of the polynomial through the values.
    """
    x = 2.0 * kronrod()[0] - 1.0
    legendre = np.polynomial.legendre
    each = [legendre.legint(row, lbnd=-1.0) for row in np.eye(len(x))]
    integrals = np.stack([legendre.legval(x, one) for one in each], axis=-1)
    return _fixed(0.5 * np.linalg.solve(legendre.legvander(x, len(x) - 1).T, integrals.T).T)[0]


def adaptive(function, edges, tolerance=1e-13, halvings=60):
    """Return the integrals over panels of many rows, (n,): a panel is halved until it is known.

    Parameters
    ----------
    function : callable
        Of numbers of rows (m,), one for each panel, and starts and widths of these: the values
        (21, m) at the nodes of `kronrod`.
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
    n, (_, weights, excess) = len(edges), kronrod()
    start, width = edges[:, :-1].ravel(), np.diff(edges).ravel()
    rows, total, allowed = np.repeat(np.arange(n), edges.shape[1] - 1), np.zeros(n), None
    some = width > 0
    rows, start, width = rows[some], start[some], width[some]
    for left in range(halvings, -1, -1):
        mean, gap, spread, size = found = np.empty((4, len(rows)))

        def block(first, panels=(rows, start, width), found=found):
            part = slice(first, first + _PANELS)
            values = function(*(v[part] for v in panels))
            mean = weights @ values
            sizes = weights @ abs(values - mean), weights @ abs(values)
            found[:, part] = mean, abs(excess @ values), *sizes

        share_blocks(block, range(0, len(rows), _PANELS))
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


def merged(edges, kink=None):
    """Return ends of panels (n, m), in order, for the mean of K integrands in each of n rows.

    Parameters
    ----------
    edges : numpy.ndarray, shape (n, K, e)
        The ends of panels of each integrand, in order; NaN for one without weight. One is left out
        if there is another below it at a small part of its own panels: of integrands that are much
        alike, all together need no more panels than one of them.
    kink : int, optional
        The number of an end that is never left out.
    """
    n, gap = len(edges), _APART * np.diff(edges)
    near = np.minimum(np.dstack([gap[..., :1], gap]), np.dstack([gap, gap[..., -1:]]))
    if kink is not None:
        near[..., kink] = 0.0
    edges, near = edges.reshape(n, -1), near.reshape(n, -1)
    last = np.fmax.reduce(edges, axis=-1)
    edges = np.fmin(edges, last[:, None])
    order = np.argsort(edges, axis=-1)
    edges, near = (np.take_along_axis(each, order, -1).T.copy() for each in (edges, near))
    kept = np.full(n, -np.inf)
    for here, close in zip(edges, near, strict=True):
        here[here - kept <= close] = np.inf
        kept = np.where(here < last, here, kept)
    edges = np.sort(np.minimum(edges, last).T, axis=-1)
    return edges[:, : 1 + (edges < last[:, None]).sum(axis=-1).max(initial=0)]


def _fixed(*arrays):
    for each in arrays:
        each.setflags(write=False)
    return arrays
