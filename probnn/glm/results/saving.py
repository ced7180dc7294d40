"""Results from files."""

import pickle

from probnn.fitting.firth import Firth
from probnn.fitting.penalties import ElasticNet
from probnn.glm.results.results import Results

# Where classes live now that saved results of version 0.1 look for elsewhere.
_MOVED = {
    ("probnn.glm.newton", "Optimum"): ("probnn.fitting.optimum", "Optimum"),
    ("probnn.glm.data", "Observations"): ("probnn.glm.observations", "Observations"),
    ("probnn.glm.batches", "BatchedGLM"): ("probnn.glm.model", "GLM"),
    ("probnn.glm.formula", "Spec"): ("probnn.glm.formula", "Encoding"),
    ("probnn.glm.network", "Certificate"): ("probnn.bridge.certificate", "Certificate"),
    ("probnn.glm.wrap", "Labels"): ("probnn.glm.results.wrap", "Labels"),
    ("probnn.glm.batches", "Batches"): ("probnn.data.batches", "Batches"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        return super().find_class(*_MOVED.get((module, name), (module, name)))


def load(path):
    """Return results from a file that `Results.save` wrote.

    Parameters
    ----------
    path : str or path-like
        The file. It is a pickle, which can run code: load what you trust.
    """
    with open(path, "rb") as file:
        found = _Unpickler(file).load()
    if not isinstance(found, Results):
        raise ValueError(f"Expected a file of Results. Received: a {type(found).__name__}.")
    if "_optimum" in vars(found):
        _convert(found)
    return found


def _convert(results):
    """Let the optimum of results of version 0.1 say what they themselves said of a penalty."""
    state = vars(results)
    results.optimum, results.use_t = state.pop("_optimum"), state.pop("_use_t")
    given = state.pop("penalty")
    if given is not None:
        results.optimum.penalty = ElasticNet(**given, free=results.model.constants)
    elif results.method == "firth":
        results.optimum.penalty = Firth()
