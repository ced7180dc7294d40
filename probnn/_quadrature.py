"""Nodes and weights of quadrature, and integrals of many rows at once."""

import functools

import numpy as np


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


def _fixed(*arrays):
    for each in arrays:
        each.setflags(write=False)
    return arrays
