"""What makes a Keras model probabilistic: it knows its heads, and predicts distributions."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

import keras

from probnn import backend, data
from probnn.backend import keras_private
from probnn.data import streams
from probnn.fitting.progress import shown
from probnn.models.metrics import Parts, for_metrics
from probnn.models.raw import ALL, RawOutputs, error_of
from probnn.models.saved import Saved
from probnn.networks.entered import entered
from probnn.networks.heads import Head
from probnn.networks.inputs import know_columns, learnt_columns, read_inputs
from probnn.networks.losses import NegativeLogLikelihood
from probnn.networks.outputs import predictives
from probnn.networks.passes import random_passes
from probnn.training.checked import checked_arrays, checked_stream, checked_validation
from probnn.training.conditions import check_compiled
from probnn.training.devices import check_processes, check_replicas
from probnn.training.fitting import (
    arguments,
    check_some_count,
    fit,
    train,
    with_arguments_of,
)
from probnn.training.new_heads import adapt_to_arrays, adapt_to_stream, first_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from probnn._types import NDArray, Rows, Tensor
    from probnn.predictive import Predictive

_map, _flatten = keras.tree.map_structure, keras.tree.flatten


class Probabilistic(RawOutputs, Saved):
    """What Model and Sequential add to the Keras classes of the same names.

    Attributes
    ----------
    input_columns : Columns
        The names of the columns of the frame x that the model was fitted on.
    responses : Responses
        The names of the columns of y, and the labels of its classes.
    """

    @property
    def heads(self) -> Any:
        """The model's Head; or a list or dict of heads, in the structure of its outputs."""
        raise NotImplementedError

    # ---- training ---------------------------------------------------------------------------

    def compile(
        self,
        optimizer: str | keras.Optimizer = "rmsprop",
        loss: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Prepare for training: the loss is the head's negative log-likelihood.

        Parameters
        ----------
        optimizer : str or keras.Optimizer
            As in Keras.
        loss : NegativeLogLikelihood, or a list or dict of them, optional
            Left out, the negative log-likelihood of each head. Give one to change its reduction, or
            for `label_smoothing` or `beta`.
        *args, **kwargs
            `loss_weights`, `metrics` and the rest of `keras.Model.compile`. Metrics compare y with
            the mean that `predict` returns: "accuracy" for classes, "root_mean_squared_error" for
            numbers.

        Raises
        ------
        ValueError
            If the model does not end in a Head, or `loss` is not its negative log-likelihood.
        """
        heads = self.heads
        check_no_inner(self, heads)
        if loss is None:
            loss = _map(_loss_of, heads)
        losses, flat = _flatten(loss), _flatten(heads)
        if len(losses) not in (1, len(flat)):
            raise ValueError(
                f"Expected no `loss`, or one for each of the {len(flat)} heads. Received: "
                f"{len(losses)} of them."
            )
        for given, head in zip(itertools.cycle(losses), flat, strict=False):
            if not (isinstance(given, NegativeLogLikelihood) and given.family == head.family):
                raise ValueError(
                    f"Expected no `loss`, or the negative log-likelihood of {head.family!r}. "
                    f"Received: loss={given!r}. Leave `loss` out; with another loss, which would "
                    "compare y with raw outputs, use keras.Model."
                )
        metrics = [*args[1:3], kwargs.get("metrics"), kwargs.get("weighted_metrics")]
        for head in flat:
            if any(metrics) and head.family.censored:
                raise ValueError(
                    "Expected no metrics of a censored y, of which bounds are known. Received: "
                    f"{metrics}. The loss is its likelihood; scores of rows that were seen come "
                    "from predict_distribution."
                )
        super().compile(optimizer, loss, *args, **kwargs)
        self.__dict__["_parts"] = Parts.of(self)  # unseen by what Keras tracks and saves

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as a saved model was, which Keras leaves to a class that overrides `compile`."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self) -> list[keras.Metric]:
        """All metrics, those of the parts of a loss with variational layers among them."""
        parts = self.__dict__.get("_parts")
        return [*super().metrics, *([] if parts is None else parts.metrics)]

    def compute_loss(
        self,
        x: Rows = None,
        y: Rows = None,
        y_pred: Tensor = None,
        sample_weight: Rows = None,
        training: bool = True,
    ) -> Tensor:
        """Return the loss, as Keras does; the masks of the outputs are kept for the metrics."""
        # JAX's gradients return other tensors for the outputs, which do not carry their masks.
        masks = [keras_private.mask_of(each) for each in _flatten(y_pred)]
        if any(mask is not None for mask in masks):
            self.__dict__["_masks"] = masks  # unseen by what Keras tracks and saves
        loss = super().compute_loss(x, y, y_pred, sample_weight, training=training)
        parts = self.__dict__.get("_parts")
        if parts is not None:
            parts.record(x, loss, self.losses)
        return loss

    def compute_metrics(
        self, x: Rows, y: Rows, y_pred: Tensor, sample_weight: Rows = None
    ) -> dict[str, Any]:
        """Update the metrics with the means that raw outputs stand for.

        Masked time steps are left out, and a y that is not finite, for its sample weight is 0.
        """
        masks = self.__dict__.pop("_masks", None)
        if keras_private.has_metrics(self):
            heads = self.heads
            masks = masks or [keras_private.mask_of(each) for each in _flatten(y_pred)]
            weights = data.for_each(sample_weight, heads)
            outputs = zip(
                *map(_flatten, (heads, data.by_head(y, heads), y_pred, weights)), masks, strict=True
            )
            pack = functools.partial(keras.tree.pack_sequence_as, heads)
            sides = zip(*itertools.starmap(for_metrics, outputs), strict=True)
            y, y_pred, weights, counts = (pack(list(side)) for side in sides)
            if any(count is not None for count in _flatten(counts)):
                keras_private.update_metrics(self, y, y_pred, weights, counts)
                return self.get_metrics_result()
        return super().compute_metrics(x, y, y_pred, sample_weight)

    @with_arguments_of(fit)
    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Fit the weights by minimising the negative log-likelihood.

        Takes what `keras.Model.fit` takes, and pandas and polars objects, and returns its History.
        The names of the columns of x and y are remembered, and saved: later frames are aligned by
        them, and so are the frames in the batches of a generator or a PyDataset.
        A head that is still new, and is trained, first adapts to y, or to the y of the first batch
        of a stream, by the sample or class weights and without masked time steps. Where a sample
        weight is 0, or a time step masked, y was not observed: any number does, and NaN.

        Parameters
        ----------
        x, y, batch_size, ..., validation_freq
            As in `keras.Model.fit`.
        whole_epoch, on_divergence
            As in `probnn.fit`: whether epochs run as compiled programs, and what a loss does that
            is no longer finite.

        Raises
        ------
        ValueError
            For numbers of rows that do not agree, values that are not finite, a y of the wrong
            shape or outside the family's support, a negative weight, weights that are all 0.
            Arrays are checked before anything changes; batches of a stream, each before its step.
        """
        given, stream = arguments(self, *args, **kwargs), None
        class_weight = given.class_weight
        check_compiled(self)
        if streams.is_stream(given.x):
            stream = checked_stream(
                self,
                given.x,
                given.y,
                learn=True,
                shuffle=given.shuffle,
                class_weight=class_weight,
            )
            columns = stream.columns
            class_weight = columns[1].class_weight(class_weight)
            given.x, given.shuffle, given.class_weight = stream, False, None
        else:
            columns = learnt_columns(self, given.x, given.y)
            given.x, given.y, given.sample_weight = checked_arrays(
                self, given.x, given.y, given.sample_weight, columns=columns
            )
            class_weight = given.class_weight = columns[1].class_weight(class_weight)
            check_some_count(given)
        given.validation_data = checked_validation(self, given.validation_data, columns)
        check_processes(given)
        check_replicas(self, given)
        with error_of(stream, given.validation_data), entered(self):
            if stream is None:
                # Keras splits off the last rows; what they hold out, the head must not see.
                part = 1.0 if given.validation_data is not None else 1.0 - given.validation_split
                rows = first_rows(part, given.y, given.sample_weight)
                adapt_to_arrays(self, self.heads, given.x, *rows, class_weight)
            else:
                adapt_to_stream(self, self.heads, stream, class_weight)
            know_columns(self, *columns)
            return train(self, super().fit, given)

    def evaluate(
        self,
        x: Rows = None,
        y: Rows = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Rows = None,
        steps: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Return the mean negative log-likelihood, and the metrics, as `keras.Model.evaluate` does.

        Raises
        ------
        ValueError
            As in `fit`.
        """
        stream = None
        if not keras_private.evaluates_for_fit(kwargs):  # which has checked the data
            check_compiled(self)
            if streams.is_stream(x):
                x = stream = checked_stream(self, x, y)
            else:
                x, y, sample_weight = checked_arrays(self, x, y, sample_weight)
                data.check_some_count(sample_weight)
        with error_of(stream), backend.many_programs(), entered(self):
            return super().evaluate(
                x=x,
                y=y,
                batch_size=batch_size,
                verbose=shown(verbose),
                sample_weight=sample_weight,
                steps=steps,
                callbacks=callbacks,
                return_dict=return_dict,
                **kwargs,
            )

    def train_on_batch(
        self,
        x: Rows,
        y: Rows = None,
        sample_weight: Rows = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Check a batch of arrays, and run one step as `keras.Model.train_on_batch` does."""
        columns = learnt_columns(self, x, y)
        x, y, sample_weight = checked_arrays(self, x, y, sample_weight, columns=columns)
        class_weight = columns[1].class_weight(class_weight)
        with entered(self):
            adapt_to_arrays(self, self.heads, x, y, sample_weight, class_weight)
            know_columns(self, *columns)
            return super().train_on_batch(x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(
        self, x: Rows, y: Rows = None, sample_weight: Rows = None, return_dict: bool = False
    ) -> Any:
        """Check a batch of arrays, and return its loss as `keras.Model.test_on_batch` does."""
        x, y, sample_weight = checked_arrays(self, x, y, sample_weight)
        with entered(self):
            return super().test_on_batch(x, y, sample_weight, return_dict)

    # ---- prediction -------------------------------------------------------------------------

    def predict(
        self,
        x: Rows,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
    ) -> NDArray[Any] | Any:
        """Return the mean of every row's distribution.

        Parameters
        ----------
        x, batch_size, verbose, steps, callbacks
            As in `keras.Model.predict`; x may be a pandas or polars frame, whose columns go by
            their names if the model was fitted on a frame, else by position.

        Returns
        -------
        numpy.ndarray, shape (n,), (n, units) or (n, classes)
            P(Y = 1 | x) for the Bernoulli family, the class probabilities for the categorical, the
            mean for the others; a list or dict of them for a model with several heads.

        Raises
        ------
        ValueError
            If x has zero rows, a value that is not finite, or other columns than the model takes.
        """
        raw = self._predict_raw(
            x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks
        )
        return _map(lambda head, values: head.mean(values), self.heads, raw)

    def predict_on_batch(self, x: Rows) -> NDArray[Any] | Any:
        """Return the mean of every row's distribution, for one batch."""
        raw = self._predict_raw(x, batch_size=ALL, verbose=0)
        return _map(lambda head, values: head.mean(values), self.heads, raw)

    def predict_params(self, x: Rows, **kwargs: Any) -> dict[str, Any]:
        """Return the parameters of every row's distribution.

        Parameters
        ----------
        x
            As in `predict`.
        **kwargs
            `batch_size`, `verbose`, `steps` and `callbacks`, as in `predict`.

        Returns
        -------
        dict
            Name -> float64 array, shape (n,), or (n, units), or (n, classes) for `probs` of the
            categorical family; for a model with several heads, a list or dict of such dicts.
        """
        return _map(
            lambda head, raw: head.to_params(raw), self.heads, self._predict_raw(x, **kwargs)
        )

    def predict_distribution(
        self, x: Rows, *, passes: int | None = None, seed: int | None = None, **kwargs: Any
    ) -> Predictive | Any:
        """Return what the model believes about the y of every row.

        Parameters
        ----------
        x, **kwargs
            As in `predict_params`.
        passes : int, optional
            Predict so often with the layers that are random in training, as Dropout, left on, and
            the weights of variational layers drawn anew, and pool what each pass says. Left out,
            no dropout and the means of weights.
        seed : int, optional
            That of the passes, which are then the same each time.

        Returns
        -------
        Predictive
            With mean, quantiles, intervals, densities and scores, in NumPy; of passes, a
            `PooledPredictive`, whose `epistemic_variance()` is how far they disagree. For a model
            with several heads, a list or dict of them.

        Raises
        ------
        ValueError
            If `passes` is no whole number from 2 on, or no layer is random; or as `predict`.

        Notes
        -----
        Keras's `predict` turns off even layers that were called with `training=True`. Gal and
        Ghahramani (2016), arXiv:1506.02142.
        """
        from probnn.predictive import PooledPredictive

        rows = None if streams.is_stream(x) else x

        def believed(**options):
            raw = self._predict_raw(x, **kwargs | options)
            return predictives(self, self.heads, raw, rows)

        if passes is None:
            return believed()
        with entered(self):
            quiet = functools.partial(believed, verbose=0)
            each = random_passes(self, passes, quiet, kwargs.get("verbose", "auto"), seed)
        return _map(lambda *members: PooledPredictive(members), *each)

    def predict_distribution_on_batch(self, x: Rows) -> Predictive | Any:
        """Return what the model believes about the y of every row, for one batch: without delay.

        Parameters
        ----------
        x : array_like, or a list, tuple or dict of them
            As in `predict`; all rows are one batch.

        Returns
        -------
        Predictive
            As `predict_distribution` returns.

        Raises
        ------
        ValueError
            As `predict`.

        Notes
        -----
        Several threads may ask one model, which answers one after the other. A number of rows that
        is new to the model may mean that its program is compiled once more.

        Examples
        --------
        >>> import keras, numpy as np, probnn as pn
        >>> model = pn.Sequential([keras.Input((2,)), pn.Head("bernoulli")])
        >>> model.set_weights([np.array([[0.3], [0.1]]), np.array([1.0])])
        >>> d = model.predict_distribution_on_batch(np.array([[1.0, 2.2]]))
        >>> d.mean().round(6).tolist()
        [0.820538]
        """
        return self.predict_distribution(x, batch_size=ALL, verbose=0)

    def distribution(self, x: Rows, **kwargs: Any) -> Any:
        """Return the backend's own distribution object for the rows of x.

        Parameters
        ----------
        x : array or tensor
            Input of the model.
        **kwargs
            What the model's `call` takes: `training`.

        Returns
        -------
        tfp.distributions.Distribution or torch.distributions.Distribution
            With batch shape (n,) or (n, units); gradients flow to the weights.
        """
        if not any(map(keras.ops.is_tensor, _flatten(x))):  # through which gradients pass
            x = read_inputs(self, x)
        raw = self(x, **kwargs)
        return _map(
            lambda head, raw: head.family.to_distribution(head.family.by_response(raw)),
            self.heads,
            raw,
        )


def check_no_inner(model, heads):
    """Raise if a head feeds other layers."""
    for layer in keras_private.inner_layers(model):
        if isinstance(layer, Head) and not any(layer is head for head in _flatten(heads)):
            raise ValueError(
                f"Expected every probnn.Head to be an output of the model. Received: "
                f"{layer.name!r} in the middle of it. Make it an output too, or use "
                "keras.layers.Dense there."
            )


def _loss_of(head):
    return NegativeLogLikelihood(head.family, check=False, dtype=head.variable_dtype)
