"""Families of distributions: what a network's last layer can stand for.

Each family is one file. `FAMILIES` maps names to classes; `get` makes one; `register` adds yours.
The recipe for a new one is the docstring of `Family`.
"""

from probnn.families._base import FAMILIES, Family, Linked, Param, get, register
from probnn.families.bernoulli import Bernoulli
from probnn.families.categorical import Categorical
from probnn.families.gamma import Gamma
from probnn.families.logistic import Logistic
from probnn.families.mixture import Mixture
from probnn.families.negative_binomial import NegativeBinomial
from probnn.families.normal import Normal
from probnn.families.poisson import Poisson
from probnn.families.weibull import Weibull

__all__ = [
    "FAMILIES",
    "Bernoulli",
    "Categorical",
    "Family",
    "Gamma",
    "Linked",
    "Logistic",
    "Mixture",
    "NegativeBinomial",
    "Normal",
    "Param",
    "Poisson",
    "Weibull",
    "get",
    "register",
]
