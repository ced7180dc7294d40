"""Rows of x as tables, and the columns of a model found in them by name."""

import re
from dataclasses import replace

import numpy as np

from probnn.data.frames import frame_of, to_numpy
from probnn.data.tables import to_frame

CONSTANTS = ("const", "Intercept", "intercept", "(Intercept)")


def to_table(x, what="x"):
    """Return x as a pandas frame, with columns x1, x2, ... where it has no names."""
    import pandas as pd

    frame = frame_of(x)
    if isinstance(x, dict) or (frame is not None and len(frame.shape) == 2):
        return to_frame(x)
    x = to_numpy(x)
    if x.ndim != 2:
        raise ValueError(f"Expected {what} of shape (n, p). Received: shape {x.shape}.")
    return pd.DataFrame(x, columns=[f"x{j + 1}" for j in range(x.shape[1])])


def matrix(names, table):
    """Return the columns of a design (n, p) by name: ones for a constant that x does not have."""
    table = table.set_axis([str(c) for c in table.columns], axis=1)
    given = [c for c in table.columns if c not in CONSTANTS]
    wanted = [name for name in names if name not in CONSTANTS]
    if is_default(given) and is_default(wanted) and len(given) != len(wanted):
        return _by_position(names, wanted, table)
    if (is_default(wanted) or is_default(given)) and len(given) == len(wanted):
        table = table.rename(columns=dict(zip(given, wanted, strict=True)))
    missing = [name for name in wanted if name not in table]
    if missing:
        raise ValueError(
            f"Expected x_test with the columns {wanted}. Received: {list(table.columns)}, without "
            f"{missing}."
        )
    one = np.ones(len(table))
    return np.column_stack([table.get(name, one) for name in names])


def _by_position(names, wanted, table):
    """Return columns without names as a design: all of its columns, the constant among them."""
    found = table.to_numpy(dtype="float64")
    ones = [j for j, name in enumerate(names) if name in CONSTANTS]
    if found.shape[1] != len(names) or not (found[:, ones] == 1.0).all():
        raise ValueError(
            f"Expected x_test with {len(wanted)} columns without names, or with {len(names)} of "
            f"which {names} has the constant. Received: {found.shape[1]}."
        )
    return found


def is_default(names):
    """Return whether columns have the names that `to_table` gives to those without."""
    return names == [f"x{j + 1}" for j in range(len(names))]


def renamed(fit, table):
    """Return a `Fit` whose constants are "const", and columns without names named as those of x."""
    change = dict.fromkeys(CONSTANTS, "const")
    if table is not None:
        given = [str(c) for c in table.columns if c not in CONSTANTS]
        wanted = [name for name in fit.inputs if name not in CONSTANTS]
        if is_default(wanted) and len(given) == len(wanted):
            change |= dict(zip(wanted, given, strict=True))

    def rename(named):
        return {_rename(name, change): value for name, value in named.items()}

    return replace(fit, coef=rename(fit.coef), se=rename(fit.se), inputs=rename(fit.inputs))


def split_name(name):
    """Return the parts of the name of a coefficient: of "scale: x1", "x1 [2]" and "x1"."""
    return re.fullmatch(r"(\w+: )?(.*?)( \[\d+\])?", name, re.DOTALL).groups("")


def labelled(name, fits):
    """Return the name of a coefficient with the label of its class, where fits agree on that."""
    found = {
        name.removesuffix(code) + label
        for fit in fits
        for code, label in fit.classes.items()
        if name in fit.coef and name.endswith(code)
    }
    return found.pop() if len(found) == 1 else name


def _rename(name, change):
    """Change the part of a name that is a column's."""
    prefix, column, suffix = split_name(name)
    return prefix + change.get(column, column) + suffix
