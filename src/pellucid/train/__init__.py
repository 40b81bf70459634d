"""Training: data in every form, one compiled epoch, and the run it leaves."""

from ._bundled import BUNDLED, bundled
from ._columns import Column, Preprocess
from ._data import Block, Data, open_data
from ._evaluate import Evaluation, evaluate, metrics, outputs
from ._fit import Watcher, epoch_from_json, fit
from ._optimizers import OPTIMIZERS, SCHEDULES
from ._run import Epoch, NonFinite, RangeTest, Run
from ._settings import Settings
from ._watch import LayerWatch

__all__ = [
    "BUNDLED",
    "OPTIMIZERS",
    "SCHEDULES",
    "Block",
    "Column",
    "Data",
    "Epoch",
    "Evaluation",
    "LayerWatch",
    "NonFinite",
    "Preprocess",
    "RangeTest",
    "Run",
    "Settings",
    "Watcher",
    "bundled",
    "epoch_from_json",
    "evaluate",
    "fit",
    "metrics",
    "open_data",
    "outputs",
]
