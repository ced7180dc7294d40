"""Formulas in files: what formulaic learnt of the data, as plain values, and back."""

import importlib
import sys
import types

import numpy as np

from probnn.glm import expressions
from probnn.glm.encoding import Encoding

_UFUNCS = ("numpy", "scipy.special")
_CHOICES = ("ensure_full_rank", "na_action", "output", "cluster_by", "materializer")


# ---- to plain values ----------------------------------------------------------------------------


def store(encoding):
    """Return an `Encoding` as plain values: see `plain.encode`.

    Raises
    ------
    ValueError
        If a formula uses what no file can hold, as a function without a name.
    """
    context = _context(encoding.context, "")
    functions, text, integers = _kinds(context)
    for spec in encoding.parts.values():
        for factor in spec.factors:
            if factor.eval_method is factor.EvalMethod.PYTHON:
                expressions.check(factor.expr, functions, encoding.columns, text, integers)
    return {
        "location": encoding.location,
        "parts": {name: _spec(spec) for name, spec in encoding.parts.items()},
        "context": context,
        "probe": encoding.probe,
    }


def _spec(spec):
    """Return a ModelSpec as plain values."""
    return {
        "terms": [_term(term) for term in spec.formula],
        "structure": [
            [_term(row.term), [_scoped(each) for each in row.scoped_terms], list(row.columns)]
            for row in spec.structure
        ],
        "encoder_state": {
            str(expr): [kind.value, _state(state)]
            for expr, (kind, state) in spec.encoder_state.items()
        },
        "transform_state": _state(spec.transform_state),
        **{name: getattr(spec, name) for name in ("ensure_full_rank", "output", "materializer")},
        **{name: getattr(spec, name).value for name in ("na_action", "cluster_by")},
    }


def _factor(factor):
    return [factor.expr, factor.eval_method.value, factor.kind.value]


def _term(term):
    return [_factor(factor) for factor in term.factors]


def _scoped(term):
    """Return a ScopedTerm: what of each factor, and which variables it reads."""
    return [
        [
            [_factor(each.factor.factor), _variables(each.factor.variables), each.reduced]
            for each in term.factors
        ],
        term.scale,
    ]


def _variables(variables):
    if variables is None:
        return None
    return [[str(v), sorted(role.value for role in v.roles), v.source] for v in sorted(variables)]


def _state(state):
    """Return the state of transforms, with contrasts by their names."""
    from formulaic.transforms.contrasts import ContrastsState
    from formulaic.utils.sentinels import UNSET

    if isinstance(state, ContrastsState):
        given = {k: v for k, v in vars(state.contrasts).items() if v is not UNSET}
        return {"contrasts of": [type(state.contrasts).__name__, given, list(state.levels)]}
    if isinstance(state, dict):
        return {key: _state(value) for key, value in state.items()}
    return state


def _context(names, before):
    """Return what a formula uses of its caller: functions by where they are, the rest as it is."""
    found = {}
    for name, value in names.items():
        if isinstance(value, types.SimpleNamespace):
            found[name] = {"module": _context(vars(value), f"{before}{name}.")}
        elif callable(value) or isinstance(value, types.ModuleType):
            found[name] = {"function": _place(value, before + name)}
        else:
            found[name] = {"value": value}
    return found


def _place(function, name):
    """Return where a function is, "module:name", if it can be imported from there."""
    if isinstance(function, np.ufunc):
        for module in _UFUNCS:
            if getattr(importlib.import_module(module), function.__name__, None) is function:
                return f"{module}:{function.__name__}"
    module, own = (getattr(function, key, None) for key in ("__module__", "__qualname__"))
    try:
        if _at(sys.modules[module], own) is function:
            return f"{module}:{own}"
    except (KeyError, AttributeError, TypeError):
        pass
    raise ValueError(
        f"Expected the functions of a formula to have a name in a module, by which a file can tell "
        f"them. Received: {name!r}, {function!r}. Define it by `def` in a module, outside of other "
        "functions, or make its column before the fit. Nothing was written."
    )


def _at(module, name):
    for part in name.split("."):
        module = getattr(module, part)
    return module


def _kinds(context, before=""):
    """Return dotted names: of functions -> places, of text, and of integers -> their bits."""
    functions, text, integers = {}, set(), {}
    for name, said in context.items():
        ((kind, value),) = said.items()
        if kind == "module":
            for known, more in zip(
                (functions, text, integers), _kinds(value, f"{before}{name}."), strict=True
            ):
                known.update(more)
        elif kind == "function":
            functions[before + name] = value
        else:
            integers[before + name] = expressions.bits(value)
            if _is_text(value):
                text.add(before + name)
    return functions, text, integers


def _is_text(value):
    if isinstance(value, dict):
        return any(_is_text(each) for each in [*value, *value.values()])
    if isinstance(value, (list, tuple)):
        return any(map(_is_text, value))
    return isinstance(value, (str, bytes)) or getattr(value, "dtype", np.dtype(float)).kind in "SU"


# ---- and back -----------------------------------------------------------------------------------


