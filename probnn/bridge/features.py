"""What parameters of a head are made of, as the columns of a design."""

from dataclasses import dataclass

import numpy as np

from probnn.networks.affine import Chain


@dataclass
class Features:
    """Columns of x, which linear layers pass to the head, or features that other layers make.

    Attributes
    ----------
    intercept : bool
        Whether the design has a constant.
    names : list of str
        Of its other columns.
    chain : Chain or None
        The linear layers between x and the head.
    made : numpy.ndarray, shape (n, m), or None
        The features that other layers make of the rows.
    kept : list of int or None
        Which of them the design has.
    """

    intercept: bool
    names: list
    chain: Chain | None = None
    made: np.ndarray | None = None
    kept: list | None = None

    @classmethod
    def of_layers(cls, made, intercept, keep_all):
        """Return those that layers make, the independent ones of them or all."""
        kept = [*range(made.shape[1])] if keep_all else _independent(made, intercept)
        return cls(intercept, [f"feature {j + 1}" for j in kept], made=made, kept=kept)

    @property
    def labels(self):
        """The names of all columns of the design."""
        return ["const", *self.names] if self.intercept else self.names

    def design(self, x, made):
        """Return the design of rows, x (n, p) and what layers make of them (n, m)."""
        columns = x if self.kept is None else made[:, self.kept]
        return np.column_stack([np.ones(len(columns)), columns]) if self.intercept else columns

    def of_head(self, kernel, bias):
        """Return the kernel (m, k) and the bias (k,) of the head, on the columns of the design."""
        if self.kept is None:
            return self.chain.slope @ kernel, bias + self.chain.shift @ kernel
        lost = [j for j in range(len(kernel)) if j not in self.kept]
        if not lost:
            return kernel, bias
        said = self.made[:, lost] @ kernel[lost]
        change = np.linalg.lstsq(self.design(None, self.made), said, rcond=None)[0]
        if self.intercept:
            return kernel[self.kept] + change[1:], bias + change[0]
        return kernel[self.kept] + change, bias

    def to_head(self, wanted, old):
        """Return the kernel (m, k) of the head for one on the columns, and what its bias gains.

        `old` is the present one, (m, k). A linear layer changes where the head alone cannot.
        """
        if self.kept is None:
            kernel = self.chain.reach(wanted, old)
            return kernel, -self.chain.shift @ kernel
        kernel = np.zeros_like(old)
        kernel[self.kept] = wanted
        return kernel, 0.0


def _independent(features, intercept):
    """Return the columns of features that are independent, of each other and of a constant."""
    from scipy.linalg import qr

    first = np.ones((len(features), 1)) if intercept else np.empty((len(features), 0))
    rest = features - first @ (first.T @ features) / len(features)
    size = np.sqrt((rest**2).sum(axis=0))
    own = np.sqrt((features**2).sum(axis=0))
    alive = np.flatnonzero(size > 1e-6 * own)  # features are float32: less is rounding
    if not alive.size:
        raise ValueError(
            "Expected a network with a feature that varies. Received: none of the "
            f"{features.shape[1]} features before the head does. Train again from other weights."
        )
    r, order = qr(rest[:, alive] / size[alive], mode="r", pivoting=True)
    pivots = np.abs(np.diag(r[: len(alive)]))
    return sorted(int(j) for j in alive[order[: int(np.sum(pivots > 1e-5 * pivots[0]))]])
