"""SciPy's distributions of all rows, with the density of their family."""

import numpy as np

from probnn.families._frozen.base import Frozen


class Scipys:
    """A SciPy distribution with its arguments: that of SciPy takes a millisecond to make.

    Parameters
    ----------
    distribution : scipy.stats.rv_continuous or scipy.stats.rv_discrete
        The distribution.
    *args, **options : array_like
        Its arguments.
    """

    def __init__(self, distribution, *args, **options):
        self._distribution, self._args, self._options = distribution, args, options

    def __getattr__(self, name):
        if name.startswith("_"):  # of a copy that is not yet whole
            raise AttributeError(name)
        method = getattr(self._distribution, name)
        return lambda *values: method(*values, *self._args, **self._options)

    def rvs(self, size, random_state):
        """Return draws, by an object of their own: SciPy's sets its generator meanwhile."""
        frozen = self._distribution(*self._args, **self._options)
        return frozen.rvs(size=size, random_state=random_state)


class FrozenScipy(Frozen):
    """A frozen SciPy distribution whose density is that of a family.

    The density of a family has digits that SciPy's formulas cancel or overflow; everything else is
    SciPy's. Where that lacks digits too, a subclass has methods of its own.

    Parameters
    ----------
    family : Family
        The family.
    scipys : scipy.stats.distributions.rv_frozen or Scipys
        Its distributions in SciPy.
    **params : array_like
        The natural parameters, of one shape or numbers.
    """

    def __init__(self, family, scipys, **params):
        self.family, self.scipys, self.discrete = family, scipys, family.discrete
        self.params = {name: np.asarray(v, dtype="float64") for name, v in params.items()}
        self.shape = np.broadcast_shapes(*(v.shape for v in self.params.values()))

    def cdf(self, y):
        """Return P(Y <= y)."""
        return self.scipys.cdf(y)

    def sf(self, y):
        """Return P(Y > y)."""
        return self.scipys.sf(y)

    def logcdf(self, y):
        """Return log P(Y <= y)."""
        return self.scipys.logcdf(y)

    def logsf(self, y):
        """Return log P(Y > y)."""
        return self.scipys.logsf(y)

    def ppf(self, p):
        """Return the smallest y with cdf(y) >= p."""
        return self.scipys.ppf(p)

    def isf(self, q):
        """Return the smallest y with sf(y) <= q."""
        return self.scipys.isf(q)

    def mean(self):
        """Return the mean."""
        return self.scipys.mean()

    def var(self):
        """Return the variance."""
        return self.scipys.var()

    def entropy(self):
        """Return the (differential) entropy, in nats."""
        return super().entropy() if self.discrete else self.scipys.entropy()

    def support(self):
        """Return the ends of the support."""
        return self.scipys.support()

    def _draw(self, rng, size):
        return self.scipys.rvs(size=size, random_state=rng)
