"""What a run learned and how good that is: beside simpler models, by column, by neuron, by row, by depth."""

from ._attention import Attention, LayerAttention, attention
from ._baselines import Baseline, Verdict, baselines, verdict
from ._calibration import Calibration, calibration
from ._changed import NearestChange, nearest_change, strongest
from ._dropout_scale import DropoutScale, LayerScale, dropout_scale
from ._filters import Filters, filters
from ._gates import GateResponse, Gates, LayerGates, gates
from ._growth import Gathering, Growth, growth
from ._importance import Importance, importance
from ._mean_field import MeanField
from ._neuron import Excited, Feeds, Margins, Neuron, Term, neuron
from ._neurons import Neurons, neurons
from ._piecewise import Piecewise, View, explained, piecewise, view
from ._places import pictured
from ._reproduce import Reproduction, reproduction
from ._signal import Course, LayerSignal, Propagation, signal
from ._story import Facts, Story, story
from ._worst import WorstRow, worst_rows

__all__ = [
    "Attention",
    "Baseline",
    "Calibration",
    "Course",
    "DropoutScale",
    "Excited",
    "Facts",
    "Feeds",
    "Filters",
    "GateResponse",
    "Gates",
    "Gathering",
    "Growth",
    "Importance",
    "LayerAttention",
    "LayerGates",
    "LayerScale",
    "LayerSignal",
    "Margins",
    "MeanField",
    "NearestChange",
    "Neuron",
    "Neurons",
    "Piecewise",
    "Propagation",
    "Reproduction",
    "Story",
    "Term",
    "Verdict",
    "View",
    "WorstRow",
    "attention",
    "baselines",
    "calibration",
    "dropout_scale",
    "explained",
    "filters",
    "gates",
    "growth",
    "importance",
    "nearest_change",
    "neuron",
    "neurons",
    "pictured",
    "piecewise",
    "reproduction",
    "signal",
    "story",
    "strongest",
    "verdict",
    "view",
    "worst_rows",
]
