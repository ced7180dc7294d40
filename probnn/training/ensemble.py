"""Deep ensembles: several networks that start apart, and the mixture of what they believe."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from probnn import _files
from probnn.data import Responses, check_some_count
from probnn.fitting.progress import Progress, shown
from probnn.networks.inputs import columns_of, know_columns, learnt_columns, responses_of
from probnn.training import copies, divergence
from probnn.training.checked import checked_arrays, checked_validation
from probnn.training.fitting import check_choice
from probnn.training.scored import mean_log_probs
from probnn.training.several import check_stopping, train_on_rows, without_held_out
from probnn.training.trees import count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from typing import Any, Literal, Self

    from probnn._types import ArrayLike, NDArray, Rows
    from probnn.predictive import PooledPredictive

_KIND, _FORMAT, _INDEX = "a deep ensemble", 1, "ensemble.json"


class DeepEnsemble:
    """Networks of one shape that start from different weights and see the data in different orders.

    Parameters
    ----------
    model : probnn.Model or probnn.Sequential
        Compiled: the configuration of every member. It is not trained itself.
    members : int
        How many, at least 2.
    seed : int
        For the initial weights, the shuffles and the bootstrap: the same seed, the same ensemble.
    bootstrap : bool
        Whether each member trains on rows drawn with replacement, as many as there are.

    Attributes
    ----------
    members : list of probnn.Model
        The networks: models like any other.

    Notes
    -----
    Lakshminarayanan, Pritzel and Blundell (2017), "Simple and scalable predictive uncertainty
    estimation using deep ensembles", arXiv:1612.01474. The prediction is the mixture of the
    members' distributions with equal weights.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> x = np.linspace(-1.0, 1.0, 200)[:, None]
    >>> y = x[:, 0] ** 3 + 0.1 * np.random.default_rng(0).normal(size=200)
    >>> layers = [keras.Input((1,)), keras.layers.Dense(16, "tanh"), pn.Head("normal")]
    >>> model = pn.Sequential(layers)
    >>> model.compile(keras.optimizers.Adam(0.01))
    >>> ensemble = pn.DeepEnsemble(model, members=3, seed=0)
    >>> histories = ensemble.fit(x, y, epochs=50, verbose=0)
    >>> d = ensemble.predict_distribution(np.array([[0.0], [3.0]]), verbose=0)
    >>> far = d.epistemic_variance() / d.variance()  # the members disagree where there are no data
    >>> bool(far[1] > far[0])
    True
    """

    def __init__(
        self,
        model: keras.Model,
        members: int = 5,
        seed: int | np.random.Generator = 0,
        bootstrap: bool = False,
    ) -> None:
        check_probabilistic(model)
        if not (isinstance(members, (int, np.integer)) and members >= 2):
            raise ValueError(f"Expected at least 2 members. Received: members={members!r}.")
        self.seed = seed
        self.bootstrap = bootstrap
        self.members = [copies.fresh(model, [seed, i]) for i in range(members)]

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self):
        return f"<DeepEnsemble of {len(self)}: {self.members[0]!r}>"

    # ---- training ---------------------------------------------------------------------------

    def fit(
        self,
        x: Rows,
        y: Rows,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Rows = None,
        shuffle: bool = True,
        sample_weight: ArrayLike | None = None,
        at_once: bool | Literal["auto"] = "auto",
        on_divergence: Literal["raise", "warn"] = "raise",
        *,
        stopping: int | None = None,
    ) -> list[keras.callbacks.History]:
        """Train all members, where possible at once in one compiled program.

        Parameters
        ----------
        x, y, batch_size, epochs, verbose, validation_split, validation_data, shuffle, sample_weight
            As in `keras.Model.fit`, of arrays.
        callbacks : list of keras.callbacks.Callback, optional
            Each member has copies of its own: EarlyStopping stops it alone, after each epoch by
            itself; `stopping` is part of the compiled program.
        at_once : {"auto", True, False}
            "auto" trains members at once where that is possible, and one after another elsewhere;
            True raises in place of that, and says what stands in the way; False trains them one
            after another.
        on_divergence : {"raise", "warn"}
            As in `probnn.fit`, if all members diverge. If some do, a warning names them: each keeps
            the weights of its last good epoch, with `stopping` its best ones.
        stopping : int, optional
            The patience: a member whose validation loss was not lower for so many epochs stands
            still, and all end with the weights of their lowest one. Without `validation_data` or
            `validation_split` the last tenth of the rows is held out.

        Returns
        -------
        list of keras.callbacks.History
            One for each member.

        Raises
        ------
        ValueError
            As `probnn.Model.fit`; or if `at_once=True` and something stands in the way.

        Examples
        --------
        >>> import keras, numpy as np, probnn as pn
        >>> x = np.random.default_rng(0).uniform(-1.0, 1.0, size=(80, 1))
        >>> model = pn.Sequential([keras.Input((1,)), pn.Head("normal")])
        >>> model.compile(keras.optimizers.Adam(0.1))
        >>> ensemble = pn.DeepEnsemble(model, members=2)
        >>> histories = ensemble.fit(x, x[:, 0], epochs=1000, stopping=20, verbose=0)
        >>> max(len(each.epoch) for each in histories) < 1000
        True
        """
        divergence.check_option(on_divergence)
        check_choice("at_once", at_once)
        check_stopping(stopping)
        first = self.members[0]
        columns = learnt_columns(first, x, y)
        x, y, sample_weight = checked_arrays(first, x, y, sample_weight, columns=columns)
        check_some_count(sample_weight)
        data = x, y, sample_weight
        rows = np.tile(np.arange(count(y)), (len(self), 1))
        if validation_data is not None:
            validation_data = checked_validation(first, validation_data, columns)
            held_rows = np.arange(count(validation_data))
            validation = validation_data, np.tile(held_rows, (len(self), 1))
        else:
            rows, validation = without_held_out(data, rows, validation_split, stopping)
        if self.bootstrap:
            rows = np.random.default_rng(self.seed).integers(0, rows.shape[1], rows.shape)
        with _in_codes(self.members, columns):
            return train_on_rows(
                self.members,
                data,
                rows,
                validation=validation,
                callbacks=callbacks,
                stopping=stopping,
                seed=self.seed,
                at_once=at_once,
                batch_size=batch_size or 32,
                epochs=epochs,
                verbose=shown(verbose),
                shuffle=shuffle,
                on_divergence=on_divergence,
            )

    # ---- prediction -------------------------------------------------------------------------

    def predict(self, x: Rows, verbose: int | str = "auto", **kwargs: Any) -> NDArray[Any] | Any:
        """Return the mean of every row's mixture, in the shape of `probnn.Model.predict`."""
        return self._of_members(
            lambda member: member.predict(x, verbose=0, **kwargs),
            lambda *each: np.mean(each, axis=0),
            verbose,
        )

    def predict_distribution(
        self, x: Rows, verbose: int | str = "auto", **kwargs: Any
    ) -> PooledPredictive | Any:
        """Return the mixture of the members' distributions, for every row of x.

        Parameters
        ----------
        x, **kwargs
            As in `probnn.Model.predict_distribution`.
        verbose : int or "auto"
            Whether one line says how many members have predicted: "auto" says it to who watches,
            after three seconds.

        Returns
        -------
        PooledPredictive
            A Predictive, whose variance splits into `aleatoric_variance()` and
            `epistemic_variance()`; a list or dict of them for a model with several heads.
        """
        from probnn.predictive.pooled import PooledPredictive

        return self._of_members(
            lambda member: member.predict_distribution(x, verbose=0, **kwargs),
            lambda *each: PooledPredictive(each),
            verbose,
        )

    def _of_members(self, ask, pool, verbose):
        """Return what is pooled of what each member answers, in the structure of its heads."""
        answers, progress = [], Progress(verbose, "member", len(self))
        for member in self.members:
            answers.append(ask(member))
            progress(len(answers))
        return keras.tree.map_structure(pool, *answers)

    def evaluate(
        self, x: Rows, y: Rows, sample_weight: ArrayLike | None = None, **kwargs: Any
    ) -> float:
        """Return the mean negative log-likelihood of the mixture: it is at most the members' mean.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`.
        **kwargs
            As in `predict_distribution`.

        Returns
        -------
        float
            The weighted mean over rows, or steps, of the sum over responses and heads, as
            `probnn.Model.evaluate` has it of one network, without its metrics.

        Raises
        ------
        ValueError
            As `predict_distribution` and `probnn.Model.evaluate`.

        Examples
        --------
        >>> import keras, numpy as np, probnn as pn
        >>> model = pn.Sequential([keras.Input((1,)), pn.Head("poisson")])
        >>> model.compile()
        >>> ensemble = pn.DeepEnsemble(model, members=2)
        >>> for member, rate in zip(ensemble.members, [1.0, 3.0]):
        ...     member.set_weights([np.zeros((1, 1)), np.log([rate])])
        >>> round(ensemble.evaluate(np.ones((1, 1)), [0.0]), 6)  # -log((exp(-1) + exp(-3)) / 2)
        1.566219
        """
        first = self.members[0]
        columns = columns_of(first), responses_of(first)
        x, y, sample_weight = checked_arrays(first, x, y, sample_weight)
        check_some_count(sample_weight)
        with _in_codes(self.members, columns):
            d = self.predict_distribution(x, **kwargs)
        means = mean_log_probs(first, d, x, y, sample_weight)
        units = [head.units for head in keras.tree.flatten(first.heads)]
        return -sum(np.multiply(means, units).tolist())

    # ---- files ------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Save the ensemble: a zip file with one `.keras` file for each member.

        Parameters
        ----------
        path : str or pathlib.Path
            Where. An earlier file is replaced at the end, in one step.
        """
        index = {"members": len(self), "seed": self.seed, "bootstrap": self.bootstrap}
        members = {_INDEX: json.dumps(index).encode()}
        with tempfile.TemporaryDirectory() as folder:
            for i, member in enumerate(self.members):
                name = f"member_{i}.keras"
                member.save(Path(folder) / name)
                members[name] = Path(folder) / name
            _files.write_archive(path, _KIND, _FORMAT, members)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Return the ensemble that `save` wrote.

        Parameters
        ----------
        path : str or pathlib.Path

        Raises
        ------
        ValueError
            If the file is no saved ensemble, was cut short or changed, is of a newer format, or
            has what Keras's safe mode does not load, as a Lambda layer of Python code.
        """
        with (
            tempfile.TemporaryDirectory() as folder,
            _files.Archive(path, _KIND, _FORMAT, unmarked=_INDEX) as archive,
        ):
            index = json.loads(archive.read(_INDEX))
            ensemble = cls.__new__(cls)
            ensemble.seed, ensemble.bootstrap = index["seed"], index["bootstrap"]
            names = [f"member_{i}.keras" for i in range(index["members"])]
            ensemble.members = [
                keras.saving.load_model(archive.extract(name, folder), safe_mode=True)
                for name in names
            ]
        for member in ensemble.members:
            check_probabilistic(member)
        return ensemble


def check_probabilistic(model):
    """Raise ValueError for a model that does not predict distributions."""
    if not hasattr(model, "predict_distribution"):
        raise ValueError(
            f"Expected a probnn.Model or probnn.Sequential. Received: {type(model).__name__}."
        )


@contextlib.contextmanager
def _in_codes(models, columns):
    """Let models be trained on a checked y, which has codes; then they know columns and labels."""
    for model in models:
        know_columns(model, columns[0], Responses())
    try:
        yield
    finally:
        for model in models:
            know_columns(model, *columns)
