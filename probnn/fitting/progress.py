"""What long work shows meanwhile: a bar where somebody watches, plain lines elsewhere."""

import sys
import time

_PATIENCE = 3.0  # seconds without a word


def watched():
    """Return whether standard output is a terminal or a notebook, which take a bar's codes."""
    return "ipykernel" in sys.modules or bool(getattr(sys.stdout, "isatty", bool)())


def shown(verbose):
    """Return what Keras is to show for "auto": a bar (1) if watched, else a line an epoch (2)."""
    if verbose != "auto":
        return verbose
    return 1 if watched() else 2


class Progress:
    """A bar on work that takes more than a few seconds.

    Parameters
    ----------
    verbose : bool or "auto"
        Whether to show it: "auto" after three seconds, if somebody watches.
    unit : str
        What is counted.
    target : int, optional
        How many there will be.
    """

    def __init__(self, verbose="auto", unit="iteration", target=None):
        self._begin = time.monotonic() + (_PATIENCE if verbose == "auto" else 0.0)
        self._wanted = watched() if verbose == "auto" else bool(verbose)
        self._unit, self._target, self._bar = unit, target, None

    def __call__(self, count, **values):
        """Show that so many are done, and the latest values of what is watched."""
        if not self._wanted or time.monotonic() < self._begin:
            return
        import keras

        if self._bar is None:
            self._bar = keras.utils.Progbar(
                self._target, unit_name=self._unit, stateful_metrics=[*values]
            )
        self._bar.update(count, list(values.items()))

    def close(self):
        """End the line, if there is one that no target has ended."""
        if self._bar is not None and self._target is None:
            print()
