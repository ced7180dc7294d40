"""What is done as soon as Keras is imported, whoever imports it."""

import importlib.util
import os
import sys

from probnn.backend import BACKENDS


def upon_keras(function):
    """Call a function: now if Keras is imported, else as soon as it is."""
    if "keras" in sys.modules:
        function()
    else:
        sys.meta_path.insert(0, _Finder(function))


class _Finder:
    """Finds Keras where the other finders do, and calls a function when it has been imported."""

    def __init__(self, function):
        self._function = function

    def find_spec(self, name, path=None, target=None):
        """Return the specification of Keras; of anything else None."""
        if name != "keras":
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None:
            self._follow(spec.loader)
        return spec

    def _follow(self, loader):
        """Let a loader of Keras call the function at its end."""
        execute = loader.exec_module

        def exec_module(module):
            try:
                execute(module)
            except ModuleNotFoundError as error:
                _explain(error)
                raise
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                self._function()

        loader.exec_module = exec_module


def _explain(error):
    """Raise in words what Keras says of a library that is not installed."""
    if error.name not in BACKENDS:
        return
    others = [library for library in BACKENDS if importlib.util.find_spec(library) is not None]
    chosen = os.environ.get("KERAS_BACKEND")
    why = f"KERAS_BACKEND={chosen}" if chosen else "KERAS_BACKEND is not set"
    use = f", or set KERAS_BACKEND={' or '.join(others)} before keras is imported" if others else ""
    raise ModuleNotFoundError(
        f"Expected {error.name}, on which Keras was to run. Received: none, where {why}. "
        f'Install it, pip install "probnn[{error.name}]"{use}.',
        name=error.name,
    ) from error
