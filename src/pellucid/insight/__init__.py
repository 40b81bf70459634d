"""What a run learned and how good that is: beside simpler models, by column, by neuron, by row, by depth."""

from ._attention import Attention, LayerAttention, attention
from ._baselines import Baseline, Verdict, baselines, verdict
from ._calibration import Calibration, calibration
from ._changed import NearestChange, nearest_change, strongest
from ._diff import Difference, diff
from ._diff_answers import AnswerChange
from ._diff_layers import ArrayChange, LayerChange
from ._diff_regions import RegionChange
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
    "AnswerChange",
    "ArrayChange",
    "Attention",
    "Baseline",
    "Calibration",
    "Course",
    "Difference",
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
    "LayerChange",
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
    "RegionChange",
    "Reproduction",
    "Story",
    "Term",
    "Verdict",
    "View",
    "WorstRow",
    "attention",
    "baselines",
    "calibration",
    "diff",
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
