"""What a run learned and how good that is: beside simpler models, by column, by neuron, by row."""

from ._baselines import Baseline, Verdict, baselines, verdict
from ._calibration import Calibration, calibration
from ._importance import Importance, importance
from ._neurons import Neuron, Neurons, Term, neurons
from ._reproduce import Reproduction, reproduction
from ._story import Facts, Story, story
from ._worst import WorstRow, worst_rows

__all__ = [
    "Baseline",
    "Calibration",
    "Facts",
    "Importance",
    "Neuron",
    "Neurons",
    "Reproduction",
    "Story",
    "Term",
    "Verdict",
    "WorstRow",
    "baselines",
    "calibration",
    "importance",
    "neurons",
    "reproduction",
    "story",
    "verdict",
    "worst_rows",
]
