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
from probnn.estimators.recipe import (
    and_any_class,
    batch_of,
    best_of,
    heads_for,
    held_out,
    log_scores,
    temper,
    units_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Literal

    from probnn._types import AnyModel, Rows
    from probnn.families.base import Family
    from probnn.glm.results import Results

_MERGED = 128  # rows up to which equal ones are one row of more weight


class _Network(Estimator):
    """What both estimators share: the arguments, and the fit."""

    _fewest = 5  # some of which are held out

    def __init__(
        self,
        family: str | Family = "auto",
        *,
        hidden: Literal["auto"] | Sequence[int] | Callable[..., Any] = "auto",
        activation: str | Callable[..., Any] = "relu",
        members: int = 5,
        learning_rate: float = 0.01,
        batch_size: int | Literal["auto"] = "auto",
        epochs: int = 2000,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        patience: int = 100,
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
        from probnn.training import DivergenceError

        self.__dict__.pop("results_", None)  # of an earlier fit
        self._rows = x, y, sample_weight
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if self.batch_size == "auto" and len(y) <= _MERGED:
            x, y, sample_weight = _merged(x, y, sample_weight)
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        for name, column in zip(self.names_, x.T, strict=True):
            check_range(column, "X", f" in {name!r}")
        self.range_ = x.min(axis=0), x.max(axis=0)
        self.scaler_ = StandardScaler().fit(x, sample_weight=weight) if self.standardize else None
        x = self._scaled(x)
        train, held = self._split(len(y), seed)
        size = self._size(len(train))
        data = _padded(x[train], y[train], weight[train], size)
        validation = self._held_out(x[held], y[held], weight[held]) if len(held) else None
        rows = data if validation is None else validation
        found, scores = [], []
        for family, options in self._heads(y):
            model = self._network(x.shape[1], len(train), family, options, seed)
            try:
                trained, history = self._trained(model, data, validation, size, seed)
            except DivergenceError as error:
                diverged = error
                continue
            networks = getattr(trained, "members", [trained])
            found.append((family, trained, history, networks))
            scores.append(log_scores(networks, *rows[:2]))
        if not found:
            raise diverged
        losses = [-float(np.average(score, weights=rows[2])) for score in scores]
        self.losses_ = {each[0].name: loss for each, loss in zip(found, losses, strict=True)}
        self.family_, self.model_, self.history_, networks = found[best_of(scores, rows[2])]
        self._calibrate(networks, validation)
        for each in networks:
            self._tell(each)

    def _trained(self, model, data, validation, size, seed):
        """Return the network or ensemble, trained, and its history."""
        import keras

        from probnn.training import DeepEnsemble, copies

        x, y, weight = data
        options = {
            "sample_weight": weight,
            "validation_data": validation,
            "batch_size": size,
            "epochs": self.epochs,
            "verbose": self.verbose,
            "shuffle": len(y) > size,
        }
        if self.members > 1:
            trained = DeepEnsemble(model, self.members, seed)
            stopping = None if validation is None else self.patience
            history = [h.history for h in trained.fit(x, y, stopping=stopping, **options)]
        else:
            stop = keras.callbacks.EarlyStopping(patience=self.patience, restore_best_weights=True)
            trained = copies.fresh(model, [seed, 0])
            with copies.seeded([seed, 1]):
                callbacks = [] if validation is None else [stop]
                history = trained.fit(x, y, callbacks=callbacks, **options).history
        return trained, history

    def _check_arguments(self):
        if not _is_auto(self.hidden):
            check_units(self.hidden)
        for name in ("members", "epochs", "patience"):
            check_whole(name, getattr(self, name), 1)
        if self.batch_size != "auto":
            check_whole("batch_size", self.batch_size, 1)
        check_number("learning_rate", self.learning_rate, 0.0)
        check_number("validation_fraction", self.validation_fraction, 0.0, 1.0)
        check_one_of("early_stopping", self.early_stopping, (True, False))
        check_one_of("standardize", self.standardize, (True, False))

    def _network(self, width, n, family, options, seed):
        """Return the network, compiled."""
        import keras

        import probnn as pn
        from probnn.training import copies

        with copies.seeded(seed):
            inputs = hidden = keras.Input((width,))
            if callable(self.hidden):
                hidden = self.hidden(inputs)
            else:
                auto = _is_auto(self.hidden)
                for units in [units_of(n, width)] if auto else map(int, self.hidden):
                    hidden = keras.layers.Dense(units, self.activation)(hidden)
            model = pn.Model(inputs, pn.Head(family, **options)(hidden))
        model.compile(keras.optimizers.Adam(float(self.learning_rate)))
        return model

    def _size(self, n):
        """Return the size of batches for n rows."""
        return min(batch_of(n) if self.batch_size == "auto" else int(self.batch_size), _power(n))

    def _split(self, n, seed):
        """Return the rows to train on, and those held out."""
        order = np.random.default_rng(seed).permutation(n)
        held = held_out(n, self.validation_fraction) if self.early_stopping else 0
        return np.sort(order[held:]), np.sort(order[:held])

    def _scaled(self, x):
        x = np.clip(x, *self.range_)
        return x if self.scaler_ is None else self.scaler_.transform(x)

    def _heads(self, y):
        """Return the (family, options of a head) to compare."""
        return [(self._family(), {})]

    def _held_out(self, x, y, weight):
        """Return the rows that training is stopped by, with weights whose mean is 1."""
        return x, y, weight / weight.mean()

    def _calibrate(self, networks, validation):
        """Correct what trained networks predict by the rows held out."""

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


def _is_auto(argument):
    return isinstance(argument, str) and argument == "auto"


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
    """A deep ensemble of numbers that is right by default, by scikit-learn's contract.

    Parameters
    ----------
    family : str or Family
        "auto" compares families by the log score of the rows held out: of y on a line Student's t
        with 4 degrees of freedom, and the normal; of positive y the gamma and the log-normal too;
        of whole numbers from 0 on, of fewer than 100 distinct values, the negative binomial and the
        Poisson. The first, of the heaviest tails, is taken unless another is better by more than a
        standard error of the mean difference. Of at most 10 distinct values that are no counts from
        0 on, "auto" warns: they may be ratings, which `NetworkClassifier("ordinal")` takes. Else a
        name from `probnn.families.FAMILIES`, or a family with options.
    hidden : "auto", sequence of int, or callable
        The units of the hidden layers; or what makes the last hidden tensor of the input's,
        `hidden(inputs)`, of Keras layers. "auto" is one layer of 50 units, 100 from 10,000 rows on;
        of as many as there are columns, up to 200, if those are more; and of at most half as many
        as there are rows.
    activation : str or callable
        Of the hidden layers.
    members : int
        From 2 on, a `DeepEnsemble` of so many; 1 is one network.
    learning_rate : float
        Of Adam.
    batch_size : int or "auto"
        "auto" is 32, and from 10,000 rows on more, up to 512.
    epochs : int
        The most epochs.
    early_stopping : bool
        Whether rows are held out, and the training of a network ends, at its best weights, when
        their loss was not lower for `patience` epochs.
    validation_fraction : float
        The share of rows that are held out: at least 20 of them, or a quarter of fewer than 80.
    patience : int
        How many epochs are waited for.
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
    family_ : Family
        That of its head.
    losses_ : dict
        Name of each family -> the mean negative log-likelihood of the rows held out; of the rows of
        the fit without `early_stopping`.
    results_ : probnn.glm.Results
        A statistician's answer about the last layer of one network: `probnn.inference`.
    history_ : dict, or list of dict
        The losses of each epoch; of each member.
    scaler_ : sklearn.preprocessing.StandardScaler or None
    range_ : tuple of numpy.ndarray, shape (p,)
        The least and the largest value of each column in the fit.
    n_features_in_, feature_names_in_ : int, numpy.ndarray
        The columns of X; names where it was a frame.

    Notes
    -----
    Columns are clipped to their range in the fit, as trees do by their nature: a row outside gets
    the distribution at the nearest point of the box of the fit. What a network says of a logarithm
    goes on along straight lines outside, so that one outlying x would make a scale of millions of
    standard deviations; no row of the fit says which line is right.

    Training is that of Lakshminarayanan, Pritzel and Blundell (2017), arXiv:1612.01474, with early
    stopping.

    Examples
    --------
    >>> import numpy as np
    >>> from probnn.estimators import NetworkRegressor
    >>> x = np.linspace(-1.0, 1.0, 100)[:, None]
    >>> y = x[:, 0] ** 2 + 0.1 * np.random.default_rng(0).normal(size=100)
    >>> network = NetworkRegressor("normal", members=2, random_state=0).fit(x, y)
    >>> bool(network.score(x, y) > 0.8), network.predict_interval(x[:2]).shape
    (True, (2, 2))
    """

    def _family(self):
        return family_of_numbers(self.family)

    def _heads(self, y):
        return heads_for(y) if _is_auto(self.family) else super()._heads(y)


class NetworkClassifier(Classifier, _Network):
    """A deep ensemble of classes that is right by default, by scikit-learn's contract.

    Parameters
    ----------
    family : str or Family
        "auto" is Bernoulli for two classes, and the categorical family for more, with a temperature
        of the logits by the rows held out; "ordinal" is for classes in the order of an ordered
        categorical y, else of `classes_`.
    hidden, activation, members, learning_rate, batch_size, epochs, early_stopping, \
validation_fraction, patience, standardize, random_state, verbose
        As for `NetworkRegressor`.

    Attributes
    ----------
    classes_ : numpy.ndarray, shape (C,)
        The labels, sorted.
    model_, family_, losses_, results_, history_, scaler_, range_, n_features_in_, feature_names_in_
        As for `NetworkRegressor`.

    Notes
    -----
    To the rows held out belongs one more, in weight, that is of any class with the same
    probability: without it training would go on, to certainty, where all others are right. The
    temperature, of Guo et al. (2017), arXiv:1706.04599, divides the weights of the heads.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from probnn.estimators import NetworkClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> network = NetworkClassifier(members=2, random_state=0).fit(x, y)
    >>> bool(network.score(x, y) > 0.95), network.predict_proba(x[:2]).shape
    (True, (2, 3))
    """

    def _family(self):
        return family_of_classes(None if _is_auto(self.family) else self.family, len(self.classes_))

    def _held_out(self, x, y, weight):
        return super()._held_out(*and_any_class(x, y, weight, len(self.classes_)))

    def _calibrate(self, networks, validation):
        if _is_auto(self.family) and validation is not None:
            temper(networks, *validation)

    def _tell(self, network):
        from probnn.networks.inputs import columns_of, know_columns

        know_columns(network, columns_of(network), Responses(classes=[self._labels]))

    def _told(self, y):
        return self._levels[y.astype(int)]
