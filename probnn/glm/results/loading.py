"""Results from files, whose content is checked and never run."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from typing import TYPE_CHECKING

import numpy as np

from probnn import _files, families
from probnn.data.classes import Classes
from probnn.data.columns import Columns
from probnn.data.source import Gone
from probnn.fitting.certificate import Certificate
from probnn.fitting.optimum import Optimum
from probnn.glm import stored_formula
from probnn.glm.results import first_edition, plain
from probnn.glm.results.saving import FORMAT, KIND, PENALTIES, STATE, array_name
from probnn.glm.results.wrap import Labels
from probnn.glm.specification import Specification

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from typing import Any

    from probnn.glm.results import Results


def load(
    path: str | PathLike[str],
    *,
    trust: bool = False,
    functions: dict[str, Any] | Sequence[Any] | None = None,
) -> Results:
    """Return results from a file that `Results.save` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.
    trust : bool
        Whether the file may run code: a file of version 0.1 is a pickle, which can run anything as
        it is read; and the functions that a formula names are imported.
    functions : dict or list, optional
        The functions of your own that the formula calls, by their names. Without, they are those
        that whoever calls `load` has under the name and of the module that the file says.

    Returns
    -------
    Results
        With all but the rows.

    Raises
    ------
    ValueError
        If the file was cut short or changed, holds something else, is of a newer format or, without
        `trust`, of version 0.1; if its formula is more than a computation, or calls a function that
        is not known; if it makes other columns than where it was saved; or if the family, a link or
        the model is not registered here.

    Warns
    -----
    UserWarning
        If a file of version 0.1 is read.

    Examples
    --------
    >>> import tempfile, probnn as pn
    >>> results = pn.glm.ols("y ~ x", {"y": [1.0, 3.0, 5.0], "x": [0, 1, 2]}).fit()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     results.save(f"{folder}/line.results")
    ...     loaded = pn.glm.load(f"{folder}/line.results")
    >>> loaded.predict({"x": [3]}).round(6).tolist()
    [7.0]
    """
    from formulaic.utils.context import capture_context

    if first_edition.is_pickle(path):
        return _load_pickle(path, trust)
    stored = read(path, KIND, FORMAT)
    caller = capture_context(1)
    with as_written(path):
        return _made(stored, model_of(stored, caller, functions, trust))


def model_of(stored, caller, functions=None, trust=False):
    """Return the model, without rows, of what `saving.of_model` made plain.

    Parameters
    ----------
    stored : dict
        That, with more perhaps.
    caller : formulaic's captured context
        Where a formula's functions are looked up.
    functions, trust
        As for `load`.
    """
    if functions is not None and not isinstance(functions, dict):
        functions = {function.__name__: function for function in functions}
    formula = stored["formula"]
    if formula is not None:
        formula = stored_formula.restore(formula, caller, functions or {}, trust)
    of_model = dict(stored["model"])
    kind = of_model.pop("kind")
    if kind not in Specification.kinds:
        raise ValueError(
            f"Expected a model of one of the classes {', '.join(Specification.kinds)}. Received: "
            f"{kind!r}. Import its module before its results are loaded."
        )
    cls = Specification.kinds[kind]
    of_model["data"] = Gone(of_model["data"])
    of_model["y_columns"] = Columns(of_model["y_columns"])
    if of_model["classes"] is not None:
        of_model["classes"] = Classes(*of_model["classes"])
    model = cls.__new__(cls)
    gone = dict.fromkeys(("index", "rows", "table"))
    family = families.get(stored["family"])
    vars(model).update(of_model, family=family, formula=formula, **gone)
    return model


def _load_pickle(path, trust):
    if not trust:
        raise ValueError(
            f"Expected a file of Results. Received: {path}, a pickle, as version 0.1 wrote. "
            "Reading a pickle can run any code: if you know where it comes from, "
            "load(path, trust=True), and save the results anew."
        )
    warnings.warn(
        f"{path} is a pickle, of version 0.1, and could have run code as it was read. Save the "
        "results anew: files of today cannot.",
        UserWarning,
        stacklevel=3,
    )
    return first_edition.load(path)


def read(path, kind, newest):
    """Return what a file of some kind holds, as plain values."""
    with _files.Archive(path, kind, newest) as archive, as_written(path):
        arrays = {}
        for i in range(sum(name.startswith("arrays/") for name in archive.manifest["sha256"])):
            arrays[i] = plain.from_bytes(archive.read(array_name(i)))
        stored = json.loads(archive.read(STATE))
        return {what: plain.decode(value, arrays) for what, value in stored.items()}


@contextlib.contextmanager
def as_written(path):
    """Say of a file whose checksums are right, but not its content, that we did not write it."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise _files.ForeignFileError(
            f"Expected a file that Results.save wrote. Received: {os.fspath(path)}, whose content "
            f"is none of results ({type(error).__name__}: {error})."
        ) from error


def _made(stored, model):
    """Return the results of what a file holds, of a model."""
    cls = type(model)
    given = dict(stored["optimum"])
    if given["penalty"] is not None:
        name, arguments = given["penalty"]
        given["penalty"] = PENALTIES[name](**arguments)
    optimum, certificate = Optimum(**given), stored["certificate"]
    results = cls.results_class.__new__(cls.results_class)
    vars(results).update(
        stored["state"],
        model=model,
        family=model.family,
        optimum=optimum,
        coef=np.asarray(optimum.coef),
        fit_history=optimum.history,
        certificate=None if certificate is None else Certificate(**certificate),
        _labels=Labels(model, None),
    )
    return results
