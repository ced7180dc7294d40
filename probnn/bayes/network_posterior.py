"""All weights of a small network, as the sampler moves in them, and their posterior as draws."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import Any

import keras
import numpy as np

from probnn import backend
from probnn.backend import keras_private
from probnn.bayes.coordinates import bounded
from probnn.bayes.posterior import Posterior
from probnn.bayes.summary import DrawnWeightsSummary
from probnn.bayes.weight_priors import WeightPriors
from probnn.glm.observations import Observations
from probnn.glm.results import rows
from probnn.networks.entered import entered
from probnn.networks.losses import NegativeLogLikelihood

_MOST = 5_000  # weights, from which a draw costs more than it tells
_WATCHED = 50  # rows whose means chains are compared in
_JITTER = 0.1  # standard deviations of the prior that chains begin from each other


def weight_priors(subject, given=None):
    """Return the priors of a network's weights, of which none is to be found."""
    if subject.size > _MOST:
        raise ValueError(
            f"Expected a network of up to {_MOST:,} weights, to draw them all. Received: "
            f"{subject.size:,}. Draw its head's, scope='last'; or take probnn.bayes.laplace(..., "
            "scope='all', structure='kron')."
        )
    if isinstance(given, WeightPriors):
        return given
    priors = WeightPriors(subject, {} if given is None else given)
    for group in priors.groups:
        group.found = False
    return priors


class OfWeights:
    """Weights = their prior means + z times their prior standard deviations."""

    def __init__(self, subject, priors):
        self.subject, self.size = subject, subject.size
        self._center, self._width = priors.center, priors.precision**-0.5
        self._program = backend.compiled(backend.value_and_grad(_likelihood(subject)))
        self.log_density = bounded(self._log_density)

    def coef(self, z):
        """Return the weights."""
        return self._center + self._width * z

    def start(self, seed):
        """Return where a chain begins: near the weights that the network was trained to."""
        z = (self.subject.values - self._center) / self._width
        return z + _JITTER * np.random.default_rng(seed).standard_normal(self.size)

    def running(self):
        """Return the context in which chains are run, of the whole process."""
        return in_network(self.subject)

    def _log_density(self, z):
        weights = self.coef(z)
        with self.subject.floats():
            value, gradient = self._program(self.subject.tensor(weights))
            value, gradient = map(keras.ops.convert_to_numpy, (value, gradient))
        slope = self._width * gradient.astype("float64")
        return -float(value) - 0.5 * float(z @ z), -slope - z


@contextlib.contextmanager
def in_network(subject):
    """Run programs of a network."""
    with backend.many_programs(), entered(subject.network), keras_private.float64_kept():
        yield


def _likelihood(subject):
    """Return a function of all weights in one tensor: the negative log-likelihood of the rows."""
    loss = NegativeLogLikelihood(
        subject.family, check=False, reduction="sum", dtype=subject.head.variable_dtype
    )
    raw = subject.raw_function()

    def likelihood(flat):
        return loss(subject.y, raw(flat, *subject.leaves(subject.x)), subject.weights)

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
        return backend.compiled(self.subject.raw_function())

    def _raw_of(self, x, weights):
        """Return raw values (m, n, size) of rows at weights (m, p)."""
        leaves, found = self.subject.leaves(x), []
        with in_network(self.subject), self.subject.floats():
            for each in weights:
                raw = self._program(self.subject.tensor(each), *leaves)
                found.append(keras.ops.convert_to_numpy(raw).astype("float64"))
        return np.stack(found)

    def _raw(self, exog, count, kwargs):
        x, labels = self.subject.rows(exog, **kwargs)
        return self._raw_of(x, self._some(count)), labels

    @cached_property
    def _watched(self):
        some = np.unique(np.linspace(0, len(self.subject) - 1, _WATCHED).astype(int))
        x = keras.tree.map_structure(lambda leaf: leaf[some], self.subject.x)
        means = np.stack([rows.means(self.family, raw) for raw in self._raw_of(x, self._flat)])
        parts = [" ".join(f"[{i}]" for i in at) for at in np.ndindex(means.shape[2:])]
        names = [f"mean of training row {i} {part}".strip() for i in some for part in parts]
        return names, means.reshape(*self.coef.shape[:2], -1)

    @property
    def _observed(self):
        return Observations(self.subject.y, [], var_weights=self.subject.weights)

    def _raw_at(self, coef):
        return self._raw_of(self.subject.x, coef)

    def how(self) -> str:
        """Return in words how the posterior was found."""
        return f"all weights, {super().how()}"

    def summary(self, level: float = 0.95) -> Any:
        """Return a table of the layers' weights, with the priors and whether draws can be trusted.

        Parameters
        ----------
        level : float
            Of the intervals of single weights, of which those are counted that leave out 0.

        Returns
        -------
        DrawnWeightsSummary
            Its `table` is a frame.
        """
        return DrawnWeightsSummary(self, level)

    def __repr__(self):
        chains, draws, p = self.coef.shape
        return f"<NetworkPosterior {self.family.label}: {chains} x {draws} draws of {p} weights>"
