"""Files of posteriors: plain values, which run nothing."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from formulaic.utils.context import capture_context

from probnn._priors import Prior
from probnn.bayes.laplace import LaplacePosterior
from probnn.bayes.posterior import Posterior
from probnn.bayes.priors import Priors
from probnn.bayes.subjects import OfColumns, OfNetwork
from probnn.bridge.head_model import HeadModel
from probnn.glm.results import loading

if TYPE_CHECKING:
    import os

    from probnn._types import AnyModel

KIND, FORMAT = "posterior", 1
_METHODS = {"nuts": Posterior, "laplace": LaplacePosterior}


def load(
    path: str | os.PathLike,
    *,
    model: AnyModel | None = None,
    trust: bool = False,
    functions: dict | list | None = None,
) -> Posterior:
    """Return a posterior from a file that `Posterior.save` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.
    model : keras.Model, optional
        The network, for a posterior of a network's head, with the layers that it had.
    trust, functions
        As for `probnn.glm.load`.

    Returns
    -------
    Posterior
        With all but the rows.

    Raises
    ------
    ValueError
        As `probnn.glm.load`; or if the layers have other weights than when the posterior was found.

    Examples
    --------
    >>> import tempfile, probnn as pn
    >>> model = pn.glm.glm("y ~ x", {"y": [1.0, 3.0, 5.5], "x": [0, 1, 2]})
    >>> posterior = pn.bayes.laplace(model)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     posterior.save(f"{folder}/line.posterior")
    ...     loaded = pn.bayes.load(f"{folder}/line.posterior")
    >>> bool((loaded.mean == posterior.mean).all())
    True
    """
    network, stored = model, loading.read(path, KIND, FORMAT)
    caller = capture_context(1)
    with loading.as_written(path):
        model = loading.model_of(stored, caller, functions, trust)
        each = [Prior.kinds[name](**arguments) for name, arguments in stored["priors"]]
        priors = Priors.restored(model, each, stored["center"], stored["constants"])
        return _METHODS[stored["method"]].restored(
            _subject_of(stored.get("head"), model, network),
            stored["coef"],
            priors,
            stored["state"],
            method=stored["method"],
            stats=stored["stats"],
        )


def _subject_of(head, model, network):
    """Return what a posterior is of: a model of columns, or the head of a network."""
    if (head is None) != (network is None):
        raise ValueError(
            "Expected the network for a posterior of a network's head, load(path, model=network), "
            f"and none for one of columns. Received: model={network!r}."
        )
    if head is None:
        return OfColumns(model)
    subject = OfNetwork(HeadModel.restored(network, model, **head["layout"]), head["fingerprint"])
    subject.check()
    return subject


def save(posterior, path):
    """Write a posterior to a file: see `Posterior.save`."""
    from probnn.glm.results import saving

    if not isinstance(posterior.subject, (OfColumns, OfNetwork)):
        raise ValueError(
            "Expected a posterior of coefficients. Received: one of all weights of a network, "
            "which a file cannot hold yet: save the network, and find its posterior anew."
        )
    each = posterior.priors.each
    values = {
        **saving.of_model(posterior.model),
        "coef": posterior.coef,
        "method": posterior.method,
        "stats": posterior.stats,
        "state": posterior.state(),
        "center": posterior.priors.center,
        "constants": posterior.priors.constants,
        "head": posterior.subject.state(),
        "priors": [
            [type(prior).__name__, {f.name: getattr(prior, f.name) for f in fields(prior)}]
            for prior in each
        ],
    }
    saving.write(path, values, KIND, FORMAT)
