"""What is asked of the numbers that say how a posterior is drawn, and what is told of it."""

import numpy as np


def check_whole(least=1, **values):
    """Raise ValueError, by its name, for a value that is no whole number from `least` on."""
    for name, value in values.items():
        is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not (is_whole and value >= least):
            raise ValueError(
                f"Expected {name} to be a whole number from {least} on. Received: {value!r}."
            )


def check_level(level):
    """Raise ValueError if a level of intervals is not between 0 and 1."""
    if not (isinstance(level, (float, np.floating)) and 0.0 < level < 1.0):
        raise ValueError(f"Expected a level between 0 and 1. Received: {level!r}.")
