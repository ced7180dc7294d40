"""A statistician's answer at the weights of a trained network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probnn.bridge.head_model import HeadModel

if TYPE_CHECKING:
    from typing import Any

    import keras

    from probnn._types import ArrayLike, Rows
    from probnn.glm.results import Results


def inference(
    model: keras.Model, x: Rows, y: Rows, *, sample_weight: ArrayLike | None = None, **kwargs: Any
) -> Results:
    """Return the statistician's results at the weights of a trained network.

    Parameters
    ----------
    model : keras.Model
        A network that ends in one `Head` with units=1. Layers before it that are linear (Dense
        without activation, Normalization, Rescaling, BatchNormalization) are collapsed with it, so
        that the coefficients are in the units of x. With other hidden layers, the results are
        those of the last layer, conditional on its features; those of variational layers are at
        the means of their weights. A parameter with features of its own is a model of these.
    x : array_like, shape (n, p)
        The features; pandas and polars columns give the coefficients' names.
    y : array_like, shape (n,)
        The responses.
    sample_weight : array_like, shape (n,), optional
        What the log-likelihood of each row is multiplied by, as in Keras's `fit`.
    **kwargs
        `cov_type`, `cov_kwds`, `use_t`, `scale`, `information`: as for `GLM.fit`. The certificate
        is that of the likelihood, whatever they are.

    Returns
    -------
    Results
        At the network's own weights, with a `certificate` that says how far from the optimum they
        are, and `is_conditional`.

    Raises
    ------
    ValueError
        If the model does not end in one head of one response, the data do not fit it, columns are
        dependent, or the weights are so far from an optimum that the information is not positive
        definite.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> x = np.array([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]])
    >>> y = np.array([0, 0, 1, 0, 1, 1])
    >>> neuron = pn.Sequential([keras.Input((1,)), pn.Head("bernoulli")])
    >>> results = pn.inference(neuron, x, y)
    >>> results.certificate.converged
    False
    >>> _ = pn.polish(neuron, x, y)
    >>> pn.inference(neuron, x, y).params.round(3).tolist()
    [-0.693, 1.386]
    """
    head_model = HeadModel(model, x, y, sample_weight)
    coef = head_model.coef()
    certificate = head_model.certify(coef)
    return head_model.results(coef, certificate, kwargs)
