"""Which drawing a record has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from ..backprop import Blame, GradientCheck
from ..certify import Certificate, Lipschitz, Monotonicity, OutputRange, Robustness
from ..construct import Construction, Rate, Simplification
from ..doctor import Diagnosis, Finding, Prescription
from ..errors import SettingError, unknown
from ..geometry import Boundary, Complex, Explanation, LinearModels, NearestFlip, Pieces, Surface
from ..insight import (
    Attention,
    Calibration,
    Difference,
    DropoutScale,
    Filters,
    Gates,
    Importance,
    NearestChange,
    Neuron,
    Neurons,
    Propagation,
    View,
)
from ..lab import (
    Agreement,
    Approximated,
    Cut,
    Depths,
    HalfSpace,
    Memory,
    OneSign,
    Result,
    Saturation,
    Sharing,
    Symmetry,
)
from ..records import Record
from ..train import Evaluation, RangeTest, Run
from . import (
    _answers,
    _attention,
    _certified,
    _complex,
    _constructed,
    _curves,
    _diagnosed,
    _difference,
    _explained,
    _finding,
    _gates,
    _inside,
    _lab,
    _lines,
    _network,
    _neuron,
    _signal,
    _views,
    _weights,
)
from ._style import styled

# The first kind of each record is the one drawn where none is named.
FIGURES: dict[type, dict[str, Callable[..., Figure]]] = {
    Run: {"curves": _curves.learning, "watch": _curves.watch},
    RangeTest: {"loss": _curves.range_test},
    Evaluation: {"answers": _answers.answers, "residuals": _answers.residuals},
    Calibration: {"reliability": _answers.reliability},
    Importance: {"bars": _answers.importance, "picture": _answers.importance_picture},
    Blame: {"depth": _inside.depth, "network": _network.network},
    Neurons: {"weights": _weights.neurons},
    Neuron: {"page": _neuron.page, "weights": _weights.weights},
    Filters: {"grid": _weights.filters},
    Gates: {"strip": _gates.strip},
    GradientCheck: {"errors": _inside.gradient_check},
    Attention: {"heads": _attention.heads},
    Propagation: {"depth": _signal.signal},
    Difference: {"layers": _difference.layers, "answers": _difference.answers, "regions": _difference.regions},
    DropoutScale: {"ratio": _signal.dropout_scale},
    Complex: {
        "regions": _complex.regions,
        "slope": _complex.slope,
        "pattern": _complex.pattern,
        "layer": _complex.layer,
    },
    Boundary: {"boundary": _complex.boundary},
    Explanation: {"bars": _explained.bars, "picture": _explained.picture},
    NearestFlip: {"moves": _explained.moved},
    NearestChange: {"moves": _explained.moved},
    Pieces: {"line": _lines.along},
    Surface: {"surface": _lines.surface},
    View: {"regions": _views.regions, "slope": _views.slope, "pattern": _views.pattern, "layer": _views.layer},
    LinearModels: {"weights": _views.models},
    Finding: {"picture": _finding.picture, "tried": _finding.tried},
    Diagnosis: {"findings": _diagnosed.glance},
    Prescription: {"scores": _diagnosed.cured},
    Monotonicity: {"trends": _certified.trends},
    OutputRange: {"ranges": _certified.ranges},
    Robustness: {"rows": _certified.robustness},
    Lipschitz: {"slopes": _certified.steepest},
    Certificate: {"margin": _certified.certificate},
    Construction: {"error": _constructed.construction},
    Rate: {"errors": _constructed.rate},
    Simplification: {"reasons": _constructed.simplification},
    Result: {"picture": _lab.picture},
    HalfSpace: {"points": _lab.half_space},
    Cut: {"regions": _lab.cut},
    Agreement: {"errors": _lab.agreement},
    Symmetry: {"weights": _lab.symmetry},
    Depths: {"depth": _lab.depths},
    Saturation: {"gradients": _lab.saturation},
    Sharing: {"errors": _lab.sharing},
    Memory: {"answers": _lab.memory},
    Approximated: {"errors": _lab.approximated},
    OneSign: {"fits": _lab.one_sign},
}


def figure_of(record: Record, kind: str | None = None, **options: Any) -> Figure:
    """The picture of a record, by the table above."""
    kinds = FIGURES.get(type(record))
    if kinds is None:
        drawn = ", ".join(sorted(known.__name__ for known in FIGURES))
        raise SettingError(f"A {type(record).__name__} has no picture; these have: {drawn}.")
    kind = kind or next(iter(kinds))
    if kind not in kinds:
        raise unknown(f"picture of a {type(record).__name__}", kind, kinds)
    with styled():
        return kinds[kind](record, **options)
