"""Rows whose raw values are normal, as mixtures of a few distributions."""

import numpy as np

from probnn.predictive import PooledPredictive, Predictive

_NODES = {1: 21, 2: 11}  # of Gauss and Hermite's rule, in each of few raw values
_POINTS = 256  # of a lattice, where they are more


def pooled(family, raw, columns, roots, classes, labels):
    """Return the predictive distribution of rows whose raw values are normal.

    Parameters
    ----------
    family : Family
    raw : numpy.ndarray, shape (n, size)
        The means of the raw values.
    columns : sequence of int, length k
        Those that vary.
    roots : numpy.ndarray, shape (n, k, k)
        Roots of their covariances.
    classes, labels
        What is known of y: `Classes` or None, and `ResponseLabels`.
    """
    points, weights = _points(roots.shape[-1])
    members = []
    for point in points:
        moved = raw.copy()
        moved[:, columns] += roots @ point
        member = Predictive(family, family.to_params(moved), classes=classes)
        members.append(member.labelled(labels))
    return PooledPredictive(members, weights)


def roots(spread):
    """Return roots (n, k, k) of spread @ spread', for spread (n, k, p)."""
    return np.swapaxes(np.linalg.qr(np.swapaxes(spread, 1, 2), mode="r"), 1, 2)


def _points(size):
    """Return points (m, size) and weights (m,) that stand for independent standard normals."""
    if size in _NODES:
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES[size])
        weights = weights / weights.sum()
        grid = np.stack(np.meshgrid(*[nodes] * size, indexing="ij"), axis=-1).reshape(-1, size)
        product = np.prod(
            np.stack(np.meshgrid(*[weights] * size, indexing="ij"), axis=-1), axis=-1
        ).ravel()
        kept = product > 1e-12
        return grid[kept], product[kept] / product[kept].sum()
    from scipy.special import ndtri
    from scipy.stats import qmc

    cube = qmc.Sobol(size, seed=0).random(_POINTS)
    points = ndtri(np.clip(cube, 1e-12, 1.0 - 1e-12))
    return points - points.mean(axis=0), np.full(_POINTS, 1.0 / _POINTS)
