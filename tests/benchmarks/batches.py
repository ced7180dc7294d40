"""Logistic regression on rows that do not fit in memory: time, and the peak of memory.

    python tests/benchmarks/batches.py --rows 20000000 [--record]

Writes parquet files of 20 columns to a temporary folder, fits them by `GLM.from_batches` in a
process of its own, and compares the estimates with the truth that made the data.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from _record import options, show

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
COLUMNS, PER_FILE = 20, 1_000_000


def truth():
    """Return the coefficients that make the data, the constant first."""
    import numpy as np

    return np.linspace(-0.5, 0.5, COLUMNS + 1)


def write(folder, rows):
    """Write the rows as parquet files."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    coef = truth()
    for part, start in enumerate(range(0, rows, PER_FILE)):
        rng, n = np.random.default_rng(part), min(PER_FILE, rows - start)
        x = rng.normal(size=(n, COLUMNS))
        y = rng.random(n) < 1.0 / (1.0 + np.exp(-coef[0] - x @ coef[1:]))
        columns = {"y": y.astype("float64")} | {f"x{j}": x[:, j] for j in range(COLUMNS)}
        options = {"use_dictionary": False, "compression": "none"}
        pq.write_table(pa.table(columns), Path(folder) / f"part{part:04d}.parquet", **options)


def fit(folder):
    """Fit the files, and print what it took."""
    import numpy as np

    import probnn as pn

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    model = pn.glm.GLM.from_batches(folder, "bernoulli", response="y")
    results = model.fit(verbose=False)
    error = np.abs(results.params - truth()) / results.bse
    took = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {
        "rows": f"{len(model):,}",
        "seconds": f"{took:.1f}",
        "iterations": len(results.fit_history["nll"]),
        "converged": str(results.converged),
        "peak GiB": f"{peak / 2**20:.2f}",
        "before the fit": f"{before / 2**20:.2f}",
        "largest error / standard error": f"{error.max():.2f}",
    }
    print(json.dumps(found))


def main():
    """Write the data, and fit them in a fresh process."""
    parser = options(__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--fit", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fit:
        fit(arguments.fit)
        return
    with tempfile.TemporaryDirectory() as folder:
        write(folder, arguments.rows)
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 2**30
        command = [sys.executable, __file__, "--fit", folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found = json.loads(done.stdout.splitlines()[-1])
    frame = pd.DataFrame(found, index=[f"{size:.2f} GiB of parquet files"])
    show("batches", {f"Logistic regression on {COLUMNS} columns": frame}, arguments.record)


if __name__ == "__main__":
    main()
