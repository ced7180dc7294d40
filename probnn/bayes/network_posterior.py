"""All weights of a small network, as the sampler moves in them, and their posterior as draws."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from probnn import backend
from probnn.backend import keras_private
from probnn.bayes.coordinates import bounded
from probnn.bayes.posterior import Posterior
from probnn.bayes.summary import DrawnWeightsSummary
from probnn.bayes.weight_priors import WeightPriors
from probnn.glm.results import rows
from probnn.networks.entered import entered
from probnn.networks.losses import NegativeLogLikelihood
from probnn.predictive import Predictive

if TYPE_CHECKING:
    from probnn._types import Floats

_MOST = 5_000  # weights, from which a draw costs more than it tells
_WATCHED = 50  # rows whose means chains are compared in
_JITTER = 0.1  # standard deviations of the prior that chains begin from each other


def weight_priors(read, given=None):
    """Return the priors of a network's weights, of which none is to be found."""
    if read.size > _MOST:
        raise ValueError(
            f"Expected a network of up to {_MOST:,} weights, to draw them all. Received: "
            f"{read.size:,}. Draw its head's, scope='last'; or take probnn.bayes.laplace(..., "
            "scope='all', structure='kron')."
        )
    if isinstance(given, WeightPriors):
        return given
    priors = WeightPriors(read, {} if given is None else given)
    for group in priors.groups:
        group.found = False
    return priors


class OfWeights:
    """Weights = their prior means + z times their prior standard deviations."""

    def __init__(self, read, priors):
        self.read, self.size = read, read.size
        self._center, self._width = priors.center, priors.precision**-0.5
        self._program = backend.compiled(backend.value_and_grad(_likelihood(read)))
        self.log_density = bounded(self._log_density)

    def coef(self, z):
        """Return the weights."""
        return self._center + self._width * z

    def start(self, seed):
        """Return where a chain begins: near the weights that the network was trained to."""
        z = (self.read.values - self._center) / self._width
        return z + _JITTER * np.random.default_rng(seed).standard_normal(self.size)

    def running(self):
        """Return the context in which chains are run, of the whole process."""
        return in_network(self.read)

    def _log_density(self, z):
        weights = self.coef(z)
        with self.read.floats():
            value, gradient = self._program(self.read.tensor(weights))
            value, gradient = map(keras.ops.convert_to_numpy, (value, gradient))
        slope = self._width * gradient.astype("float64")
        return -float(value) - 0.5 * float(z @ z), -slope - z


@contextlib.contextmanager
def in_network(read):
    """Run programs of a network."""
    with backend.many_programs(), entered(read.network), keras_private.float64_kept():
        yield


def _likelihood(read):
    """Return a function of all weights in one tensor: the negative log-likelihood of the rows."""
    loss = NegativeLogLikelihood(
        read.family, check=False, reduction="sum", dtype=read.head.variable_dtype
    )
    raw = read.raw_function()

    def likelihood(flat):
        return loss(read.y, raw(flat, *read.leaves(read.x)), read.weights)

    return likelihood


class NetworkPosterior(Posterior):
    """Draws of all weights of a network from their posterior distribution.

    Single weights mean little, as hidden units may change places and signs: chains are compared in
    the means of up to 50 training rows, and `r_hat`, `ess_bulk` and `ess_tail` are of those.

    Attributes
    ----------
    names : list of str
        The name of each weight, as "dense/kernel[0,3]".
    coef, draws : numpy.ndarray, shape (chains, draws, p)
        The weights, as they are trained.
    priors : WeightPriors
        `precision` is that of each weight.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> x, y = np.array([[-1.5], [-0.5], [0.5], [1.5]]), np.array([0, 1, 1, 3])
    >>> network = pn.Sequential([keras.Input((1,)), pn.Head("poisson", name="head")])
    >>> posterior = pn.bayes.sample(network, x, y, scope="all", chains=1)
    >>> posterior.names, posterior.predict_distribution(x).mean().shape
    (['head/kernel[0,0]', 'head/bias[0]'], (4,))
    """

    @cached_property
    def _program(self):
        return backend.compiled(self.read.raw_function())

    def _raw_of(self, x, weights):
        """Return raw values (m, n, size) of rows at weights (m, p)."""
        leaves, found = self.read.leaves(x), []
        with in_network(self.read), self.read.floats():
            for each in weights:
                raw = self._program(self.read.tensor(each), *leaves)
                found.append(keras.ops.convert_to_numpy(raw).astype("float64"))
        return np.stack(found)

    def _raw(self, exog, count, kwargs):
        x, labels = self.read.rows(exog, **kwargs)
        flat = self._flat
        chosen = np.unique(np.linspace(0, len(flat) - 1, min(count, len(flat))).astype(int))
        return self._raw_of(x, flat[chosen]), labels

    @cached_property
    def _watched(self):
        some = np.unique(np.linspace(0, len(self.read) - 1, _WATCHED).astype(int))
        x = keras.tree.map_structure(lambda leaf: leaf[some], self.read.x)
        means = np.stack([rows.means(self.family, raw) for raw in self._raw_of(x, self._flat)])
        names = [f"mean of training row {i}" for i in some]
        return names, means.reshape(*self.coef.shape[:2], -1)

    def log_likelihood(self) -> Floats:
        """Return the log-likelihood of each training row at each draw, (chains, draws, n)."""
        raw = self._raw_of(self.read.x, self._flat)
        found = np.stack([self.family.log_prob(self.read.y, each) for each in raw])
        return found.reshape(*self.coef.shape[:2], -1)

    @property
    def _y(self):
        return self.read.y

    def _often(self):
        return slice(None)

    def _new_responses(self, draws, seed, often):
        del often  # each row counts once
        coef = self.coef if draws is None else self.coef[:, :draws]
        raw = self._raw_of(self.read.x, coef.reshape(-1, coef.shape[-1]))
        rng = np.random.default_rng(seed)
        each = [Predictive(self.family, self.family.to_params(r)).sample(1, rng)[0] for r in raw]
        return np.stack(each).reshape(*coef.shape[:2], -1)

    def how(self) -> str:
        """Return in words how the posterior was found."""
        return f"all weights, {super().how()}"

    def summary(self, level: float = 0.95) -> Any:
        """Return a table of the layers' weights, with the priors and whether draws can be trusted.

        Parameters
        ----------
        level : float
            Ignored: intervals of single weights are `interval(level)`.

        Returns
        -------
        DrawnWeightsSummary
            Its `table` is a frame.
        """
        return DrawnWeightsSummary(self)

    def __repr__(self):
        chains, draws, p = self.coef.shape
        return f"<NetworkPosterior {self.family.label}: {chains} x {draws} draws of {p} weights>"
