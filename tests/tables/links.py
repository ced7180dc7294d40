"""The table of links that the tests read."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import statsmodels.genmod.families.links as sm_links

import probnn as pn


@dataclass(frozen=True)
class LinkCase:
    """A link, its counterpart in statsmodels, and values of mu to the ends of its domain."""

    name: str
    reference: Callable
    mu: tuple
    link: pn.links.Link | None = None


_UNIT = (1e-300, 1e-100, 1e-12, 0.01, 0.3, 0.5, 0.7, 0.99, 1 - 1e-12)
_POSITIVE = (1e-300, 1e-30, 1e-3, 1.0, 7.5, 1e30, 1e300)

LINKS = [
    LinkCase("identity", sm_links.Identity(), (-1e300, -1.0, 0.0, 2.5, 1e300)),
    LinkCase("log", sm_links.Log(), _POSITIVE),
    LinkCase("softplus", lambda mu: mu + np.log(-np.expm1(-mu)), _POSITIVE),
    LinkCase("logit", sm_links.Logit(), _UNIT),
    LinkCase("probit", sm_links.Probit(), _UNIT),
    LinkCase("cloglog", sm_links.CLogLog(), _UNIT),
    LinkCase("loglog", sm_links.LogLog(), _UNIT),
    LinkCase("cauchit", sm_links.Cauchy(), _UNIT),
    LinkCase("inverse", sm_links.InversePower(), _POSITIVE),
    LinkCase("inverse_squared", sm_links.InverseSquared(), (1e-100, 1e-3, 1.0, 7.5, 1e100)),
    LinkCase("sqrt", sm_links.Sqrt(), _POSITIVE),
    LinkCase("power", sm_links.Power(1.0), _POSITIVE),
    LinkCase("power", sm_links.Power(0.3), (1e-100, 1e-3, 1.0, 7.5, 1e100), pn.links.Power(0.3)),
]
