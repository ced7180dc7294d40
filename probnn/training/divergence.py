"""What a fit does when its loss is no longer finite, or ends far above where it was."""

import warnings

import keras
import numpy as np

from probnn import backend

ON_DIVERGENCE = ("raise", "warn")

# Times the lowest loss, or 1, that a loss lies above it: where weights are still good, and lost.
_NEAR, _FAR = 1.0, 10.0


class DivergenceError(ArithmeticError):
    """A loss that is no longer finite; the model has the weights of the last epoch that was."""


class DivergenceWarning(RuntimeWarning):
    """As `DivergenceError`, where a fit was asked to warn; or a loss that ended far too high."""


def check_option(on_divergence):
    """Raise ValueError for an unknown choice of what a divergence does."""
    if on_divergence not in ON_DIVERGENCE:
        raise ValueError(
            f"Expected on_divergence to be 'raise' or 'warn'. Received: {on_divergence!r}."
        )


def error_of(model, losses, epoch, rate):
    """Return the `DivergenceError` of a fit that diverged in an epoch.

    Parameters
    ----------
    model : keras.Model
        With the weights put back already.
    losses : list of float
        The training loss of each epoch, the last one not finite, or followed by weights that are
        not.
    epoch : int
        The number of the last of them, from 1.
    rate : float
        The learning rate in that epoch.
    """
    if len(losses) > 1:
        before = f"The last finite loss was {losses[-2]:.6g}, in epoch {epoch - 1}, whose weights"
    else:
        before = "It was the first epoch of this fit, so the weights from before it"
    found = f"Expected a finite loss. Received: {losses[-1]:.6g}"
    if np.isfinite(losses[-1]):  # it is the mean of losses before the last step
        found = "Expected finite weights. Received: infinite or NaN ones"
    return DivergenceError(
        f"{found} in epoch {epoch}, with a learning rate of {rate:.3g}. {before} are "
        f"restored. Don't panic, lower the learning rate: try {rate / 10:.3g}, or the one that "
        f"probnn.training.suggest_learning_rate(model, x, y) finds.{_about_links(model)}"
    )


def report(error, on_divergence):
    """Raise the error of a fit, or warn, as `on_divergence` says."""
    if on_divergence == "raise":
        raise error
    warnings.warn(str(error), DivergenceWarning, stacklevel=4)


def report_members(errors, count, on_divergence, stopping):
    """Report the members that diverged, if there are some: others that did not are good.

    Parameters
    ----------
    errors : dict
        Number of a member -> its `DivergenceError`.
    count : int
        How many members there are.
    on_divergence : {"raise", "warn"}
        What is done if all diverged.
    stopping : int or None
        Whether they have their best weights.
    """
    if not errors:
        return
    which = f"In training of member {', '.join(map(str, errors))}: "
    best = " Each has the weights of its lowest validation loss." if stopping else ""
    error = DivergenceError(f"{which}{next(iter(errors.values()))}{best}")
    report(error, on_divergence if len(errors) == count else "warn")


class Rise:
    """Whether a loss that stays finite has risen far above its lowest, and the state before it.

    Parameters
    ----------
    state
        What there is to put back: that from before the first epoch.

    Attributes
    ----------
    rate : float
        The learning rate in the end, for the report.
    """

    def __init__(self, state=None):
        self.state, self.rate = state, None
        self._epoch, self._after = 0, (0, state)
        self._lowest, self._above = np.inf, 0.0

    def __bool__(self):
        return _FAR < self._above < np.inf

    def see(self, loss, epoch=None, state=None):
        """Take the loss of an epoch, by number from 1, and the state after it where it is known.

        What is put back is the state before an epoch with a low loss: the one after it may be bad.
        """
        self._last, self._lowest = loss, min(self._lowest, loss)
        self._above = (loss - self._lowest) / max(1.0, abs(self._lowest))
        if state is not None and self._above <= _NEAR:
            self._epoch, self.state = self._after
            self._after = epoch, state

    def report(self):
        """Warn that the loss has risen, the state being put back already."""
        before = f"after epoch {self._epoch}" if self._epoch else "from before this fit"
        warnings.warn(
            f"Expected a loss that falls. Received: {self._lowest:.6g}, and {self._last:.6g} in "
            f"the end, with a learning rate of {self.rate:.3g}. The weights {before} are "
            f"restored. Lower the learning rate: try {self.rate / 10:.3g}, or the one that "
            "probnn.training.suggest_learning_rate(model, x, y) finds.",
            DivergenceWarning,
            stacklevel=4,
        )


def learning_rate(model):
    """Return the learning rate of a model's optimizer now, as a number."""
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def _about_links(model):
    """Name the links that let a parameter leave its domain, which makes a likelihood NaN."""
    found = []
    for head in keras.tree.flatten(getattr(model, "heads", [])):
        for name, param in head.family.params.items():
            link = head.family.links[name]
            with np.errstate(all="ignore"):
                reached = link.inverse(np.array([-20.0, -1.0, 1.0, 20.0]))
            if param.size is None and not param.domain.contains(reached).all():
                found.append(f"{link.name} of {name}")
    if not found:
        return ""
    return (
        f" Or a parameter has left its domain, which the link {', '.join(found)} does not prevent: "
        "a log or logit link would."
    )


def variables(model):
    """Return what is put back after a divergence: the weights, and the optimizer's state."""
    own = [*model.trainable_variables, *model.non_trainable_variables]
    return [*own, *model.optimizer.variables]


class Guard(keras.callbacks.Callback):
    """Keep the state before each epoch and put it back, for Keras's own loop.

    It comes first among the callbacks, so that they see what it puts back; its `keeper` comes last,
    so that it keeps what they make of the model between epochs.
    """

    def __init__(self):
        super().__init__()
        self.losses, self.epoch, self.rate = [], None, None
        self.good, self.diverged, self.rise = [], False, Rise()
        self.keeper = keras.callbacks.LambdaCallback(on_epoch_begin=self._keep)

    def _keep(self, epoch, logs=None):
        model = self.model
        if model.built and not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self.good = [(v, backend.host_value(v).copy()) for v in variables(model)]
        if self.losses:
            self.rise.see(self.losses[-1], epoch, self.good)
        else:
            self.rise = Rise(self.good)

    def on_epoch_end(self, epoch, logs=None):
        """Put the state back and stop, if the loss or a weight is not finite."""
        loss = (logs or {}).get("loss", 0.0)
        self.losses.append(float(loss))
        finite = np.isfinite(loss) and all(
            np.isfinite(backend.host_value(v)).all() for v in self.model.trainable_variables
        )
        if not finite:
            self.epoch, self.rate = epoch + 1, learning_rate(self.model)
            _restore(self.good)
            self.diverged = self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Put the state back from before the loss rose, if it has."""
        if self.losses and not self.diverged:
            self.rise.see(self.losses[-1])
            if self.rise:
                self.rise.rate = learning_rate(self.model)
                _restore(self.rise.state)


def _restore(state):
    for variable, value in state:
        variable.assign(value)
