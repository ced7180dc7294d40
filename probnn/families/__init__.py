"""Families of distributions: what a network's last layer can stand for.

Each family is one file. `FAMILIES` maps names to classes; `get` makes one; `register` adds yours.
The recipe for a new one is the docstring of `Family`.
"""

from probnn.families._params import Linked, Param
from probnn.families.base import Family
from probnn.families.bernoulli import Bernoulli
from probnn.families.beta import Beta
from probnn.families.beta_binomial import BetaBinomial
from probnn.families.binomial import Binomial
from probnn.families.categorical import Categorical
from probnn.families.censored import Censored
from probnn.families.dirichlet import Dirichlet
from probnn.families.discretized import Discretized
from probnn.families.exponential import Exponential
from probnn.families.gamma import Gamma
from probnn.families.geometric import Geometric
from probnn.families.gumbel import Gumbel
from probnn.families.hurdle import Hurdle
from probnn.families.inverse_gaussian import InverseGaussian
from probnn.families.laplace import Laplace
from probnn.families.log_logistic import LogLogistic
from probnn.families.log_normal import LogNormal
from probnn.families.logistic import Logistic
from probnn.families.mixture import Mixture
from probnn.families.multivariate_normal import MultivariateNormal
from probnn.families.negative_binomial import NegativeBinomial
from probnn.families.normal import Normal
from probnn.families.ordinal import Ordinal
from probnn.families.poisson import Poisson
from probnn.families.registry import FAMILIES, get, register
from probnn.families.spline_flow import SplineFlow
from probnn.families.student_t import StudentT
from probnn.families.transformation import Transformation
from probnn.families.truncated_normal import TruncatedNormal
from probnn.families.tweedie import Tweedie
from probnn.families.von_mises import VonMises
from probnn.families.weibull import Weibull
from probnn.families.zero_inflated import ZeroInflated

__all__ = [
    "FAMILIES",
    "Bernoulli",
    "Beta",
    "BetaBinomial",
    "Binomial",
    "Categorical",
    "Censored",
    "Dirichlet",
    "Discretized",
    "Exponential",
    "Family",
    "Gamma",
    "Geometric",
    "Gumbel",
    "Hurdle",
    "InverseGaussian",
    "Laplace",
    "Linked",
    "LogLogistic",
    "LogNormal",
    "Logistic",
    "Mixture",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "Ordinal",
    "Param",
    "Poisson",
    "SplineFlow",
    "StudentT",
    "Transformation",
    "TruncatedNormal",
    "Tweedie",
    "VonMises",
    "Weibull",
    "ZeroInflated",
    "get",
    "register",
]
