"""Exact Hessians of every family: NumPy arrays that carry derivatives against compiled programs.

    python tests/benchmarks/derivatives.py [--family NAME ...] [--record]

The log-density of each family, or of some, differentiated twice by `backend.derivatives`, and by a
program that the Keras backend compiles of the same lines. The two alternate on the same rows in one
process; each figure is a median. `first` has the seconds of the first call, with the compiling.
"""

import statistics
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from _record import options, show

from probnn import backend

sys.path.insert(0, str(Path(__file__).parents[1]))
from tables.families import FAMILIES

ROWS, REPEATS = (1_000, 100_000), 5


def by_program(function):
    """Return a compiled function of host arrays."""
    compiled = backend.compiled(backend.row_derivatives(function, True))

    def run(*arrays):
        with backend.float64():
            return [keras.ops.convert_to_numpy(t) for t in compiled(*arrays)]

    return run


def seconds(function, *arrays):
    """Return how long one call takes."""
    start = time.perf_counter()
    function(*arrays)
    return time.perf_counter() - start


def measured(case):
    """Return a row of the table."""
    family = case.family

    def function(y, raw):
        return -family.log_prob(y, raw)

    params, y = case.grid()
    raw = family.to_raw(params)
    pair, row = [backend.derivatives(function), by_program(function)], {}
    for n in ROWS:
        copies = -(-n // len(raw))
        arrays = np.tile(y, copies)[:n], np.tile(raw, (copies, 1))[:n]
        first = [seconds(one, *arrays) for one in pair]
        if not row:
            row = {"first: arrays, s": f"{first[0]:.3f}", "program, s": f"{first[1]:.2f}"}
        times = [[seconds(one, *arrays) for one in pair] for _ in range(REPEATS)]
        ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
        row |= {
            f"{n:,}: arrays, ms": f"{1e3 * ours:.2f}",
            f"ratio at {n:,}": f"{ours / theirs:.2f}",
        }
    return row


def main():
    """Print the table."""
    parser = options(__doc__)
    parser.add_argument("--family", nargs="+", help="names of families; all by default")
    chosen = parser.parse_args()
    cases = [case for case in FAMILIES if chosen.family is None or case.name in chosen.family]
    rows = {repr(case.family)[len("<family ") : -1]: measured(case) for case in cases}
    table = pd.DataFrame.from_dict(rows, orient="index")
    show("derivatives", {f"Hessians of rows, on {backend.name}": table}, chosen.record)


if __name__ == "__main__":
    main()
