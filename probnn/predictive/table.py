"""Predictive distributions as a table."""

import numpy as np

from probnn.data.frames import table_of_rows


def to_frame(d, level, library=None):
    """Return the table of `Predictive.to_frame`, of a library or else of pandas."""
    columns = {**d.params, **d.given, "mean": d.mean()}
    if len(d.given) == len(d.family.given):
        columns["stddev"] = d.stddev()
        if d.ordered:
            columns["lower"], columns["upper"] = d.interval(level)
        else:
            columns["mode"] = d.mode()
    frame = {}
    for name, values in columns.items():
        tail = values.shape[1:]
        of_classes = values.shape[len(d.shape) :] == (d.family.classes,)
        for index in np.ndindex(tail):
            last = d.classes[index[-1]] if of_classes else index[-1] if tail else None
            label = f"[{', '.join(map(str, (*index[:-1], last)))}]" if tail else ""
            frame[name + label] = values[(slice(None), *index)]
    return table_of_rows(frame, None if d.rows is None else d.rows.index, library)
