"""Let an installation from source bring the backend of Keras that KERAS_BACKEND names."""

import os

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Dependencies(MetadataHookInterface):
    """The packages every backend needs, and those of one; see "Releases" in contributing."""

    def update(self, metadata):
        """Set the dependencies: TensorFlow's unless another backend is named; of "none", none."""
        backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
        chosen = metadata["optional-dependencies"].get(backend, [])
        metadata["dependencies"] = [*self.config["dependencies"], *chosen]
