"""Whether what a model believes can be taken at its word, and how to mend it where it cannot.

Checks take responses and a `Predictive`, and return tables: `pit`, `uniformity_test`, `coverage`,
`sharpness`, `reliability`, `expected_calibration_error`, `decompose`, and `report` of them all; and
`quantile_residuals`. Recalibrations are found on held-out rows, and called on what is to be
recalibrated: `temperature_scaling`, `scale_scaling`, `isotonic`; `conformal` makes intervals and
sets.

>>> import numpy as np, probnn as pn
>>> from probnn import calibration
>>> y = np.random.default_rng(0).normal(size=2000)
>>> narrow = pn.Predictive("normal", {"loc": np.zeros(2000), "scale": 0.5})
>>> found = calibration.scale_scaling(y[:1000], narrow[:1000])
>>> round(found.factor, 1)
2.0
>>> calibration.uniformity_test(y[1000:], found(narrow[1000:])).pvalue > 0.05
True
"""

from probnn.calibration.classes import expected_calibration_error, reliability
from probnn.calibration.decomposition import decompose
from probnn.calibration.intervals import coverage, sharpness
from probnn.calibration.quantiles import IsotonicRecalibration, isotonic
from probnn.calibration.recalibrated import RecalibratedModel
from probnn.calibration.residuals import quantile_residuals
from probnn.calibration.scales import ScaleScaling, scale_scaling
from probnn.calibration.sets import Conformal, conformal
from probnn.calibration.summary import report
from probnn.calibration.temperatures import TemperatureScaling, temperature_scaling
from probnn.calibration.uniformity import UniformityTest, pit, uniformity_test
from probnn.predictive.recalibrated import RecalibratedPredictive

__all__ = [
    "Conformal",
    "IsotonicRecalibration",
    "RecalibratedModel",
    "RecalibratedPredictive",
    "ScaleScaling",
    "TemperatureScaling",
    "UniformityTest",
    "conformal",
    "coverage",
    "decompose",
    "expected_calibration_error",
    "isotonic",
    "pit",
    "quantile_residuals",
    "reliability",
    "report",
    "scale_scaling",
    "sharpness",
    "temperature_scaling",
    "uniformity_test",
]
