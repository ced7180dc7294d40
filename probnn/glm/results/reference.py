"""The distribution that estimates over their standard errors are compared with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """Student's t distribution or, without degrees of freedom, the normal: by functions alone.

    To make an object of `scipy.stats` takes the time of a small fit.

    Parameters
    ----------
    df : float, optional
        The degrees of freedom.
    """

    df: float | None = None

    def sf(self, x):
        """Return the probability above x."""
        from scipy.special import ndtr, stdtr

        return ndtr(-x) if self.df is None else stdtr(self.df, -x)

    def ppf(self, p):
        """Return the quantiles at p."""
        from scipy.special import ndtri, stdtrit

        return ndtri(p) if self.df is None else stdtrit(self.df, p)
