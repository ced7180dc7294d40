"""What stochastic gradient descent at a constant rate says of a network's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from probnn.bayes.checked import check_whole
from probnn.fitting.progress import Progress

if TYPE_CHECKING:
    from probnn._types import AnyModel, ArrayLike, Floats, Rows
    from probnn.families import Family
    from probnn.predictive import PooledPredictive


class SWAGPosterior:
    """A normal distribution of all weights of a network, as `swag` finds it.

    Weights stand one after another, in the order of the network's `trainable_variables`.

    Attributes
    ----------
    model : probnn.Model or probnn.Sequential
        A copy of the network, with the mean weights.
    mean : numpy.ndarray, shape (p,)
        The mean of the weights over epochs.
    variances : numpy.ndarray, shape (p,)
        Their variances over epochs.
    deviations : numpy.ndarray, shape (rank, p)
        The weights of the last epochs, less their mean.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> x, y = np.arange(8.0)[:, None], np.array([0, 1, 1, 2, 2, 3, 2, 4])
    >>> model = pn.Sequential([keras.Input((1,)), pn.Head("poisson")])
    >>> posterior = pn.bayes.swag(model, x, y, epochs=4, rank=3, learning_rate=0.01, batch_size=2)
    >>> posterior.mean.shape, posterior.covariance().shape, posterior.draw(5).shape
    ((2,), (2, 2), (5, 2))
    """

    def __init__(self, model: AnyModel, weights: Moments, seed: int) -> None:
        self.model, self._seed = model, seed
        self.mean, self.variances = weights.mean, weights.variances
        self.deviations = weights.deviations
        self._assign(self.mean)

    @property
    def family(self) -> Family:
        """The family of the network's head."""
        return self.model.heads.family

    @property
    def _scaled(self):
        return self.deviations / np.sqrt(2.0 * (len(self.deviations) - 1))

    @property
    def sd(self) -> Floats:
        """The standard deviations, (p,)."""
        return np.sqrt(0.5 * self.variances + np.square(self._scaled).sum(axis=0))

    def covariance(self) -> Floats:
        """Return the covariance, (p, p)."""
        return np.diag(0.5 * self.variances) + self._scaled.T @ self._scaled

    def draw(self, count: int, seed: int | None = None) -> Floats:
        """Return random weights, (count, p); of one seed, that of the posterior by default."""
        rng = np.random.default_rng(self._seed if seed is None else seed)
        alone = np.sqrt(0.5 * self.variances) * rng.standard_normal((count, len(self.mean)))
        together = rng.standard_normal((count, len(self.deviations))) @ self._scaled
        return self.mean + alone + together

    def predict_distribution(
        self, x: Rows, *, draws: int = 30, verbose: int | str = "auto", **kwargs: Any
    ) -> PooledPredictive:
        """Return the mixture of what the network predicts with random weights.

        Parameters
        ----------
        x, **kwargs
            As in `probnn.Model.predict_distribution`.
        draws : int
            How many, always the same ones.
        verbose : int or "auto"
            Whether one line says how many are done.

        Returns
        -------
        PooledPredictive
            Its `epistemic_variance()` is that of the rows' means over weights.
        """
        from probnn.networks.entered import entered
        from probnn.predictive import PooledPredictive

        check_whole(draws=draws)
        progress = Progress(verbose, "draw", draws)
        with entered(self.model):
            try:
                members = []
                for weights in self.draw(draws):
                    self._assign(weights)
                    members.append(self.model.predict_distribution(x, verbose=0, **kwargs))
                    progress(len(members))
            finally:
                self._assign(self.mean)
        return PooledPredictive(members)

    def aleatoric_variance(self, x: Rows, **kwargs: Any) -> Floats:
        """Return the variance of rows that more data would not make smaller, (n,)."""
        return self.predict_distribution(x, **kwargs).aleatoric_variance()

    def epistemic_variance(self, x: Rows, **kwargs: Any) -> Floats:
        """Return the variance of the rows' means over weights, (n,)."""
        return self.predict_distribution(x, **kwargs).epistemic_variance()

    def _assign(self, weights):
        start = 0
        for variable in self.model.trainable_variables:
            stop = start + int(np.prod(variable.shape))
            variable.assign(weights[start:stop].reshape(variable.shape))
            start = stop

    def __repr__(self):
        return (
            f"<SWAGPosterior of {self.model.name}: {len(self.mean)} weights, rank "
            f"{len(self.deviations)}>"
        )


