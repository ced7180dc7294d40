"""What networks are made of: heads and their loss, and what stands before them."""

import keras  # noqa: F401 - first, as this may import the models
