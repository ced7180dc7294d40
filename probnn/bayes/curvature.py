"""The curvature of a likelihood in all weights of a network: whole, its diagonal, or factors."""

from abc import ABC, abstractmethod

import numpy as np

from probnn.fitting.curvature import Curvature

MOST_FULL = 5_000  # weights whose covariance is kept whole: 200 MB


class Structure(ABC):
    """Sum over rows of J' H J, J the Jacobian of raw values (k, size), H their information.

    Subclasses keep what they need of it.
    """

    def __init__(self, weights):
        self.weights = weights

    @abstractmethod
    def add(self, rows, x, jacobian, root):
        """Add rows, a slice, with x, Jacobians (m, k, size), and roots (m, k, k) of H."""

    @abstractmethod
    def with_prior(self, precision):
        """Return the `Spread` where the prior adds a precision (size,) to each weight's own."""


class Spread(ABC):
    """A normal distribution of weights, with covariance S = R R'.

    Attributes
    ----------
    log_det : float
        The logarithm of the determinant of S^-1.
    variances : numpy.ndarray, shape (size,)
        The diagonal of S.
    """

    @abstractmethod
    def spread(self, jacobian):
        """Return jacobian @ R, for jacobian (..., size)."""

    @abstractmethod
    def draw(self, z):
        """Return z @ R', for z (m, size)."""


class Full(Structure):
    """The whole matrix."""

    def __init__(self, weights):
        if weights.size > MOST_FULL:
            raise ValueError(
                f"Expected up to {MOST_FULL} weights, for their whole covariance. Received: "
                f"{weights.size}. Take structure='kron', or 'diag'."
            )
        super().__init__(weights)
        self.matrix = np.zeros((weights.size, weights.size))

    def add(self, rows, x, jacobian, root):
        """Add rows."""
        scaled = (np.swapaxes(root, 1, 2) @ jacobian).reshape(-1, self.weights.size)
        self.matrix += scaled.T @ scaled

    def with_prior(self, precision):
        """Return the `Spread` with a prior."""
        matrix = self.matrix.copy()
        matrix.flat[:: len(matrix) + 1] += precision
        return FullSpread(matrix)


class FullSpread(Spread):
    """That of a whole matrix."""

    def __init__(self, matrix):
        curvature = Curvature(matrix)
        self.log_det = 2.0 * float(np.log(np.diag(curvature.factor)).sum())
        self._root = curvature.inverse_root()
        self.variances = np.square(self._root).sum(axis=1)

    def spread(self, jacobian):
        """Return jacobian @ R."""
        return jacobian @ self._root

    def draw(self, z):
        """Return z @ R'."""
        return z @ self._root.T


class Diagonal(Structure):
    """The diagonal alone: weights are independent."""

    def __init__(self, weights):
        super().__init__(weights)
        self.diagonal = np.zeros(weights.size)

    def add(self, rows, x, jacobian, root):
        """Add rows."""
        self.diagonal += np.square(np.swapaxes(root, 1, 2) @ jacobian).sum(axis=(0, 1))

    def with_prior(self, precision):
        """Return the `Spread` with a prior."""
        return DiagonalSpread(self.diagonal + precision)


class DiagonalSpread(Spread):
    """That of independent weights."""

    def __init__(self, diagonal):
        self.log_det, self.variances = float(np.log(diagonal).sum()), 1.0 / diagonal
        self._sd = np.sqrt(self.variances)

    def spread(self, jacobian):
        """Return jacobian @ R."""
        return jacobian * self._sd

    def draw(self, z):
        """Return z @ R'."""
        return z * self._sd
