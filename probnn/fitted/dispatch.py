"""`adapt`: the one place that tells kinds of fitted models apart."""

import importlib
import sys

from probnn.fitted.base import FittedModel


class _Adapt:
    """Make a `FittedModel` of a fitted model: `adapt(model)`."""

    def __init__(self):
        self._kinds = {object: FittedModel}
        self._later = {}

    def register(self, kind, adapter):
        """Say what makes a `FittedModel` of a type, or of its subclasses.

        Parameters
        ----------
        kind : type or str
            A str is "module.name", of a type whose package need not be imported.
        adapter : callable
            Of the model.
        """
        self._kinds[kind] = adapter

    def register_upon(self, library, module):
        """Say which module registers the kinds of a library: nobody has one before its import."""
        self._later[library] = module

    def __call__(self, model):
        """Return the `FittedModel` of a model: that of the nearest type that is registered."""
        for library in sys.modules.keys() & self._later:
            importlib.import_module(self._later[library])
        classes = type(model).__mro__  # the last is object, which is registered
        keys = (key for c in classes for key in (c, f"{c.__module__}.{c.__qualname__}"))
        return next(self._kinds[key] for key in keys if key in self._kinds)(model)


adapt = _Adapt()


def named(models, names=None):
    """Return each `FittedModel`, and their names, which are all different.

    Parameters
    ----------
    models : sequence of models
        Or of one dict, name -> model.
    names : list of str, optional
        By default the keys of the dict, or what the kinds are called.
    """
    if len(models) == 1 and isinstance(models[0], dict):
        names = list(models[0]) if names is None else names
        models = list(models[0].values())
    if not models:
        raise ValueError("Expected at least one fitted model to compare. Received none.")
    models = [adapt(model) for model in models]
    if names is None:
        names, kinds = [], [model.label for model in models]
        for j, kind in enumerate(kinds):
            before = kinds[:j].count(kind)
            names.append(kind if not before else f"{kind} {before + 1}")
    names = [str(name) for name in names]
    if len(names) != len(models) or len({*names}) < len(names):
        raise ValueError(
            f"Expected names that differ, one for each of {len(models)} models. Received: {names}."
        )
    return models, names
