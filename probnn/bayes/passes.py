"""Random passes: what a network believes whose dropout stays on, or whose weights are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probnn.bayes.checked import check_whole

if TYPE_CHECKING:
    from probnn._types import AnyModel, Floats, Rows
    from probnn.families import Family
    from probnn.predictive import PooledPredictive


class RandomPasses:
    """What a network believes in random passes, as `mc_dropout` and `variational` make it.

    It stands in `compare`, calibration, plots and diagnosis, as networks do.

    Attributes
    ----------
    model : probnn.Model or probnn.Sequential
        The network.
    passes : int
        How often it predicts.
    seed : int
        That of the passes, which are always the same.
    """

    def __init__(self, model: AnyModel, passes: int, seed: int = 0) -> None:
        from probnn.networks.passes import check_passes  # which imports Keras, as the model has

        check_passes(passes)
        check_whole(0, seed=seed)
        if not hasattr(model, "heads"):
            raise ValueError(
                f"Expected a probnn.Model or Sequential. Received: {type(model).__name__}."
            )
        self.model, self.passes, self.seed = model, int(passes), int(seed)

    @property
    def family(self) -> Family:
        """The family of the network's head."""
        return self.model.heads.family

    def predict_distribution(self, x: Rows, **kwargs: Any) -> PooledPredictive:
        """Return the `PooledPredictive` of the passes; arguments are those of the network's."""
        seeded = {"seed": self.seed, **kwargs}
        return self.model.predict_distribution(x, passes=self.passes, **seeded)

    def aleatoric_variance(self, x: Rows, **kwargs: Any) -> Floats:
        """Return the variance of rows that more data would not make smaller, (n,)."""
        return self.predict_distribution(x, **kwargs).aleatoric_variance()

    def epistemic_variance(self, x: Rows, **kwargs: Any) -> Floats:
        """Return the variance of the rows' means over passes, (n,)."""
        return self.predict_distribution(x, **kwargs).epistemic_variance()

    def __repr__(self):
        return f"<RandomPasses of {self.model.name}: {self.passes} passes>"


def mc_dropout(model: AnyModel, passes: int = 50, seed: int = 0) -> RandomPasses:
    """Take random passes of a network with dropout as draws of its posterior.

    Parameters
    ----------
    model : probnn.Model or probnn.Sequential
        A network with layers that are random in training, as Dropout, and one head.
    passes : int
        How many passes predictions mix.
    seed : int
        Of the passes, which are always the same.

    Returns
    -------
    RandomPasses

    Raises
    ------
    ValueError
        If `passes` is no whole number from 2 on; of predictions, if no layer is random.

    Notes
    -----
    Gal and Ghahramani (2016), arXiv:1506.02142.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> layers = [keras.Input((1,)), keras.layers.Dense(8, "tanh"), keras.layers.Dropout(0.5)]
    >>> model = pn.Sequential([*layers, pn.Head("normal")])
    >>> d = pn.bayes.mc_dropout(model, 20).predict_distribution(np.ones((3, 1)), verbose=0)
    >>> len(d.members), d.epistemic_variance().shape
    (20, (3,))
    """
    return RandomPasses(model, passes, seed)


def variational(model: AnyModel, passes: int = 50, seed: int = 0) -> RandomPasses:
    """Take passes of a network with variational layers, each with a draw of all their weights.

    Parameters
    ----------
    model : probnn.Model or probnn.Sequential
        A network with layers of `probnn.layers`, trained, and one head.
    passes : int
        How many passes predictions mix. Dropout stays on in them too.
    seed : int
        Of the passes, which are always the same.

    Returns
    -------
    RandomPasses

    Raises
    ------
    ValueError
        If `passes` is no whole number from 2 on, or the network has no such layer.

    Notes
    -----
    Each pass has one draw for all rows that it predicts: a function of x, drawn from the posterior.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> layers = [keras.Input((1,)), pn.layers.DenseVariational(8, "tanh"), pn.Head("normal")]
    >>> d = pn.bayes.variational(pn.Sequential(layers), 20).predict_distribution(np.ones((3, 1)))
    >>> len(d.members), d.epistemic_variance().shape
    (20, (3,))
    """
    from probnn.networks.kinds import variational_layers

    found = RandomPasses(model, passes, seed)
    if not variational_layers(model):
        raise ValueError(
            "Expected a network with variational layers, as probnn.layers.DenseVariational. "
            f"Received: {model.name!r}, without one. With dropout: probnn.bayes.mc_dropout."
        )
    return found
