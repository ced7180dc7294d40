"""Several models of one shape, each trained on its rows of the data, at once where possible."""

import copy

import keras
import numpy as np

from probnn.data import check_some_count
from probnn.training import copies, crew, divergence
from probnn.training.conditions import does_not_compile
from probnn.training.interrupt import interruptible
from probnn.training.new_heads import adapt, build_heads, row_weights, split_rows
from probnn.training.rows import tell_rows
from probnn.training.trees import take


def check_stopping(stopping):
    """Raise ValueError for a patience that is no number of epochs."""
    whole = isinstance(stopping, (int, np.integer)) and not isinstance(stopping, bool)
    if stopping is not None and not (whole and stopping >= 1):
        raise ValueError(
            "Expected stopping to be the epochs to wait for a lower validation loss, at least 1. "
            f"Received: {stopping!r}."
        )


def without_held_out(data, rows, validation_split, stopping):
    """Return the rows to train on, and what to validate on: arrays and the last rows, or None.

    Parameters
    ----------
    data : tuple
        (x, y, sample_weight), checked.
    rows : numpy.ndarray, shape (models, n)
        The rows of the data that are there for each model.
    validation_split : float
        The share to hold out; 0 is a tenth with `stopping`, else nothing.
    stopping : int or None
    """
    validation_split = validation_split or (0.1 if stopping is not None else 0.0)
    if not validation_split:
        return rows, None
    rows, held = (part.T for part in split_rows(1.0 - validation_split, rows.T))
    if not (rows.size and held.size):
        raise ValueError(
            "Expected a validation_split, between 0 and 1, that leaves rows to train on and rows "
            f"to validate on. Received: {validation_split} of {rows.shape[1] + held.shape[1]} rows."
        )
    for part, which in ((rows, "trained on"), (held, "held out")):
        for own in part:
            check_some_count(take(data[2], own), f"sample_weight of the rows that are {which}")
    return rows, (data if data[2] is not None else data[:2], held)


def train_on_rows(
    models,
    data,
    rows,
    *,
    validation,
    callbacks,
    stopping,
    seed,
    at_once,
    verbose,
    on_divergence,
    **options,
):
    """Train each model on its rows of the data, at once where that is possible.

    Parameters
    ----------
    models : list of probnn.Model
    data : tuple
        (x, y, sample_weight), checked.
    rows : numpy.ndarray, shape (models, n)
    validation : tuple, optional
        Arrays, and the rows of them (models, m) that each model is validated on.
    callbacks : list of keras.callbacks.Callback, optional
    stopping : int, optional
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
        team, reason = _crew(models, data, rows, validation, callbacks, stopping, seed, options)
        if team is not None:
            return team.fit(options["epochs"], verbose, on_divergence)
        if at_once is True:
            raise ValueError(
                "Expected members that can be trained at once, for at_once=True. Received: "
                f"{reason}. With at_once='auto' they would be trained one after another."
            )
    if stopping is not None:
        stop = keras.callbacks.EarlyStopping(patience=stopping, restore_best_weights=True)
        callbacks = [*callbacks, stop]
    histories, errors = [], {}
    with interruptible() as interrupt:
        for i, (model, own) in enumerate(zip(models, rows, strict=True)):
            if interrupt.asked:
                break
            x, y, sample_weight = take(data, own)
            if verbose:
                print(f"Member {i + 1} of {len(models)}")
            try:
                with copies.seeded([*np.ravel(seed), i]):
                    model.fit(
                        x,
                        y,
                        sample_weight=sample_weight,
                        validation_data=validation and take(validation[0], validation[1][i]),
                        callbacks=copy.deepcopy(callbacks),
                        verbose=verbose,
                        **options,
                    )
            except divergence.DivergenceError as error:
                errors[i] = error
            histories.append(model.history)
    divergence.report_members(errors, len(models), on_divergence, stopping)
    return histories


def _crew(models, data, rows, validation, callbacks, stopping, seed, options):
    """Return what trains models at once, compiled; or None, and what stands in the way."""
    if data[2] is None:
        data = data[:2]
    reason = crew.obstacle(models[0], (data, validation and validation[0]), callbacks)
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
            stopping,
            options["shuffle"],
            seed,
        )
        team.compile()
    except Exception as error:  # whatever the compiler of a backend raises
        return None, does_not_compile(error)
    return team, None
