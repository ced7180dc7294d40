"""What is asked of the numbers that say how a posterior is drawn."""

import numpy as np


def check_whole(least=1, **values):
    """Raise ValueError, by its name, for a value that is no whole number from `least` on."""
    for name, value in values.items():
        is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not (is_whole and value >= least):
            raise ValueError(
                f"Expected {name} to be a whole number from {least} on. Received: {value!r}."
            )
