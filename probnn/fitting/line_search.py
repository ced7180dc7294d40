"""The line search of every solver that makes steps: Armijo's backtracking."""

import math

_ARMIJO = 1e-4


def armijo(evaluate, value, slope):
    """Return the first of the step sizes 1, 1/2, 1/4, ... that gains enough, with what is there.

    Parameters
    ----------
    evaluate : callable
        `evaluate(size)` returns a sequence: the value after a step of that size, the slope there
        along the step, and whatever else is wanted of that point.
    value, slope : float
        The value at the start, and the slope there along the step, or a bound of what a whole
        step gains; negative.

    Returns
    -------
    tuple or None
        The size and what `evaluate` found; None where no step is downhill.

    Notes
    -----
    Nocedal and Wright, *Numerical Optimization*, 2nd ed., 2006, section 3.1,
    doi:10.1007/978-0-387-40065-5. Where a decrease drowns in the rounding of the value, a step is
    taken as long as the slope along it falls: Hager and Zhang (2005), doi:10.1137/030601880.
    """
    rounding, size = 1e-12 * (abs(value) + 1.0), 1.0
    while size > 1e-12:
        found = evaluate(size)
        if math.isfinite(found[0]) and math.isfinite(found[1]):
            gains = found[0] <= value + _ARMIJO * size * slope
            if gains or (found[0] <= value + rounding and abs(found[1]) < 0.9 * abs(slope)):
                return size, found
        size *= 0.5
    return None
