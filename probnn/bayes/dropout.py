"""Dropout that stays on: a network's uncertainty without another fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probnn._types import AnyModel, Floats, Rows
    from probnn.families import Family
    from probnn.predictive import PooledPredictive


class DropoutPosterior:
    """What a network believes in random passes, its dropout left on, as `mc_dropout` makes it.

    Attributes
    ----------
    model : probnn.Model or probnn.Sequential
        The network.
    passes : int
        How often it predicts.
    """

    def __init__(self, model: AnyModel, passes: int) -> None:
        self.model, self.passes = model, passes

    @property
    def family(self) -> Family:
        """The family of the network's head."""
        return self.model.heads.family

    def predict_distribution(self, x: Rows, **kwargs: Any) -> PooledPredictive:
        """Return the `PooledPredictive` of the passes; arguments are those of the network's."""
        return self.model.predict_distribution(x, passes=self.passes, **kwargs)

    def aleatoric_variance(self, x: Rows, **kwargs: Any) -> Floats:
        """Return the variance of rows that more data would not make smaller, (n,)."""
        return self.predict_distribution(x, **kwargs).aleatoric_variance()

    def epistemic_variance(self, x: Rows, **kwargs: Any) -> Floats:
        """Return the variance of the rows' means over passes, (n,)."""
        return self.predict_distribution(x, **kwargs).epistemic_variance()

    def __repr__(self):
        return f"<DropoutPosterior of {self.model.name}: {self.passes} passes>"


def mc_dropout(model: AnyModel, passes: int = 50) -> DropoutPosterior:
    """Take random passes of a network with dropout as draws of its posterior.

    Parameters
    ----------
    model : probnn.Model or probnn.Sequential
        A network with layers that are random in training, as Dropout, and one head.
    passes : int
        How many passes predictions mix.

    Returns
    -------
    DropoutPosterior

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
    if isinstance(passes, bool) or not isinstance(passes, int) or passes < 2:
        raise ValueError(
            f"Expected passes to be a whole number from 2 on, as 50. Received: {passes!r}."
        )
    if not hasattr(model, "heads"):
        raise ValueError(
            f"Expected a probnn.Model or Sequential with dropout. Received: {type(model).__name__}."
        )
    return DropoutPosterior(model, passes)
