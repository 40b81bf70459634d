"""Training: data in every form, one compiled epoch, and the run it leaves."""

from ._bundled import BUNDLED, bundled
from ._columns import Column, Preprocess
from ._data import Block, Data, open_data
from ._evaluate import Evaluation, by_chunks, chunks, evaluate, log_losses, metrics, outputs, probabilities, true_names
from ._files import ARRAYS, find, read_arrays, read_table, table
from ._fit import Watcher, epoch_from_json, fit
from ._forms import Form
from ._images import Images, is_image, read_folder, read_images, unit
from ._optimizers import OPTIMIZERS, SCHEDULES
from ._padding import at_every_step, lengths_of
from ._range_test import smoothed
from ._run import Epoch, NonFinite, RangeTest, Run
from ._settings import Settings
from ._watch import LayerWatch

__all__ = [
    "ARRAYS",
    "BUNDLED",
    "OPTIMIZERS",
    "SCHEDULES",
    "Block",
    "Column",
    "Data",
    "Epoch",
    "Evaluation",
    "Form",
    "Images",
    "LayerWatch",
    "NonFinite",
    "Preprocess",
    "RangeTest",
    "Run",
    "Settings",
    "Watcher",
    "at_every_step",
    "bundled",
    "by_chunks",
    "chunks",
    "epoch_from_json",
    "evaluate",
    "find",
    "fit",
    "is_image",
    "lengths_of",
    "log_losses",
    "metrics",
    "open_data",
    "outputs",
    "probabilities",
    "read_arrays",
    "read_folder",
    "read_images",
    "read_table",
    "smoothed",
    "table",
    "true_names",
    "unit",
]
