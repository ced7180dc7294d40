"""The normal approximation of the posterior of all weights of a network, which is made linear."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from probnn.bayes.checked import check_level
from probnn.bayes.curvature import Diagonal, Full
from probnn.bayes.kronecker import Kronecker
from probnn.bayes.mixing import pooled, roots
from probnn.bayes.posterior import Posterior
from probnn.bayes.summary import WeightsSummary
from probnn.bayes.weight_priors import WeightPriors
from probnn.bayes.weights import NetworkWeights

if TYPE_CHECKING:
    from probnn._types import Floats, Rows
    from probnn.predictive import PooledPredictive

STRUCTURES = {"full": Full, "kron": Kronecker, "diag": Diagonal}


class NetworkLaplacePosterior(Posterior):
    """A posterior of all weights of a network: normal about them, of the network made linear.

    Attributes
    ----------
    mode : numpy.ndarray, shape (p,)
        The weights that the network was trained to.
    structure : str
        "full", "kron" or "diag": what is kept of their covariance.
    priors : WeightPriors
        `precision` is that of each weight.
    decrement : float
        How far, in standard deviations of the posterior, a step of Newton's would move the weights
        towards the maximum of the likelihood; NaN but for the full structure.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> x, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 1, 1, 3])
    >>> layers = [keras.Input((1,)), keras.layers.Dense(2, "tanh", name="hidden")]
    >>> network = pn.Sequential([*layers, pn.Head("poisson")])
    >>> posterior = pn.bayes.laplace(network, x, y, scope="all", structure="diag", prior=1.0)
    >>> posterior.names[:4]
    ['hidden/kernel[0,0]', 'hidden/kernel[0,1]', 'hidden/bias[0]', 'hidden/bias[1]']
    >>> posterior.predict_distribution(x).epistemic_variance().shape
    (4,)
    """

    def __init__(
        self,
        subject: NetworkWeights,
        prior: Any = "auto",
        structure: str = "full",
        draws: int = 1000,
        seed: int = 0,
    ) -> None:
        self.subject, self.model, self.family = subject, subject, subject.family
        self.method = "laplace"
        self.structure, self.mode, self.stats = structure, subject.values, {}
        self._draws, self._seed = draws, seed
        self.priors, found = WeightPriors(subject, prior), STRUCTURES[structure](subject)
        self._log_likelihood, slope = 0.0, np.zeros(subject.size)
        for rows, raw, jacobian in subject.parts(subject.x):
            y, weights = subject.y[rows], 1.0 if subject.weights is None else subject.weights[rows]
            gradient = self.family.derivatives(y, raw, second=False)[1]
            information = self.family.information(raw) * np.reshape(weights, (-1, 1, 1))
            self._log_likelihood += float(np.sum(weights * self.family.log_prob(y, raw)))
            slope += np.einsum("nk,nkp->p", np.reshape(weights, (-1, 1)) * gradient, jacobian)
            found.add(rows, subject.part(rows), jacobian, _root(information))
        self.priors.maximise(found, self.mode)
        self._spread = found.with_prior(self.priors.precision)
        self.decrement = float(np.linalg.norm(self._spread.spread(slope)))
        if structure != "full":  # whose other entries tell how steep the gradient's direction is
            self.decrement = float("nan")

    # ---- weights ----------------------------------------------------------------------------

    @cached_property
    def names(self) -> list[str]:
        """The name of each weight, as "dense/kernel[0,3]"."""
        return self.subject.parameter_names

    @cached_property
    def coef(self) -> Floats:
        """The draws, (1, draws, p), made when they are asked for."""
        z = np.random.default_rng(self._seed).standard_normal((self._draws, self.subject.size))
        return (self.mode + self._spread.draw(z))[None]

    @property
    def mean(self) -> Floats:
        """The weights that the network was trained to, (p,)."""
        return self.mode

    @property
    def sd(self) -> Floats:
        """The standard deviations, (p,)."""
        return np.sqrt(self._spread.variances)

    def covariance(self) -> Floats:
        """Return the covariance, (p, p)."""
        root = self._spread.spread(np.eye(self.subject.size))
        return root @ root.T

    def interval(self, level: float = 0.95) -> Floats:
        """Return central intervals of the weights, (p, 2)."""
        from scipy.special import ndtri

        check_level(level)
        half = ndtri(0.5 + level / 2.0) * self.sd
        return np.column_stack([self.mode - half, self.mode + half])

    @property
    def effective_parameters(self) -> float:
        """How many weights the data determine: the sum of 1 - variance times prior precision."""
        return float(self._known.sum())

    @property
    def _known(self):
        return 1.0 - self._spread.variances * self.priors.precision

    def log_marginal_likelihood(self) -> float:
        """Return the logarithm of the probability of y under the network, by Laplace's method.

        Of networks of other layers on the same rows, the highest is the best supported.
        """
        log_joint = self._log_likelihood + self.priors.log_prob(self.mode)
        return log_joint + 0.5 * (self.subject.size * np.log(2.0 * np.pi) - self._spread.log_det)

    # ---- what is said of it -----------------------------------------------------------------

    def how(self) -> str:
        """Return in words how the posterior was found."""
        return (
            f"Laplace's method, all weights, structure {self.structure!r}: log marginal likelihood "
            f"{self.log_marginal_likelihood():.6g}"
        )

    def convergence(self) -> dict[str, Floats]:
        """Return nothing: the draws are independent."""
        return {}

    def problems(self) -> list[str]:
        """Return, in words with the remedy, why the weights are no mode; [] if they are near one.

        They are where a step of Newton's would be longer than that to a typical draw.
        """
        if not self.decrement**2 > max(self.effective_parameters, 1.0):
            return []
        return [
            f"The weights are {self.decrement:.3g} standard deviations from where the gradient of "
            f"the likelihood is zero, and a draw of the posterior only "
            f"{self.effective_parameters**0.5:.3g}: this is not about a mode. Train longer, with a "
            "smaller learning rate at the end, and without early stopping."
        ]

    def warn(self) -> None:
        """Warn if the weights are no mode."""
        for problem in self.problems():
            warnings.warn(problem, UserWarning, stacklevel=3)

    def summary(self, level: float = 0.95) -> WeightsSummary:
        """Return a table of the layers' weights, with the priors and the marginal likelihood.

        Parameters
        ----------
        level : float
            Of the intervals of single weights, of which those are counted that leave out 0.

        Returns
        -------
        WeightsSummary
            Its `table` is a frame.
        """
        return WeightsSummary(self, level)

    # ---- rows -------------------------------------------------------------------------------

    def _raw_and_roots(self, exog):
        """Return raw values (n, size) of rows, roots of their covariances (n, k, k), and labels."""
        self.subject.check_unchanged()
        x, labels = self.subject.rows(exog)
        found = [
            (raw, roots(self._spread.spread(jacobian[:, self.subject.varying])))
            for _, raw, jacobian in self.subject.parts(x)
        ]
        raw, root = map(np.concatenate, zip(*found, strict=True))
        return raw, root, labels

    def predict_distribution(self, exog: Rows | None = None) -> PooledPredictive:
        """Return the posterior predictive distribution of rows.

        The raw values of a row are normal, of the network made linear in its weights, and are
        integrated over as by `LaplacePosterior.predict_distribution`.

        Parameters
        ----------
        exog : array_like or frame, optional
            New rows, as the network takes them; by default the training rows.

        Returns
        -------
        PooledPredictive
            Its `epistemic_variance()` is what more data would take away.

        Raises
        ------
        ValueError
            If the network's weights have changed since.
        """
        raw, root, labels = self._raw_and_roots(exog)
        return pooled(self.family, raw, self.subject.varying, root, self.subject.classes, labels)

    def _raw(self, exog, count, kwargs):
        raw, root, labels = self._raw_and_roots(exog, **kwargs)
        z = np.random.default_rng(self._seed).standard_normal((count, root.shape[-1]))
        moved = np.repeat(raw[None], count, axis=0)
        moved[:, :, self.subject.varying] += np.einsum("nab,mb->mna", root, z)
        return moved, labels

    def log_likelihood(self) -> Floats:
        """Raise: draws of weights have no likelihood of a network that is linear about the mode."""
        raise NotImplementedError(
            "Expected a posterior of coefficients, for the likelihood of rows at draws. Received: "
            "one of all weights, by a network made linear. Compare networks by "
            "log_marginal_likelihood(), or by scores of held-out rows."
        )

    def _new_responses(self, draws, seed, often):
        self.log_likelihood()

    def __repr__(self):
        return (
            f"<NetworkLaplacePosterior {self.family.label}, {self.structure}: {self.subject.size} "
            "weights>"
        )


def _root(information):
    """Return roots (n, k, k) of positive semi-definite matrices (n, k, k)."""
    values, vectors = np.linalg.eigh(information)
    return vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
