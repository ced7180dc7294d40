"""What a posterior is of: a model of columns, or a network's head on its features."""

import hashlib
from dataclasses import dataclass

import numpy as np

from probnn import backend
from probnn.bridge.head_model import HeadModel
from probnn.data import ResponseLabels


@dataclass
class OfColumns:
    """A GLM, all of whose parameters are coefficients.

    Attributes
    ----------
    model : GLM
    given : GLM
        The model whose dispersion may be no coefficient, as it was given.
    start, network : None
        Coefficients near the mode, where some are known; there is no network.
    """

    model: object
    given: object = None
    of_features = False
    start = network = None

    def __post_init__(self):
        self.given = self.given or self.model

    def state(self):
        """Return what a file holds of a network: there is none."""
        return

    def rows(self, exog=None, **kwargs):
        """Return the `Observations` of new rows, or those of training, and their labels."""
        if exog is None:
            model = self.model
            labels = ResponseLabels(model.rows, model.y_columns, model.library)
            return model.data.whole(), labels
        index = self.model.rows_of(exog)
        if index.kept is not None:
            kwargs = {"rows": index, **kwargs}
        known = None if index.index is index.kept is None else index
        labels = ResponseLabels(known, self.model.y_columns, index.library)
        return self.model.new_rows(exog, **kwargs), labels


@dataclass
class OfNetwork:
    """The head of a network, given the layers before it.

    Attributes
    ----------
    head_model : HeadModel
    fingerprint : str
        That of the layers, when the posterior was found.
    """

    head_model: HeadModel
    fingerprint: str = ""

    def __post_init__(self):
        self.fingerprint = self.fingerprint or self._now()

    def check(self):
        """Raise ValueError if the layers have other weights than when the posterior was found."""
        check_unchanged(self._now(), self.fingerprint)

    def state(self):
        """Return what a file holds of the network."""
        return {"fingerprint": self.fingerprint, "layout": self.head_model.layout()}

    def _now(self):
        body = self.head_model.body
        return fingerprint(body) if self.of_features and body is not None else "of columns"

    @property
    def of_features(self):
        """Whether coefficients are of features that hidden layers make, not of columns."""
        return self.head_model.is_conditional

    @property
    def start(self):
        """The coefficients that the network has."""
        return self.head_model.coef()

    @property
    def network(self):
        """The network."""
        return self.head_model.network

    @property
    def model(self):
        """The model of the head's parameters on its features."""
        return self.head_model.full

    def rows(self, exog=None):
        """Return the `Observations` of new rows, or those of training, and their labels."""
        if exog is None:
            return OfColumns(self.model).rows()
        self.check()
        labels = ResponseLabels.of(exog, self.model.y_columns)
        return self.head_model.new_rows(exog), labels


def fingerprint(network):
    """Return a digest of the weights of a network."""
    found = hashlib.sha256()
    for variable in network.weights:
        value = np.ascontiguousarray(backend.host_value(variable))
        found.update(f"{value.dtype}{value.shape}".encode())
        found.update(value.tobytes())
    return found.hexdigest()


def check_unchanged(now, before):
    """Raise ValueError if the fingerprint of a network is not as before."""
    if now != before:
        raise ValueError(
            "Expected the network as it was when its posterior was found. Received: one whose "
            "weights have changed since, as by fit. Call probnn.bayes.laplace again, or sample."
        )


def subject_of(model, x=None, y=None, sample_weight=None):
    """Return what a posterior is of: a GLM, that of results, or a network's head on rows."""
    model = getattr(model, "model", model)  # of results
    if hasattr(model, "with_free_dispersion"):
        if any(given is not None for given in (x, y, sample_weight)):
            raise ValueError(
                "Expected x, y and sample_weight for a network alone: a GLM has its rows and their "
                "weights. Received a GLM with them."
            )
        return OfColumns(model.with_free_dispersion(), model)
    if x is None or y is None:
        raise ValueError(
            "Expected a GLM, its results, or a network with its rows x and y. Received: "
            f"{type(model).__name__}, without them."
        )
    return OfNetwork(HeadModel(model, x, y, sample_weight, keep_all=True))
