"""Networks with distribution heads as estimators."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from probnn.data import Responses
from probnn.data.tables import check_range
from probnn.estimators.arguments import check_number, check_one_of, check_units, check_whole
from probnn.estimators.base import (
    Classifier,
    Estimator,
    Regressor,
    family_of_classes,
    family_of_numbers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Literal

    from probnn._types import AnyModel, Rows
    from probnn.families.base import Family
    from probnn.glm.results import Results

_WHOLE = 128  # rows up to which each step sees all
_HELD_OUT = 200  # rows from which on some are held out


class _Network(Estimator):
    """What both estimators share: the arguments, and the fit."""

    def __init__(
        self,
        family: str | Family | None = None,
        *,
        hidden: Sequence[int] | Callable[..., Any] = (64, 64),
        activation: str | Callable[..., Any] = "relu",
        members: int = 1,
        learning_rate: float = 0.005,
        batch_size: int | Literal["auto"] = "auto",
        epochs: int = 200,
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        patience: int = 20,
        standardize: bool = True,
        random_state: int | np.random.RandomState | None = None,
        verbose: int | str = 0,
    ) -> None:
        self.family = family
        self.hidden = hidden
        self.activation = activation
        self.members = members
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.standardize = standardize
        self.random_state = random_state
        self.verbose = verbose

    @property
    def fitted_(self) -> AnyModel:
        """The network or the ensemble, which predicts."""
        return self.model_

    def table(self, X: Rows) -> Any:
        """Return X as the columns that the network takes: standardised."""
        table = super().table(X)
        return table.assign(**dict(zip(table, self._scaled(table.to_numpy()).T, strict=True)))

    @functools.cached_property
    def results_(self) -> Results:
        """The `Results` of the last layer, by `probnn.inference` on the rows of the fit."""
        from probnn.bridge import inference

        if hasattr(self, "_rows") and hasattr(self.model_, "members"):
            raise AttributeError(
                "Expected one network, for results_. Received: an ensemble, of which each member "
                "has a last layer of its own. Ask probnn.inference("
                "estimator.model_.members[0], x, y), or fit with members=1."
            )
        if not hasattr(self, "_rows"):
            raise AttributeError(
                "Expected the rows of the fit, for results_. Received: an estimator that was "
                "pickled or not fitted, which has none. Ask probnn.inference("
                "estimator.model_, x, y), or fit."
            )
        x, y, sample_weight = self._rows
        y = self._told(y)
        return inference(self.model_, self._scaled(x), y, sample_weight=sample_weight)

    def _fit(self, x, y, sample_weight):
        import keras

        from probnn.training import DeepEnsemble, copies

        self.__dict__.pop("results_", None)  # of an earlier fit
        self._rows = x, y, sample_weight
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if self.batch_size == "auto" and len(y) <= _WHOLE:
            x, y, sample_weight = _merged(x, y, sample_weight)
        size = self._size(len(y))
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        for name, column in zip(self.names_, x.T, strict=True):
            check_range(column, "X", f" in {name!r}")
        self.scaler_ = StandardScaler().fit(x, sample_weight=weight) if self.standardize else None
        x = self._scaled(x)
        train, held = self._split(len(y), seed)
        validation = (x[held], y[held], weight[held]) if len(held) else None
        x, y, weight = _padded(x[train], y[train], weight[train], size)
        with copies.seeded(seed):
            model = self._network(x.shape[1])
        callbacks = []
        if validation is not None:
            callbacks = [
                keras.callbacks.EarlyStopping(patience=self.patience, restore_best_weights=True)
            ]
        options = {
            "sample_weight": weight,
            "validation_data": validation,
            "callbacks": callbacks,
            "batch_size": size,
            "epochs": self.epochs,
            "verbose": self.verbose,
            "shuffle": len(y) > size,
        }
        if self.members > 1:
            self.model_ = DeepEnsemble(model, self.members, seed)
            self.history_ = [each.history for each in self.model_.fit(x, y, **options)]
        else:
            self.model_ = copies.fresh(model, [seed, 0])
            with copies.seeded([seed, 1]):
                self.history_ = self.model_.fit(x, y, **options).history
        for each in getattr(self.model_, "members", [self.model_]):
            self._tell(each)

    def _check_arguments(self):
        check_units(self.hidden)
        for name, low in {"members": 1, "epochs": 1, "patience": 0}.items():
            check_whole(name, getattr(self, name), low)
        if self.batch_size != "auto":
            check_whole("batch_size", self.batch_size, 1)
        check_number("learning_rate", self.learning_rate, 0.0)
        check_number("validation_fraction", self.validation_fraction, 0.0, 1.0)
        check_one_of("early_stopping", self.early_stopping, ("auto", True, False))
        check_one_of("standardize", self.standardize, (True, False))

    def _network(self, width):
        """Return the network, compiled."""
        import keras

        import probnn as pn

        inputs = hidden = keras.Input((width,))
        if callable(self.hidden):
            hidden = self.hidden(inputs)
        else:
            for units in map(int, self.hidden):
                hidden = keras.layers.Dense(units, self.activation)(hidden)
        model = pn.Model(inputs, pn.Head(self._family())(hidden))
        model.compile(keras.optimizers.Adam(float(self.learning_rate)))
        return model

    def _size(self, n):
        """Return the size of batches for n rows."""
        if self.batch_size != "auto":
            return min(int(self.batch_size), _power(n))
        return _power(n) if n <= _WHOLE else int(np.clip(_power(n // 64), 32, 512))

    def _split(self, n, seed):
        """Return the rows to train on, and those held out."""
        stops = self.early_stopping
        order = np.random.default_rng(seed).permutation(n)
        if not (n >= _HELD_OUT if stops == "auto" else stops):
            return np.arange(n), order[:0]
        held = min(max(round(self.validation_fraction * n), 1), n - 1)
        return np.sort(order[held:]), np.sort(order[:held])

    def _scaled(self, x):
        return x if self.scaler_ is None else self.scaler_.transform(x)

    def _tell(self, network):
        """Let a network know what its y means."""

    def _told(self, y):
        """Return y as a network that was told its meaning takes it."""
        return y

    def _distribution(self, x):
        n = len(x)
        size = int(np.clip(_power(n), 32, 4096))  # few sizes are compiled for
        x = np.concatenate([self._scaled(x), np.zeros((-n % size, x.shape[1]))])
        return self.model_.predict_distribution(x, batch_size=size, verbose=0)[:n]

    def __getstate__(self):
        rows = ("results_", "_rows")  # what holds the data
        return {name: v for name, v in super().__getstate__().items() if name not in rows}


def _power(n):
    """Return the power of two from n on."""
    return 1 << max(int(n) - 1, 0).bit_length()


def _merged(x, y, sample_weight):
    """Return the rows that differ, sorted, and how many rows each stands for."""
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    rows, where = np.unique(np.column_stack([x, y]), axis=0, return_inverse=True)
    return rows[:, :-1], rows[:, -1], np.bincount(where.ravel(), weight, len(rows))


def _padded(x, y, weight, size):
    """Return whole batches, filled with rows of weight 0, and weights whose mean is 1."""
    more = -len(y) % size
    x, y = (np.concatenate([v, v[np.zeros(more, int)]]) for v in (x, y))
    weight = np.concatenate([weight, np.zeros(more)])
    return x, y, weight * (len(weight) / weight.sum())


class NetworkRegressor(Regressor, _Network):
    """A network of numbers with a distribution head, by scikit-learn's contract.

    Parameters
    ----------
    family : str or Family
        A name from `probnn.families.FAMILIES`, or a family with options.
    hidden : sequence of int, or callable
        The units of the hidden layers; or what makes the last hidden tensor of the input's,
        `hidden(inputs)`, of Keras layers.
    activation : str or callable
        Of the hidden layers.
    members : int
        From 2 on, a `DeepEnsemble` of so many.
    learning_rate : float
        Of Adam.
    batch_size : int or "auto"
        "auto" takes all rows up to 128, else from 32 to 512, more for more rows.
    epochs : int
        The most epochs.
    early_stopping : bool or "auto"
        Whether rows are held out, and training ends, at the best weights, when their loss has not
        fallen for `patience` epochs. "auto" does from 200 rows on.
    validation_fraction, patience : float, int
        The share of rows that are held out, and how many epochs are waited for.
    standardize : bool
        Whether columns are scaled to mean 0 and variance 1, in float64, before the network.
    random_state : int, RandomState or None
        For the initial weights, the shuffles and the rows held out.
    verbose : int
        As in `keras.Model.fit`.

    Attributes
    ----------
    model_ : probnn.Model or probnn.DeepEnsemble
        The network, of standardised columns.
    results_ : probnn.glm.Results
        A statistician's answer about the last layer: `probnn.inference`.
    history_ : dict, or list of dict
        The losses of each epoch; of each member.
    scaler_ : sklearn.preprocessing.StandardScaler or None
    n_features_in_, feature_names_in_ : int, numpy.ndarray
        The columns of X; names where it was a frame.

    Examples
    --------
    >>> import numpy as np
    >>> from probnn.estimators import NetworkRegressor
    >>> x = np.linspace(-1.0, 1.0, 100)[:, None]
    >>> y = x[:, 0] ** 2 + 0.1 * np.random.default_rng(0).normal(size=100)
    >>> network = NetworkRegressor(hidden=(16,), random_state=0).fit(x, y)
    >>> bool(network.score(x, y) > 0.8), network.predict_interval(x[:2]).shape
    (True, (2, 2))
    """

    def __init__(
        self,
        family: str | Family = "normal",
        *,
        hidden: Sequence[int] | Callable[..., Any] = (64, 64),
        activation: str | Callable[..., Any] = "relu",
        members: int = 1,
        learning_rate: float = 0.005,
        batch_size: int | Literal["auto"] = "auto",
        epochs: int = 200,
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        patience: int = 20,
        standardize: bool = True,
        random_state: int | np.random.RandomState | None = None,
        verbose: int | str = 0,
    ) -> None:
        super().__init__(
            family,
            hidden=hidden,
            activation=activation,
            members=members,
            learning_rate=learning_rate,
            batch_size=batch_size,
            epochs=epochs,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            patience=patience,
            standardize=standardize,
            random_state=random_state,
            verbose=verbose,
        )

    def _family(self):
        return family_of_numbers(self.family)


class NetworkClassifier(Classifier, _Network):
    """A network of classes with a distribution head, by scikit-learn's contract.

    Parameters
    ----------
    family : str or Family, optional
        By default Bernoulli for two classes, and the categorical family for more; "ordinal" for
        classes in the order of an ordered categorical y, else of `classes_`.
    hidden, activation, members, learning_rate, batch_size, epochs, early_stopping, \
validation_fraction, patience, standardize, random_state, verbose
        As for `NetworkRegressor`.

    Attributes
    ----------
    classes_ : numpy.ndarray, shape (C,)
        The labels, sorted.
    model_, results_, history_, scaler_, n_features_in_, feature_names_in_
        As for `NetworkRegressor`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from probnn.estimators import NetworkClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> network = NetworkClassifier(hidden=(16,), random_state=0).fit(x, y)
    >>> bool(network.score(x, y) > 0.95), network.predict_proba(x[:2]).shape
    (True, (2, 3))
    """

    def _family(self):
        return family_of_classes(self.family, len(self.classes_))

    def _tell(self, network):
        from probnn.networks.inputs import columns_of, know_columns

        know_columns(network, columns_of(network), Responses(classes=[self._labels]))

    def _told(self, y):
        return self._levels[y.astype(int)]
