"""Files of models: Keras's, written in one step, with the names of columns in them."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from probnn import _files, data
from probnn.backend.keras_private import ask_to_overwrite, weights_as_hdf5, without_tensorflow
from probnn.networks.export import export
from probnn.networks.inputs import know_columns

if TYPE_CHECKING:
    from os import PathLike
    from typing import Any, Literal

_COLUMNS = "columns.json"
_MODELS, _WEIGHTS = (".keras",), (".weights.h5",)  # endings of single files
_LEGACY = (".h5", ".hdf5")


class Saved:
    """What Model and Sequential add to saving: an earlier file is never lost to a failed one."""

    input_columns, responses = data.Columns(), data.Responses()

    def save(
        self,
        filepath: str | PathLike[str],
        overwrite: bool = True,
        zipped: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Save the model as `keras.Model.save` does, but in one step.

        Parameters
        ----------
        filepath : str or path-like
            Where. An earlier file stays as it was until the new one is whole.
        overwrite, zipped, **kwargs
            As in Keras; `zipped=False` writes a folder, file by file.

        Raises
        ------
        ValueError
            For a legacy HDF5 file, which would not know that the model is one of this package.
        """
        if str(filepath).endswith(_LEGACY):
            raise ValueError(
                f"Expected a path that ends in .keras. Received: {str(filepath)!r}. A legacy HDF5 "
                "file does not name the class of a model: it would load as Keras's own, which "
                "predicts raw outputs, or not at all. Of weights alone, save_weights makes a "
                ".weights.h5 file."
            )
        endings = _MODELS if zipped is not False else ()
        with _one_step(filepath, overwrite, endings) as path:
            if path is not None:
                overwrite = overwrite or path is not filepath
                with without_tensorflow():
                    super().save(path, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(
        self,
        filepath: str | PathLike[str],
        overwrite: bool = True,
        max_shard_size: float | None = None,
    ) -> None:
        """Save the weights as `keras.Model.save_weights` does, but in one step.

        Parameters
        ----------
        filepath : str or path-like
            Where. An earlier file stays as it was until the new one is whole.
        overwrite, max_shard_size
            As in Keras; several files, of `max_shard_size`, are written one after the other.
        """
        endings = _WEIGHTS if max_shard_size is None and self.built else ()
        with _one_step(filepath, overwrite, endings) as path:
            if path is filepath:
                super().save_weights(path, overwrite, max_shard_size)
            elif path is not None:
                path.write_bytes(weights_as_hdf5(self))

    def export(
        self,
        filepath: str | PathLike[str],
        format: Literal["onnx", "tf_saved_model", "litert"] | None = None,
        outputs: Literal["params", "mean"] = "params",
        **options: Any,
    ) -> None:
        """Write a file from which other runtimes answer, as `probnn.export` does.

        Parameters
        ----------
        filepath, format, outputs, **options
            As in `probnn.export`; Keras's own would give raw outputs.
        """
        export(self, filepath, outputs, format, **options)

    def save_assets(self, dir_path: str) -> None:
        """Save the names of columns and of classes, where Keras saves what are no weights."""
        known = {"x": self.input_columns.names, "y": self.responses.to_json()}
        if (self.input_columns, self.responses) != (data.Columns(), data.Responses()):
            (Path(dir_path) / _COLUMNS).write_text(json.dumps(known))

    def load_assets(self, dir_path: str) -> None:
        """Load what `save_assets` saved."""
        if dir_path and (path := Path(dir_path) / _COLUMNS).exists():
            known = json.loads(path.read_text())
            know_columns(self, data.Columns(known["x"]), data.Responses.from_json(known["y"]))


@contextlib.contextmanager
def _one_step(path, overwrite, endings):
    """Give a temporary path, which then replaces a local file; None where that shall stay.

    What has none of the endings is given as it is: Keras refuses it, sends it elsewhere, or makes a
    folder of it.
    """
    local = isinstance(path, (str, os.PathLike)) and "://" not in os.fspath(path)
    if not (local and os.fspath(path).endswith(tuple(endings))):
        yield path
    elif os.path.exists(path) and not (overwrite or ask_to_overwrite(path)):
        yield None
    else:
        with _files.atomic_write(path) as temporary:
            yield temporary
