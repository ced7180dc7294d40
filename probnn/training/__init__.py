"""Training by whole epochs as compiled programs, and what helps when it goes wrong."""

import keras  # noqa: F401 - first, as this may import the models

from probnn.training.callbacks import WeightPath
from probnn.training.cross_validation import cross_val_score
from probnn.training.divergence import DivergenceError, DivergenceWarning
from probnn.training.ensemble import DeepEnsemble
from probnn.training.fitting import fit
from probnn.training.learning_rate import LearningRateSweep, suggest_learning_rate

__all__ = [
    "DeepEnsemble",
    "DivergenceError",
    "DivergenceWarning",
    "LearningRateSweep",
    "WeightPath",
    "cross_val_score",
    "fit",
    "suggest_learning_rate",
]
