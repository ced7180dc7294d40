"""Estimators by scikit-learn's contract, whose predictions are distributions.

scikit-learn is needed where this is imported: `pip install "probnn[sklearn]"`.
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "Expected scikit-learn, whose contract probnn.estimators keeps. Received: none installed. "
        "Install it: pip install 'probnn[sklearn]'."
    ) from error

from probnn.estimators import scorers
from probnn.estimators.glm import GLMClassifier, GLMRegressor
from probnn.estimators.network import NetworkClassifier, NetworkRegressor

__all__ = ["GLMClassifier", "GLMRegressor", "NetworkClassifier", "NetworkRegressor", "scorers"]
