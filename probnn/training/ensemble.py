"""Deep ensembles: several networks that start apart, and the mixture of what they believe."""

from __future__ import annotations

import contextlib
import copy
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from probnn import _files
from probnn.backend.keras_private import without_last
from probnn.data import Responses, check_some_count
from probnn.fitting.progress import shown
from probnn.networks.inputs import know_columns, learnt_columns
from probnn.training import copies, crew, divergence
from probnn.training.checked import checked_arrays, checked_validation
from probnn.training.conditions import does_not_compile
from probnn.training.fitting import check_choice
from probnn.training.interrupt import interruptible
from probnn.training.new_heads import adapt, build_heads, row_weights
from probnn.training.rows import tell_rows
from probnn.training.trees import count, take

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
    ) -> list[keras.callbacks.History]:
        """Train all members, where possible at once in one compiled program.

        Parameters
        ----------
        x, y, batch_size, epochs, verbose, validation_split, validation_data, shuffle, sample_weight
            As in `keras.Model.fit`, of arrays.
        callbacks : list of keras.callbacks.Callback, optional
            Each member has copies of its own: EarlyStopping stops it alone.
        at_once : {"auto", True, False}
            "auto" trains members at once where that is possible, and one after another elsewhere;
            True raises in place of that, and says what stands in the way; False trains them one
            after another.
        on_divergence : {"raise", "warn"}
            As in `probnn.fit`.

        Returns
        -------
        list of keras.callbacks.History
            One for each member.

        Raises
        ------
        ValueError
            As `probnn.Model.fit`; or if `at_once=True` and something stands in the way.
        """
        divergence.check_option(on_divergence)
        check_choice("at_once", at_once)
        first = self.members[0]
        columns = learnt_columns(first, x, y)
        x, y, sample_weight = checked_arrays(first, x, y, sample_weight, columns=columns)
        check_some_count(sample_weight)
        if validation_data is not None:
            validation_data = checked_validation(first, validation_data, columns)
        elif validation_split:
            (x, y, sample_weight), validation_data = without_last(
                (x, y, sample_weight), validation_split
            )
        rng = np.random.default_rng(self.seed)
        rows = np.tile(np.arange(count(y)), (len(self), 1))
        if self.bootstrap:
            rows = rng.integers(0, count(y), rows.shape)
        with _in_codes(self.members, columns):
            return train_on_rows(
                self.members,
                (x, y, sample_weight),
                rows,
                validation=validation_data,
                callbacks=callbacks,
                seed=self.seed,
                at_once=at_once,
                batch_size=batch_size or 32,
                epochs=epochs,
                verbose=shown(verbose),
                shuffle=shuffle,
                on_divergence=on_divergence,
            )

    # ---- prediction -------------------------------------------------------------------------

    def predict(self, x: Rows, **kwargs: Any) -> NDArray[Any] | Any:
        """Return the mean of every row's mixture, in the shape of `probnn.Model.predict`."""
        means = [member.predict(x, **kwargs) for member in self.members]
        return keras.tree.map_structure(lambda *each: np.mean(each, axis=0), *means)

    def predict_distribution(self, x: Rows, **kwargs: Any) -> PooledPredictive | Any:
        """Return the mixture of the members' distributions, for every row of x.

        Parameters
        ----------
        x, **kwargs
            As in `probnn.Model.predict_distribution`.

        Returns
        -------
        PooledPredictive
            A Predictive, whose variance splits into `aleatoric_variance()` and
            `epistemic_variance()`; a list or dict of them for a model with several heads.
        """
        from probnn.predictive.pooled import PooledPredictive

        believed = [member.predict_distribution(x, **kwargs) for member in self.members]
        return keras.tree.map_structure(lambda *each: PooledPredictive(each), *believed)

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


def train_on_rows(
    models, data, rows, *, validation, callbacks, seed, at_once, verbose, on_divergence, **options
):
    """Train each model on its rows of the data, at once where that is possible.

    Parameters
    ----------
    models : list of probnn.Model
    data : tuple
        (x, y, sample_weight), checked.
    rows : numpy.ndarray, shape (models, n)
    validation : tuple of arrays, optional
    callbacks : list of keras.callbacks.Callback, optional
    seed : int or sequence of int
        For the shuffles.
    at_once : {"auto", True, False}
    verbose, on_divergence, **options
        As in `DeepEnsemble.fit`.

    Returns
    -------
    list of keras.callbacks.History
    """
    callbacks = keras.tree.flatten(callbacks or [])
    x, y, sample_weight = data
    for model in models:
        build_heads(model, model.heads, x)
    counts = row_weights(models[0], models[0].heads, x, y, sample_weight)
    for model, own in zip(models, rows, strict=True):
        adapt(model.heads, *take((y, counts), own))
        tell_rows(model, *take((x, y), own))
    if at_once:
        team, reason = _crew(models, data, rows, validation, callbacks, seed, options)
        if team is not None:
            return team.fit(options["epochs"], verbose, on_divergence)
        if at_once is True:
            raise ValueError(
                "Expected members that can be trained at once, for at_once=True. Received: "
                f"{reason}. With at_once='auto' they would be trained one after another."
            )
    histories = []
    with interruptible() as interrupt:
        for i, (model, own) in enumerate(zip(models, rows, strict=True)):
            if interrupt.asked:
                break
            x, y, sample_weight = take(data, own)
            if verbose:
                print(f"Member {i + 1} of {len(models)}")
            with copies.seeded([*np.ravel(seed), i]):
                model.fit(
                    x,
                    y,
                    sample_weight=sample_weight,
                    validation_data=validation,
                    callbacks=copy.deepcopy(callbacks),
                    verbose=verbose,
                    on_divergence=on_divergence,
                    **options,
                )
            histories.append(model.history)
    return histories


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


def _crew(models, data, rows, validation, callbacks, seed, options):
    """Return what trains models at once, compiled; or None, and what stands in the way."""
    if data[2] is None:
        data = data[:2]
    reason = crew.obstacle(models[0], (data, validation), callbacks)
    if reason is not None:
        return None, reason
    try:
        team = crew.Crew(
            models,
            data,
            rows,
            options["batch_size"],
            validation,
            callbacks,
            options["shuffle"],
            seed,
        )
        team.compile()
    except Exception as error:  # whatever the compiler of a backend raises
        return None, does_not_compile(error)
    return team, None
