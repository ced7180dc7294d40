"""Files of results: what is written, before anything is. `loading` reads them."""

import json
from dataclasses import fields

from probnn import _files, families
from probnn.fitting.certificate import Certificate
from probnn.fitting.firth import Firth
from probnn.fitting.penalties import ElasticNet
from probnn.glm import stored_formula
from probnn.glm.results import plain

KIND, FORMAT = "results", 1
STATE = "results.json"
PENALTIES = {cls.__name__: cls for cls in (ElasticNet, Firth)}


def array_name(number):
    """Return the name of an array among the members of a file."""
    return f"arrays/{number}.npy"


def save(results, path):
    """Write results to a file: see `Results.save`."""
    write(path, _stored(results), KIND, FORMAT)


def write(path, values, kind, version):
    """Write plain values, by name, to a file of some kind and version of its format.

    Raises
    ------
    ValueError
        If a value is not plain; nothing is written.
    """
    arrays = []
    stored = {
        what: plain.encode(value, arrays, f"the {what} of {kind}") for what, value in values.items()
    }
    members = {STATE: json.dumps(stored).encode()}
    members |= {array_name(i): plain.to_bytes(array) for i, array in enumerate(arrays)}
    _files.write_archive(path, kind, version, members)


def _stored(results):
    """Return name -> what a file holds, plain."""
    state = results.__getstate__()
    model, optimum, certificate = (state.pop(n) for n in ("model", "optimum", "certificate"))
    if type(model).results_class is not type(results):
        raise ValueError(
            f"Expected results of the class of their model's, {type(model).results_class.__name__}."
            f" Received: {type(results).__name__}, which a file cannot name. Nothing was written."
        )
    for name in ("_labels", "family", "coef", "fit_history"):  # of the model and the optimum
        del state[name]
    return {
        "state": state,
        **of_model(results.model),
        "optimum": _fields(optimum) | {"penalty": _penalty(optimum.penalty)},
        "certificate": None if certificate is None else _certificate(certificate),
    }


def of_model(model):
    """Return name -> plain values that make a model again, without its rows."""
    return {
        "model": _model(model.without_data()),
        "family": _family(model.family),
        "formula": None if model.formula is None else _formula(model),
    }


def _fields(value):
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _model(model):
    """Return a model without its rows as plain values."""
    cls = type(model)
    if model.kinds.get(cls.__name__) is not cls:
        raise ValueError(
            f"Expected results of a model whose class a file can name. Received: a {cls.__name__}, "
            "and another class of that name. Nothing was written."
        )
    state = {**vars(model), "data": len(model), "y_columns": model.y_columns.names}
    for name in ("family", "formula", "index", "rows", "table"):
        state.pop(name, None)
    if model.classes is not None:
        state["classes"] = [[*model.classes], model.classes.ordered]
    return {"kind": cls.__name__, **state}


def _family(family):
    """Return the configuration of a family, which must make it again."""
    config = family.get_config()
    try:
        again = families.get(config)
    except ValueError as error:
        raise ValueError(f"{error} Nothing was written.") from None
    if again != family:
        raise ValueError(
            f"Expected a family that its configuration makes again. Received: {family!r}, whose "
            f"configuration makes {again!r}. Register it by probnn.families.register. Nothing was "
            "written."
        )
    return config


def _formula(model):
    rows = model.data.rows
    encoding = model.formula
    if encoding.probe is None and rows is not None and rows.frame is not None:
        encoding = encoding.probed(rows.frame)
    return stored_formula.store(encoding)


def _penalty(penalty):
    if penalty is None:
        return None
    if PENALTIES.get(type(penalty).__name__) is not type(penalty):
        raise ValueError(
            f"Expected results penalised by one of {', '.join(PENALTIES)}. Received: "
            f"{type(penalty).__name__}, which a file cannot hold. Nothing was written."
        )
    given = {  # a Series of pandas has the numbers alone
        name: value.to_numpy() if hasattr(value, "to_numpy") else value
        for name, value in vars(penalty).items()
    }
    return [type(penalty).__name__, given]


def _certificate(certificate):
    if type(certificate) is not Certificate:
        raise ValueError(f"Expected a Certificate. Received: {certificate!r}.")
    return _fields(certificate)
