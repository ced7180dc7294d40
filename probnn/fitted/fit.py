"""What each kind of fitted model says of its fit, in one form."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from probnn import families
from probnn.predictive import Predictive


@dataclass
class Fit:
    """The estimates of one model, and what they rest on.

    Attributes
    ----------
    name : str
        What the comparison calls it.
    family, link : str
        The family, and the link of its location, by the names that `probnn` has for them.
    known : Family or None
        The family itself, where it is known.
    coef, se : dict
        Name -> estimate, and standard error where there is one.
    draws, ends : numpy.ndarray, shape (m, p), and callable; or None
        Of a posterior: draws of all coefficients, and from a level to the ends (p, 2) of their
        central intervals.
    size : int
        The number of parameters, with a dispersion that is estimated after them unless `uncounted`.
    df : float
        The degrees of freedom of the t distribution of its intervals.
    nobs, llf, scale : float
        As in `Results`; NaN where they are not known, or there is no dispersion.
    divisor, predictive : str
        What the scale of the table, and that of predictions, divides Pearson's chi-squared by:
        "n", "n - p", or "other"; "" if there is no scale, or it is not known.
    y, log_likelihood : numpy.ndarray, shape (n,), or None
        The training responses, and the log-likelihood of each.
    classes : dict
        The end of a coefficient's name that is the code of a class -> that with the label.
    inputs : dict
        Name -> training column (n,).
    given : dict
        "offset", or the name of weights -> what is given of each row, (n,) or one number.
    log_prob : callable or None
        From rows of x, a frame, and their y, to the log-density of each.
    cov_type, information : str or None
        What standard errors rest on; the information is None where both kinds are one.
    penalty, weights, offset, transformed, stopped : str
        What it is penalised by, and weighted by, what is added to its linear predictor, what its
        inputs went through, why it ended early: "" for nothing.
    dropped : int
        How many rows with missing values it left out.
    maximised, hidden, uncounted : bool
        Whether llf is the maximum of a likelihood; whether it is a network with hidden layers;
        whether size leaves out the variance of a linear model, as statsmodels does.
    certificate : Certificate or None
        Of a network whose layers are linear.
    held_out : numpy.ndarray, shape (m,), or None
        The negative log-likelihood of each held-out row.
    """

    name: str
    family: str
    link: str
    coef: dict
    size: int
    known: families.Family | None = None
    df: float = np.inf
    nobs: float = np.nan
    se: dict = field(default_factory=dict)
    draws: np.ndarray | None = None
    ends: Callable | None = None
    llf: float = np.nan
    scale: float = np.nan
    divisor: str = ""
    predictive: str = ""
    y: np.ndarray | None = None
    log_likelihood: np.ndarray | None = None
    classes: dict = field(default_factory=dict)
    inputs: dict = field(default_factory=dict)
    given: dict = field(default_factory=dict)
    log_prob: Callable | None = None
    cov_type: str | None = None
    information: str | None = None
    penalty: str = ""
    weights: str = ""
    transformed: str = ""
    stopped: str = ""
    dropped: int = 0
    offset: str = ""
    maximised: bool = False
    hidden: bool = False
    uncounted: bool = False
    certificate: object = None
    held_out: np.ndarray | None = None

    def interval(self, level):
        """Return the ends (p, 2) of the coefficients' intervals, NaN without a standard error."""
        if self.ends is not None:
            return self.ends(level)
        half = quantile(0.5 + level / 2.0, self.df)
        each = [(at, half * self.se.get(name, np.nan)) for name, at in self.coef.items()]
        return np.array([(at - half, at + half) for at, half in each])

    @property
    def aic(self):
        """-2 llf + 2 p; not known for a penalised model, whose freedom is less than p."""
        return np.nan if self.penalty else 2.0 * self.size - 2.0 * self.llf

    @property
    def bic(self):
        """-2 llf + log(n) p; not known for a penalised model."""
        return np.nan if self.penalty else np.log(self.nobs) * self.size - 2.0 * self.llf

    @property
    def discrete(self):
        """Whether the log-likelihood is of probabilities, not of densities; None if unknown."""
        known = self.known or families.FAMILIES.get(self.family)
        return None if known is None else known.discrete


def divisor(total, scale, nobs, df_resid):
    """Return which number of rows the scale divides Pearson's chi-squared by, as text."""
    for name, rows in (("n", nobs), ("n - p", df_resid)):
        if np.isclose(total, scale * rows, rtol=1e-6, atol=0.0):
            return name
    return "other"


def known_of(named):
    """Return name -> numbers, without the None of what is not given."""
    return {name: np.asarray(each) for name, each in named.items() if each is not None}


def weighted(named):
    """Return which weights there are, name -> (n,) or None, as text."""
    given = {n: w for n, w in named.items() if w is not None and np.any(np.asarray(w) != 1.0)}
    return ", ".join(f"{name} (mean {np.mean(values):.4g})" for name, values in given.items())


def shifted(offsets):
    """Return what is added to a linear predictor, arrays (n,) or None, as text."""
    given = [values for values in offsets if values is not None and np.any(values)]
    return f"an offset (mean {np.mean(sum(given)):.4g})" if given else ""


def distribution(family, mean, phi, **known):
    """Return the `Predictive` of a family by its mean and its dispersion."""
    options = {"classes": mean.shape[1]} if np.ndim(mean) == 2 else {}
    family = families.get(family, **options)
    return Predictive(family, {family.location: mean, **family.with_dispersion(phi), **known})


def log_prob(predictive, y, what="y_test"):
    """Return the log-density of y in each row, for y in the support."""
    predictive, y = predictive.coded(y)
    predictive.family.check(np.asarray(y, dtype="float64"), what)
    return predictive.log_prob(y)


def quantile(p, df=np.inf):
    """Return the quantile of Student's t distribution; of the normal one for an infinite df."""
    from scipy import stats

    return float(stats.t.ppf(p, df) if np.isfinite(df) else stats.norm.ppf(p))
