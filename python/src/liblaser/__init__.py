"""Latent space refinement (LaSeR) of generative models, and weights of events, by the C library liblaser.

    Source       where the target's events come from: an array, a file, or a function of yours
    Generator    g, which turns latent points z into events x = g(z); ``train`` makes one of events
    Model        g, a classifier and a refiner; ``refine`` makes one of a generator and events
    Sampler      a reproducible stream of events from a model; ``generate`` draws from it
    Reweighter   weights that make the events of one sample like those of another, without a generator
    read, write  files of columns with names: ROOT, Parquet, HDF5

Events are the rows of arrays. What the library refuses is a :class:`LaserError`, and what this package does a TypeError or ValueError; the
message says what would be right. What may be wrong is a :class:`LaserWarning`, and what was decided goes to the logger "liblaser". Calls let
other Python threads run: a model may be used by any number of them at once; give each a sampler of its own.
"""

from ._boundary import (BusyError, CallbackError, CancelledError, DataError, DeviceError, FormatError, InternalError, InvalidArgumentError,
                        IoError, LaserError, LaserWarning, NullError, NumericalError, OutOfMemoryError, PanicError, TorchError,
                        UnknownOptionError, UnsupportedError)
from ._files import iterate, read, write
from ._options import Cancel, Checkpoint, Options, Progress, Ranks, device_check, library_version
from ._sampling import Events, LatentEvents, Sampler
from ._scores import (Auc, ChainDiagnostics, Distance, Divergence, Edge, FamilyAucs, Histogram, HistogramDistance, KolmogorovSmirnov, Outside, Total,
                      auc, chain_diagnostics, edges, effective_size, emd, emd_1d, jsd, kolmogorov_smirnov, sliced_emd, two_sample_auc,
                      two_sample_auc_by_family)
from ._training import Generator, Model, Reweighter, Source, refine, train
from ._weighting import Weighted, resample, unfold

__version__ = library_version()

__all__ = [
    "Auc", "BusyError", "CallbackError", "Cancel", "CancelledError", "ChainDiagnostics", "Checkpoint", "DataError", "DeviceError", "Distance",
    "Divergence", "Edge", "Events", "FamilyAucs", "FormatError", "Generator", "Histogram", "HistogramDistance", "InternalError",
    "InvalidArgumentError", "IoError", "KolmogorovSmirnov", "LaserError", "LaserWarning", "LatentEvents", "Model", "NullError", "NumericalError",
    "Options", "OutOfMemoryError", "Outside", "PanicError", "Progress", "Ranks", "Reweighter", "Sampler", "Source", "TorchError", "Total",
    "UnknownOptionError", "UnsupportedError", "Weighted", "auc", "chain_diagnostics", "device_check", "edges", "effective_size", "emd", "emd_1d",
    "iterate", "jsd", "kolmogorov_smirnov", "library_version", "read", "refine", "resample", "sliced_emd", "train", "two_sample_auc",
    "two_sample_auc_by_family", "unfold", "write",
]
