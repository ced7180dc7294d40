"""What long work shows meanwhile: one line where somebody watches, plain lines elsewhere."""

import sys
import time

_PATIENCE = 3.0  # seconds without a word
_PAUSE = 0.05  # seconds between two


def watched():
    """Return whether standard output is a terminal or a notebook, which take a bar's codes."""
    return "ipykernel" in sys.modules or bool(getattr(sys.stdout, "isatty", bool)())


def shown(verbose):
    """Return what Keras is to show for "auto": a bar (1) if watched, else a line an epoch (2)."""
    if verbose != "auto":
        return verbose
    return 1 if watched() else 2


class Progress:
    """A line on work that takes more than a few seconds, without Keras's bar, which needs Keras.

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
        self._next = time.monotonic() + (_PATIENCE if verbose == "auto" else 0.0)
        self._verbose, self._width = verbose, 0
        self._unit, self._target = unit, target

    def __call__(self, count, **values):
        """Show that so many are done, and the latest values of what is watched."""
        is_last = self._width and count == self._target
        if not self._verbose or (time.monotonic() < self._next and not is_last):
            return
        if self._verbose == "auto" and not watched():  # a question that short work never asks
            return
        self._next = time.monotonic() + _PAUSE
        of = "" if self._target is None else f"/{self._target}"
        parts = [f"{self._unit} {count}{of}"]
        parts += [f"{k}: {v:.4f}" if abs(v) > 1e-3 else f"{k}: {v:.4e}" for k, v in values.items()]
        line = " - ".join(parts).ljust(self._width)
        self._width = len(line)
        whole = count == self._target or not watched()
        print(line if not watched() else f"\r{line}", end="\n" if whole else "", flush=True)

    def close(self):
        """End the line, if there is one that no target has ended."""
        if self._width and self._target is None and watched():
            print()
