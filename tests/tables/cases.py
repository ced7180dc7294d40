"""How many cases are generated of a property: PROBNN_CASES times as many as in a usual run."""

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("PROBNN_CASES", "1"))


def cases(count):
    """Return the settings of a property that is tried so often, with the same cases each time."""
    return settings(
        max_examples=count * TIMES,
        deadline=None,
        derandomize=TIMES == 1,
        database=None,
        suppress_health_check=[*HealthCheck],
    )
