"""The bridge between networks and models: a head on features is a generalized linear model."""

from probnn.bridge.certificate import Certificate
from probnn.bridge.head_model import HeadModel
from probnn.bridge.inference import inference
from probnn.bridge.polish import polish

__all__ = ["Certificate", "HeadModel", "inference", "polish"]
