"""Results of version 0.1, whose files are pickles."""

import pickle

import numpy as np

from probnn.fitting import dispersion
from probnn.fitting.firth import Firth
from probnn.fitting.penalties import ElasticNet
from probnn.glm.results.results import Results

# Where classes live now that saved results of version 0.1 look for elsewhere.
_MOVED = {
    ("probnn.glm.newton", "Optimum"): ("probnn.fitting.optimum", "Optimum"),
    ("probnn.glm.data", "Observations"): ("probnn.glm.observations", "Observations"),
    ("probnn.glm.batches", "BatchedGLM"): ("probnn.glm.model", "GLM"),
    ("probnn.glm.formula", "Spec"): ("probnn.glm.encoding", "Encoding"),
    ("probnn.glm.formula", "Encoding"): ("probnn.glm.encoding", "Encoding"),
    ("probnn.glm.network", "Certificate"): ("probnn.fitting.certificate", "Certificate"),
    ("probnn.glm.wrap", "Labels"): ("probnn.glm.results.wrap", "Labels"),
    ("probnn.glm.batches", "Batches"): ("probnn.data.batches", "Batches"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        return super().find_class(*_MOVED.get((module, name), (module, name)))


def is_pickle(path):
    """Return whether a file begins as a pickle does."""
    with open(path, "rb") as file:
        head = file.read(2)
    return head[:1] == b"\x80" and head[1:] in {bytes([i]) for i in range(2, 6)}


def load(path):
    """Return results from a pickle, which runs whatever it says: see `loading.load`."""
    with open(path, "rb") as file:
        found = _Unpickler(file).load()
    if not isinstance(found, Results):
        raise ValueError(f"Expected a file of Results. Received: a {type(found).__name__}.")
    if "_optimum" in vars(found):
        _convert(found)
    return found


def _convert(results):
    """Let results of version 0.1 say what those of today do."""
    state = vars(results)
    if results.model.dispersion is not None and not results.model.is_linear:
        _maximise(results)
    results.optimum, results.use_t = state.pop("_optimum"), state.pop("_use_t")
    given = state.pop("penalty")
    if given is not None:
        results.optimum.penalty = ElasticNet(**given, free=results.model.constants)
    elif results.method == "firth":
        results.optimum.penalty = Firth()


def _maximise(results):
    """Replace log-likelihoods at Pearson's dispersion by their maxima, NaN where rows would tell.

    A row's log-density is c(phi) + h(y) - d / (2 phi), d its deviance, for the normal, gamma and
    inverse Gaussian families without weights; then the maximum is at the dispersion that was saved.
    """
    state, family, n = vars(results), results.family, results.model.nobs
    phi, own = state["scale"], state["scale_ml"]

    def saturated(value):
        params = {family.location: np.ones(1), **family.with_dispersion(np.full(1, value))}
        return float(family.log_prob(np.ones(1), family.to_raw(params))[0])

    def change(new, deviance):
        flat = n * (saturated(new) - saturated(phi))
        return flat - 0.5 * deviance * (1.0 / new - 1.0 / phi)

    for name, deviance in (("llf", state["deviance"]), ("llnull", state["null_deviance"])):
        best = dispersion.maximum(lambda new, d=deviance: change(new, d), phi)
        known = name == "llnull" or np.isclose(best, own, rtol=1e-5)
        state[name] = state[name] + change(best, deviance) if known else np.nan
    if np.isnan(state["llf"]):
        state["llnull"] = np.nan
