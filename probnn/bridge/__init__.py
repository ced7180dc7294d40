"""The bridge between networks and models: a head on features is a generalized linear model."""

from probnn.bridge.head_model import HeadModel
from probnn.bridge.inference import inference
from probnn.bridge.polish import polish
from probnn.fitting.certificate import Certificate

__all__ = ["Certificate", "HeadModel", "inference", "polish"]
