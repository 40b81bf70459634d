"""What tests of models of ONNX have in common: onnxruntime as the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime


def computed(model: Any, *x: Any) -> list[np.ndarray]:
    """What onnxruntime makes of inputs in their order."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]
    return session.run(None, dict(zip(names, map(np.asarray, x), strict=True)))
