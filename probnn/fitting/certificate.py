"""How far weights are from the optimum of their likelihood."""

from dataclasses import dataclass

_NEAR = 0.01  # standard errors from the optimum that no reader of a table would see


@dataclass(frozen=True)
class Certificate:
    """How far weights are from the optimum of their likelihood.

    Attributes
    ----------
    gap : float
        The mean negative log-likelihood less that at the optimum; infinite if there is none.
    largest : float
        The largest distance of a coefficient from the optimum, in standard errors.
    name : str
        That coefficient's name.
    decrement, score_norm : float
        Newton's decrement at the weights, and the largest |score| over its standard deviation.
    problem : str
        Why there is no optimum to compare with; else empty.
    """

    gap: float
    largest: float
    name: str
    decrement: float
    score_norm: float
    problem: str = ""

    @property
    def converged(self):
        """Whether the coefficients, each and together, are near enough to the optimum.

        That is within a hundredth of a standard error, by their distance, the score and Newton's
        decrement.
        """
        return max(self.largest, self.decrement, self.score_norm) <= _NEAR

    def __str__(self):
        if self.problem:
            return f"Convergence: no optimum to compare with. {self.problem}"
        where = (
            f"Convergence: the mean NLL is {self.gap:.3g} above the optimum; the largest "
            f"coefficient error is {self.largest:.2g} standard errors ({self.name}); score norm "
            f"{self.score_norm:.2g}, Newton decrement {self.decrement:.2g}"
        )
        return f"{where}. " + ("Converged." if self.converged else "Not converged: run pn.polish.")