def restore(stored, caller, functions, trust):
    """Return the `Encoding` that `store` was given.

    Parameters
    ----------
    stored : dict
        What `store` returned.
    caller : dict
        The names of whoever loads, among which functions may be.
    functions : dict
        Name -> function, of those that were given.
    trust : bool
        Whether functions may be imported by their names.

    Raises
    ------
    ValueError
        If a formula does what no formula needs, or a function is not known.
    """
    places, text, integers = _kinds(stored["context"])
    columns = {
        str(name).split(".")[0]
        for spec in stored["parts"].values()
        for _, scoped, _ in spec["structure"]
        for factors, _ in scoped
        for _, variables, _ in factors
        for name, _, source in variables or ()
        if source == "data"
    }
    with_text = set()
    for spec in stored["parts"].values():
        terms = [*spec["terms"], *(term for term, _, _ in spec["structure"])]
        terms += [[f] for _, scoped, _ in spec["structure"] for fs, _ in scoped for f, _, _ in fs]
        for expr, method, _ in (factor for term in terms for factor in term):
            if method == "python":
                with_text |= expressions.check(expr, places, columns, text, integers).with_text
    known = {
        name: _function(name, place, name in with_text, caller, functions, trust)
        for name, place in places.items()
    }
    encoding = Encoding(
        {name: _to_spec(spec) for name, spec in stored["parts"].items()},
        stored["location"],
        _to_context(stored["context"], known),
        stored["probe"],
    )
    encoding.check_probe()
    return encoding


def _function(name, place, with_text, caller, functions, trust):
    """Return a function of a formula, if whoever loads has it too, or trusts the file."""
    for key in (name, name.split(".")[-1]):
        if key in functions:
            return functions[key]
    module, own = place.split(":")
    if module in _UFUNCS:
        found = getattr(importlib.import_module(module), own, None)
        if isinstance(found, np.ufunc):
            return found
    if trust:
        return _at(importlib.import_module(module), own)
    first, *rest = name.split(".")
    found = caller.get(first)
    for part in rest:
        found = getattr(found, part, None)
    theirs = (getattr(found, "__module__", None), getattr(found, "__qualname__", None))
    system = module.split(".")[0] in {*sys.stdlib_module_names, "builtins"} - {"__main__"}
    if theirs == (module, own) and not system and not with_text:
        return found
    why = ""
    if theirs == (module, own):
        why = " It is one of Python's own." * system or " It is called with text."
    short = own.split(".")[-1]
    raise ValueError(
        f"Expected the functions that the formula calls. Received: a file that names "
        f"{name!r}, of the module {module!r}; a file is not let run what it names.{why} Import it "
        f"where you load, or give it: load(path, functions={{{short!r}: {short}}}). trust=True "
        "imports what the file names, as you would run a program from where it comes."
    )


def _to_context(context, known, before=""):
    found = {}
    for name, said in context.items():
        ((kind, value),) = said.items()
        if kind == "module":
            inner = _to_context(value, known, f"{before}{name}.")
            found[name] = types.SimpleNamespace(**inner)
        else:
            found[name] = known[before + name] if kind == "function" else value
    return found


def _to_spec(stored):
    """Return the ModelSpec of plain values."""
    from formulaic import ModelSpec
    from formulaic.formula import SimpleFormula
    from formulaic.materializers.base import EncodedTermStructure
    from formulaic.parser.types import Factor

    return ModelSpec(
        formula=SimpleFormula([*map(_to_term, stored["terms"])], _ordering="none"),
        structure=[
            EncodedTermStructure(_to_term(term), [*map(_to_scoped, scoped)], columns)
            for term, scoped, columns in stored["structure"]
        ],
        encoder_state={
            expr: (Factor.Kind(kind), _to_state(state))
            for expr, (kind, state) in stored["encoder_state"].items()
        },
        transform_state=_to_state(stored["transform_state"]),
        **{name: stored[name] for name in _CHOICES},
    )


def _to_factor(stored):
    from formulaic.parser.types import Factor

    expr, method, kind = stored
    return Factor(expr, eval_method=method, kind=kind)


def _to_term(stored):
    from formulaic.parser.types import Term

    return Term([*map(_to_factor, stored)])


def _to_scoped(stored):
    from formulaic.materializers.types import EvaluatedFactor, ScopedFactor, ScopedTerm
    from formulaic.utils.variables import Variable

    def variables(listed):
        if listed is None:
            return None
        return {Variable(name, roles=roles, source=source) for name, roles, source in listed}

    factors, scale = stored
    return ScopedTerm(
        [
            ScopedFactor(EvaluatedFactor(_to_factor(factor), None, variables(read)), reduced)
            for factor, read, reduced in factors
        ],
        scale=scale,
    )


def _to_state(stored):
    from formulaic.transforms import contrasts

    if not isinstance(stored, dict):
        return stored
    if stored.keys() != {"contrasts of"}:
        return {key: _to_state(value) for key, value in stored.items()}
    name, given, levels = stored["contrasts of"]
    cls = getattr(contrasts, name, None)
    if not (isinstance(cls, type) and issubclass(cls, contrasts.Contrasts)):
        raise ValueError(f"Expected contrasts of formulaic. Received: {name!r}.")
    found = object.__new__(cls)
    vars(found).update(given)
    return contrasts.ContrastsState(found, levels)
