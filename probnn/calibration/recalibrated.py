"""Models whose predictions are recalibrated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probnn.fitted import FittedModel, adapt

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from probnn._types import AnyModel, Floats, Rows
    from probnn.predictive import Predictive


class RecalibratedModel:
    """A model and a recalibration of what it predicts.

    Parameters
    ----------
    model : probnn.Model, DeepEnsemble or Results
        Anything with `predict_distribution` and one head.
    recalibration : callable
        Of a Predictive, as `isotonic`, `scale_scaling` and `temperature_scaling` make it.

    Raises
    ------
    ValueError
        For a model with several heads.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> from probnn import calibration
    >>> model = pn.Sequential([keras.Input((1,)), pn.Head("normal")])
    >>> x, y = np.zeros((99, 1)), np.random.default_rng(0).normal(3.0, 1.0, size=99)
    >>> fit = calibration.isotonic(y, model.predict_distribution(x, verbose=0))
    >>> fit(model).predict_distribution(x[:1]).cdf(np.median(y)).round(6).tolist()
    [0.5]
    """

    def __init__(self, model: AnyModel, recalibration: Callable[[Predictive], Predictive]) -> None:
        _ = adapt(model).family  # raises if the model has several heads
        self.model, self.recalibration = model, recalibration

    def predict_distribution(self, x: Rows, verbose: int | str = 0, **kwargs: Any) -> Predictive:
        """Return the recalibrated Predictive of rows x.

        Parameters
        ----------
        x, **kwargs
            As the model's own `predict_distribution` takes them; networks print nothing unless
            `verbose` is given.
        """
        if adapt(self.model).takes_verbose:
            kwargs["verbose"] = verbose
        return self.recalibration(self.model.predict_distribution(x, **kwargs))

    def predict(self, x: Rows, **kwargs: Any) -> Floats:
        """Return the mean of every row's recalibrated distribution, shape (n,)."""
        return self.predict_distribution(x, **kwargs).mean()

    def __repr__(self):
        return f"<RecalibratedModel: {type(self.recalibration).__name__} of {self.model!r}>"


class FittedRecalibrated(FittedModel):
    """A recalibrated model: the family is that of what was recalibrated."""

    @property
    def family(self):
        """The family of the model that was recalibrated."""
        return adapt(self.model.model).family


adapt.register(RecalibratedModel, FittedRecalibrated)