class Moments:
    """Means and variances of vectors as they come, and the last of them.

    Parameters
    ----------
    rank : int
        How many of the last are kept.
    """

    def __init__(self, rank):
        self._rank, self._last, self.count, self.mean, self._squares = rank, [], 0, 0.0, 0.0

    def add(self, vector):
        """Take one more vector (p,): Welford's method, which loses no digits."""
        self.count += 1
        before = vector - self.mean
        self.mean = self.mean + before / self.count
        self._squares = self._squares + before * (vector - self.mean)
        self._last = [*self._last, vector][-self._rank :]

    @property
    def variances(self):
        """The variances, (p,)."""
        return self._squares / (self.count - 1)

    @property
    def deviations(self):
        """The last vectors, less their mean, (rank, p)."""
        last = np.array(self._last)
        return last - last.mean(axis=0)


def swag(
    model: AnyModel,
    x: Rows,
    y: ArrayLike,
    *,
    epochs: int = 50,
    rank: int = 20,
    learning_rate: float = 0.01,
    batch_size: int = 32,
    sample_weight: ArrayLike | None = None,
    seed: int = 0,
    verbose: int = 0,
) -> SWAGPosterior:
    """Take the normal distribution of weights among which stochastic gradient descent wanders.

    Parameters
    ----------
    model : probnn.Model or probnn.Sequential
        A trained network with one head. It stays as it is: a copy is trained.
    x, y, batch_size, sample_weight, verbose
        As in `fit`.
    epochs : int
        After each of which the weights are taken, at least 2.
    rank : int
        Of how many of the last epochs the covariance keeps the directions, from 2 to `epochs`.
    learning_rate : float
        Constant: with the batch size it says how far weights wander. One at which the loss is still
        near its least.
    seed : int
        Of the shuffles and of draws.

    Returns
    -------
    SWAGPosterior

    Raises
    ------
    ValueError
        If the rank fits no number of epochs; or the network has several heads, or layers that keep
        statistics of batches, which are those of no draw: BatchNormalization.
    DivergenceError
        If the learning rate is too large.

    Notes
    -----
    Maddox et al. (2019), arXiv:1902.02476: the covariance is half the diagonal one of all epochs,
    plus half that of the last `rank` epochs. It is of the noise of batches, not of the data: near
    an optimum weights have the variance learning_rate / (2 batch_size), where the information of a
    row is the gradients' covariance, Mandt, Hoffman and Blei (2017), arXiv:1704.04289; that is the
    posterior's where learning_rate = 2 batch_size / n and its information is the identity; it is
    less where weights remember a whole epoch, whose batches add up to all rows. So choose the rate
    by the scores of held-out rows.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> x = np.linspace(-1.0, 1.0, 64)[:, None]
    >>> y = np.sin(3.0 * x[:, 0])
    >>> layers = [keras.Input((1,)), keras.layers.Dense(8, "tanh"), pn.Head("normal")]
    >>> model = pn.Sequential(layers)  # and compile and fit it
    >>> posterior = pn.bayes.swag(model, x, y, epochs=10, rank=5)
    >>> d = posterior.predict_distribution(x, draws=5, verbose=0)
    >>> d.epistemic_variance().shape
    (64,)
    """
    from probnn.training import weights

    check_whole(2, epochs=epochs, rank=rank)
    check_whole(0, seed=seed)
    check_whole(batch_size=batch_size)
    if not (isinstance(learning_rate, (int, float, np.number)) and learning_rate > 0.0):
        raise ValueError(
            f"Expected learning_rate to be a number above 0. Received: {learning_rate!r}."
        )
    if rank > epochs:
        raise ValueError(
            f"Expected rank to be at most epochs. Received: rank={rank}, with epochs={epochs}."
        )
    copy, found = weights.descending(model, learning_rate), Moments(rank)
    weights.descend(
        copy,
        x,
        y,
        found.add,
        seed=seed,
        epochs=epochs,
        batch_size=batch_size,
        sample_weight=sample_weight,
        verbose=verbose,
    )
    if found.count < 2:
        raise ValueError("Expected two epochs or more. Received: a fit that was interrupted.")
    return SWAGPosterior(copy, found, seed)
