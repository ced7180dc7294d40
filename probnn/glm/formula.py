"""Formulas: models from data frames, with categories, interactions and splines (formulaic)."""

from __future__ import annotations

import contextlib
import functools
import re
from typing import TYPE_CHECKING

import numpy as np

from probnn import families
from probnn.data.alignment import RowIndex, column_of, written
from probnn.data.classes import Classes
from probnn.data.frames import to_numpy
from probnn.data.missing import readable
from probnn.data.tables import check_quantity, numeric, to_frame
from probnn.glm import dialects
from probnn.glm.encoding import Encoding, used_of
from probnn.glm.linear import OLS, Logit
from probnn.glm.model import GLM
from probnn.glm.specification import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    from probnn._types import Rows
    from probnn.families.base import Family
    from probnn.links import Link

_BY_ROW = ("offset", "exposure", "freq_weights", "var_weights", "weights")


def glm(
    formula: str,
    data: Rows,
    family: str | Family = "normal",
    link: str | Link | None = None,
    *,
    formulas: Mapping[str, str] | None = None,
    missing: Literal["none", "drop"] = "drop",
    context: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> GLM:
    """Make a generalized linear model from a formula and a data frame.

    Parameters
    ----------
    formula : str
        As in R: "y ~ x + C(group) + x:z". The constant is implied; "- 1" leaves it out. For the
        Bernoulli family the left side may be "successes + failures".
    data : pandas.DataFrame, polars.DataFrame or dict
        The columns.
    family : str or Family
        As for `GLM`. Classes may be text or any numbers: they are coded in the order of their
        categories, else sorted, and the first is the reference. Results, and what they predict,
        know the labels.
    link : str or Link, optional
        The link of the location.
    formulas : dict, optional
        Parameter -> right side, for further parameters: `formulas={"scale": "~ x"}`.
    missing : {"drop", "none"}
        Rows with a missing value are dropped, and counted by `n_missing`; or raise.
    context : mapping, optional
        What a formula may use besides columns, by name; by default the variables of the caller.
    **kwargs
        Further arguments of `GLM`; those with a number for each row may be names of columns.

    Returns
    -------
    GLM

    Raises
    ------
    ValueError
        For a formula that cannot be read, columns that are not there, or as `GLM`.

    Examples
    --------
    >>> import pandas as pd, probnn as pn
    >>> data = pd.DataFrame({"y": [1, 2, 4, 3, 5, 9], "g": list("aaabbb")})
    >>> results = pn.glm.glm("y ~ g", data, family="poisson").fit()
    >>> results.params.round(6).to_dict()
    {'Intercept': 0.847298, 'g[T.b]': 0.887303}
    """
    return _make(GLM, formula, data, family, link, formulas, missing, kwargs, context)


def ols(
    formula: str, data: Rows, *, missing: Literal["none", "drop"] = "drop", **kwargs: Any
) -> OLS:
    """Make a linear regression from a formula and a data frame.

    Parameters
    ----------
    formula : str
        As for `glm`.
    data : pandas.DataFrame, polars.DataFrame or dict
        The columns.
    missing : {"drop", "none"}
        As for `glm`.
    **kwargs
        Further arguments of `OLS`.

    Returns
    -------
    OLS

    Examples
    --------
    >>> import probnn as pn
    >>> results = pn.glm.ols("y ~ x", {"y": [1.0, 3.0, 5.0], "x": [0, 1, 2]}).fit()
    >>> results.params.tolist()
    [1.0, 2.0]
    """
    return _make(OLS, formula, data, "normal", None, None, missing, kwargs)


def logit(
    formula: str, data: Rows, *, missing: Literal["none", "drop"] = "drop", **kwargs: Any
) -> Logit:
    """Make a logistic regression from a formula and a data frame.

    Parameters
    ----------
    formula : str
        As for `glm`.
    data : pandas.DataFrame, polars.DataFrame or dict
        The columns.
    missing : {"drop", "none"}
        As for `glm`.
    **kwargs
        Further arguments of `Logit`.

    Returns
    -------
    Logit

    Examples
    --------
    >>> import probnn as pn
    >>> data = {"y": [0, 1, 1, 0, 1, 0], "x": [1, 2, 3, 2, 1, 2]}
    >>> pn.glm.logit("y ~ x", data).fit().params.index.tolist()
    ['Intercept', 'x']
    """
    return _make(Logit, formula, data, "bernoulli", None, None, missing, kwargs)


def _make(cls, formula, data, family, link, formulas, missing, kwargs, context=None):
    """Make a model of the columns that the formulas give."""
    import pandas as pd
    from formulaic import Formula
    from formulaic.transforms import TRANSFORMS
    from formulaic.utils.context import capture_context

    if missing not in ("drop", "none"):
        raise ValueError(f"Expected missing to be 'drop' or 'none'. Received: {missing!r}.")
    # A formula may use the functions of whoever writes it.
    caller = capture_context(2) if context is None else context
    frame = to_frame(data)
    rows = RowIndex.of(data, "data")
    rows = RowIndex("data", len(frame), rows.labels, library=rows.library)
    index, frame = frame.index, frame.reset_index(drop=True)
    for name, column in frame.items():  # levels that no row has would be columns of zeros
        if isinstance(column.dtype, pd.CategoricalDtype):
            frame[name] = column.cat.remove_unused_categories()
    hint = functools.partial(dialects.hint, formula, list(frame.columns))
    with _as_value_error("a formula, as 'y ~ x'", formula, hint):
        parsed = Formula(formula)
        if not hasattr(parsed, "lhs"):
            raise ValueError("it has no left side")
        if isinstance(parsed.rhs, tuple):
            raise ValueError("it has several right sides")
    read = _make_readable(frame, [parsed], caller, rows)
    classes = None
    response = str(parsed.lhs)
    is_text = response in frame and frame[response].dtype.kind not in "biuf"
    known = families.FAMILIES.get(family) if isinstance(family, str) else family
    kind = getattr(known, "kind", "")  # of a class a property where options decide
    counted = (
        isinstance(family, str)
        or is_text
        or (response in frame and frame[response].nunique() == getattr(family, "classes", None))
    )
    if kind in ("categorical", "ordinal") and counted:
        if response not in frame:
            raise ValueError(
                f"Expected the response of classes to be a column. Received: {response!r}, not "
                f"among {list(frame.columns)}."
            )
        classes, frame[response] = Classes.learn(frame[response], kind == "ordinal")
        by_name = isinstance(family, str)
        if by_name:
            options, link = {} if link is None else {"link": link}, None
            family = families.get(family, classes=len(classes), **options)
    elif is_text or (response not in frame and response.startswith("C(")):
        levels = sorted(map(str, frame[response].dropna().unique())) if is_text else ["..."]
        raise ValueError(
            f"Expected a numeric response. Received: {response!r}, with the values "
            f"{', '.join(levels[:5])}. Say which of them is 1, data.assign(y=(data[...] == "
            f"{levels[-1]!r}).astype(int)), or use family='categorical'."
        )
    family = families.get(family, **({} if link is None else {"link": link}))
    others = _others(family, formulas, kwargs)
    read |= _make_readable(frame, others.values(), caller, rows)
    terms = [term for side in (parsed.rhs, *others.values()) for term in side]
    for name in {factor.expr for term in terms for factor in term.factors} & {*frame.columns}:
        check_quantity(frame[name], name)
    sides = {"y": parsed.lhs, family.location: parsed.rhs, **others}
    by_row = {name: _by_row(name, kwargs.pop(name, None), frame, rows) for name in _BY_ROW}
    context = {"np": np} | {
        name: value  # a number of the caller's called C hides no C() of formulas
        for name, value in caller.items()
        if callable(value) or name not in TRANSFORMS
    }
    with _as_value_error(f"a formula of the columns {list(frame.columns)}", formula, hint):
        matrices = Formula(**sides).get_model_matrix(frame, na_action="drop", context=context)
        if not len(matrices["y"]):  # a mean, as center() takes, of what has a gap
            whole = frame.dropna(subset=[*read])
            matrices = Formula(**sides).get_model_matrix(whole, na_action="drop", context=context)
    kept = matrices["y"].index
    if missing == "none" and len(kept) < len(frame):
        raise _missing(frame[sorted(read)], kept, index)
    if missing == "drop":
        for values in by_row.values():
            kept = kept if values is None else kept[~np.isnan(values[kept])]
    tables = {name: matrices[name].loc[kept].set_axis(index[kept]) for name in sides}
    y, X = tables.pop("y"), tables.pop(family.location)
    if classes is not None:
        classes, y = _with_rows(classes, y)
        if by_name:
            family = families.get({**family.get_config(), "classes": len(classes)})
        elif family.classes != len(classes):
            raise ValueError(
                f"Expected {family.classes} classes of {response!r}, as {family!r} has. Received: "
                f"{len(classes)}, {classes}. Give the family by its name, {family.name!r}, which "
                "counts them."
            )
    if family.location in family.no_intercept:
        X = X.drop(columns="Intercept", errors="ignore")
    by_row = {name: values[kept] for name, values in by_row.items() if values is not None}
    kwargs |= {"designs": tables}
    specs = {name: matrices[name].model_spec for name in sides if name != "y"}
    own = used_of(context, specs.values(), frame)
    origin = Origin(
        y_name=str(parsed.lhs),
        classes=classes,
        formula=Encoding(specs, family.location, own),
        rows=rows if len(kept) == len(frame) else rows.take(kept.to_numpy()),
        table=data,
        frame=_read_by(specs.values(), frame).loc[kept].reset_index(drop=True),
    )
    return cls(y, X, family=family, **by_row, **kwargs, _origin=origin)


def _with_rows(classes, y):
    """Return the classes that are not of dropped rows alone, and y with their codes."""
    codes = y.iloc[:, 0]
    seen = np.unique(codes[codes.notna()]).astype(int)
    left = Classes(classes.labels[seen], classes.ordered)
    return left, y.assign(
        **{y.columns[0]: codes.map(dict(zip(seen, range(len(seen)), strict=True)))}
    )


def _read_by(specs, frame):
    """Return the columns of a frame that formulas read, in the order of their terms."""
    read = {}
    for spec in specs:
        for term in spec.terms:
            names = {str(v.root) for v in spec.term_variables[term] if v.source == "data"}
            read |= dict.fromkeys(name for name in frame if name in names)
    return frame[[*read]]


def _make_readable(frame, formulas, caller, rows):
    """Make the columns of a frame that formulas use `readable`; return their names.

    An array of the caller with a value for each row becomes a column.
    """
    names = {str(name) for formula in formulas for name in formula.required_variables}
    for name in names & {*caller} - {*frame.columns}:
        values = caller[name]
        if not callable(values) and np.shape(values) == (len(frame),):
            frame[name] = to_numpy(rows.align(values, name))
    names &= {*frame.columns}
    for name in names:
        frame[name] = readable(frame[name], name)
    return names


def _missing(columns, kept, index):
    """Return the error that rows have missing values: all but those that were kept."""
    lost = columns.index.difference(kept)
    row = lost[0]
    where = [repr(name) for name, column in columns.items() if column.isna()[row]]
    what = f"none of {', '.join(where)}" if where else "no number of the formula"
    return ValueError(
        f"Expected finite numbers, and categories, in every row, for missing='none'. Received: "
        f"{what} in row {row}, labelled {written(index[row])}, and {len(lost)} such row(s) in all. "
        "Leave them out, missing='drop', or impute them."
    )


def _others(family, formulas, kwargs):
    """Return parameter -> right side of the further formulas, checked."""
    from formulaic import Formula

    formulas = formulas or {}
    family.check_names(formulas, "formulas")
    if family.location in formulas:
        raise ValueError(
            f"Expected formulas of parameters other than {family.location!r}, which the first "
            f"formula is for. Received: {formulas}."
        )
    if kwargs.get("designs"):
        raise ValueError(
            "Expected formulas={...} for further parameters. Received: designs=..., which go with "
            "arrays: GLM(y, X, designs=...)."
        )
    for name, text in formulas.items():
        if text.count("~") > 1 or (text.split("~")[0].strip() and "~" in text):
            raise ValueError(f"Expected a right side, as '~ x', for {name!r}. Received: {text!r}.")
    with _as_value_error("right sides, as '~ x'", formulas):
        return {name: Formula(text.split("~")[-1]) for name, text in formulas.items()}


@contextlib.contextmanager
def _as_value_error(expected, received, hint=str):
    """Turn what formulaic raises into an error of ours, with what to write instead, if known."""
    try:
        yield
    except Exception as error:
        said = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip() or type(error).__name__
        raise ValueError(
            f"Expected {expected}. Received: {received!r}: {said.rstrip('.')}. {hint()}".rstrip()
        ) from error


def _by_row(name, values, frame, rows):
    """Return a number for each row of the frame, from one of its columns or an array."""
    if values is None:
        return None
    named = isinstance(values, str)
    values = column_of(frame, values, name) if named else rows.align(values, name)
    values = numeric(to_numpy(values), name)
    if values.shape != (len(frame),):
        raise ValueError(
            f"Expected {name} with one number for each of the {len(frame)} rows of data. "
            f"Received: shape {values.shape}."
        )
    return values
