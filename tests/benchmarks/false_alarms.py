"""How often `diagnose` finds something in a model that is right.

    python tests/benchmarks/false_alarms.py [--repeats N] [--record]

Each data set has 300 rows and a design of its own, and is fitted by the model that made it.
"""

import collections
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from _record import options, show

import probnn as pn

sys.path.append(str(Path(__file__).resolve().parents[1]))
from tables.simulated import FAMILIES, sampler

ROWS = 300


def alarms(name, repeats):
    """Return the number of data sets with a finding, and of each finding."""
    found = collections.Counter()
    some = 0
    for seed in range(repeats):
        x, draw = sampler(name, ROWS, np.random.default_rng(seed))
        y = draw()
        findings = pn.diagnose(pn.glm.GLM(y, x, FAMILIES[name][0]).fit(verbose=False), x, y)
        some += bool(findings)
        found.update(finding.name for finding in findings)
    return some, found


def main():
    """Print the table."""
    parser = options(__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    arguments = parser.parse_args()
    rows = {}
    for name in FAMILIES:
        some, found = alarms(name, arguments.repeats)
        which = ", ".join(f"{each} {count}" for each, count in found.most_common())
        rows[name] = {"false alarms": f"{some / arguments.repeats:.1%}", "which": which}
        print(name, rows[name], flush=True)
    frame = pd.DataFrame.from_dict(rows, orient="index")
    caption = f"{arguments.repeats:,} right models of {ROWS} rows: the share with a finding"
    show("false_alarms", {caption: frame}, arguments.record)


if __name__ == "__main__":
    main()
