"""Neural networks whose output is a probability distribution, and a statistician's answer about it.

A Keras network ends in a `Head`, is fitted by negative log-likelihood, and predicts a distribution:

>>> import keras, numpy as np, probnn as pn
>>> rng = np.random.default_rng(0)
>>> x = rng.normal(size=(200, 1))
>>> y = 3.0 + 2.0 * x[:, 0] + rng.normal(size=200)
>>> model = pn.Sequential([keras.Input((1,)), pn.Head("normal", constant=["scale"])])
>>> model.compile(keras.optimizers.Adam(0.1))
>>> history = model.fit(x, y, epochs=60, verbose=0)
>>> d = model.predict_distribution(np.array([[1.0]]), verbose=0)
>>> d.mean().round(0).tolist(), d.stddev().round(0).tolist()
([5.0], [1.0])
"""

import functools
import importlib
from typing import TYPE_CHECKING

from probnn import backend, domains, families, glm, links
from probnn._version import __version__ as __version__
from probnn.backend.upon_keras import upon_keras

if TYPE_CHECKING:  # what `__getattr__` imports, for editors
    from probnn import bayes, calibration, datasets, estimators, layers, plots, scores, training
    from probnn.bridge import inference, polish
    from probnn.comparison import compare
    from probnn.diagnosis import diagnose
    from probnn.models import Model, Sequential
    from probnn.models.inspection import check_gradients, collapse_linear, layer_outputs
    from probnn.networks.export import export
    from probnn.networks.heads import Head
    from probnn.networks.losses import NegativeLogLikelihood
    from probnn.predictive import PooledPredictive, Predictive
    from probnn.training import DeepEnsemble, fit

__all__ = [
    "DeepEnsemble",
    "Head",
    "Model",
    "NegativeLogLikelihood",
    "PooledPredictive",
    "Predictive",
    "Sequential",
    "backend",
    "bayes",
    "calibration",
    "check_gradients",
    "collapse_linear",
    "compare",
    "datasets",
    "diagnose",
    "domains",
    "estimators",
    "export",
    "families",
    "fit",
    "glm",
    "inference",
    "layer_outputs",
    "layers",
    "links",
    "plots",
    "polish",
    "scores",
    "training",
]

# Where the names live that are imported when they are first used; networks import Keras.
_LAZY = {
    "DeepEnsemble": "probnn.training",
    "Head": "probnn.networks.heads",
    "Model": "probnn.models",
    "NegativeLogLikelihood": "probnn.networks.losses",
    "PooledPredictive": "probnn.predictive",
    "Predictive": "probnn.predictive",
    "Sequential": "probnn.models",
    "check_gradients": "probnn.models.inspection",
    "collapse_linear": "probnn.models.inspection",
    "compare": "probnn.comparison",
    "diagnose": "probnn.diagnosis",
    "export": "probnn.networks.export",
    "fit": "probnn.training",
    "inference": "probnn.bridge",
    "layer_outputs": "probnn.models.inspection",
    "polish": "probnn.bridge",
}
_LAZY_MODULES = (
    *("bayes", "calibration", "datasets", "estimators", "layers", "models", "networks", "plots"),
    *("scores", "training"),
)


def __getattr__(name):
    if name in _LAZY_MODULES:
        return importlib.import_module(f"probnn.{name}")
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'probnn' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LAZY, *_LAZY_MODULES})


# Keras loads a saved model by the classes that it knows, which register with it when imported.
upon_keras(functools.partial(importlib.import_module, "probnn.models"))
