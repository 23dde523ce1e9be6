"""How far a sample is from the target."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ctypes import c_double, c_size_t
from typing import Any, NamedTuple

import numpy as np

from . import _c
from ._boundary import (FloatArray, Handle, address, call, count, doubles, long_call, made, numbers, stride_of, text, utf8, value, vector_in)
from ._options import (COMPUTES, Cancel, Checkpoint, Hooks, Log, OptionsLike, PathLike, ProgressLike, Ranks, among, dotted, opened, options_of,
                       to_python, without_effect)
from ._sampling import Events
from ._training import Source, in_order, look_for_weights, names_of, rows_of, same_rows, source_of

# --- histograms ---


class Total(NamedTuple):
    """Sums of weights of a :class:`Histogram`."""

    inside: float  #: of its range
    outside: float  #: of which the scores know nothing


class Histogram(Handle[_c.laser_histogram]):
    """A histogram of two features, for :func:`jsd` and :func:`emd`: ``Histogram(bins=(50, 50), range=((-1, 1), (0, 5)))``, as of
    ``numpy.histogram2d``. Bins include their lower edges and exclude their upper ones, but the last includes both.

    Columns of the events that :meth:`fill` gets have the order of the first that had names, which ``names`` keeps.

    Threads: reading by any number at once; a change alone. To fill on several threads, give each a histogram and add them: ``h += other``.
    """

    def __init__(self, bins: int | tuple[int, int], range: tuple[tuple[float, float], tuple[float, float]]):
        nx, ny = bins if isinstance(bins, tuple) else (bins, bins)
        (xlo, xhi), (ylo, yhi) = range
        self.bins, self.range = (count("bins", nx), count("bins", ny)), ((xlo, xhi), (ylo, yhi))
        self.names: tuple[str, ...] | None = None
        self._unit, self._squares = 0.0, 0.0  # of the weights, inside and outside, in units of the largest of them
        self._held = made(_c.laser_histogram, _c.laser_histogram_new, *self.bins[:1], xlo, xhi, *self.bins[1:], ylo, yhi)

    def fill(self, x: Any, weights: Any = None) -> Histogram:
        """Adds events (n, 2 or more), of which the first two values count, with weights (n,), or those of a :class:`Source` or of what a
        :class:`Sampler` made. Returns the histogram."""
        if weights is None and isinstance(x, Events):
            weights = x.w
        elif weights is None and isinstance(x, Source):
            weights = x._w
        same_rows("weights", weights, "x", x)
        events = rows_of("x", x, None, "the histogram", self.names)
        if events.shape[1] < 2:
            raise ValueError(f"x must have two columns or more, but has the shape {events.shape}")
        named = self.names or names_of(x) or ()
        look_for_weights(to_python, named[:2])
        if weights is None:
            look_for_weights(to_python, named[2:], "left aside")
        w = vector_in("weights", weights, len(events))
        call(_c.laser_histogram_fill, self._open, len(events), address(events), stride_of(events), address(w))
        self._count(*(largest_and_squares(w) if w is not None else (1.0, float(len(events)))))
        self.names = self.names or names_of(x)
        return self

    def __iadd__(self, other: Histogram) -> Histogram:
        same_axes(self, other)
        call(_c.laser_histogram_merge, self._open, other._open)
        self._count(other._unit, other._squares)
        return self

    def _count(self, unit: float, squares: float) -> None:
        largest = max(self._unit, unit)
        if largest:
            self._squares = self._squares * (self._unit / largest) ** 2 + squares * (unit / largest) ** 2
            self._unit = largest

    @property
    def contents(self) -> FloatArray:
        """The sums of weights, (bins in x, bins in y)."""
        out = np.empty(self.bins)
        call(_c.laser_histogram_contents, self._open, address(out), out.size)
        return out

    @property
    def total(self) -> Total:
        """The sums of weights inside the range and outside of it."""
        return doubles(Total, _c.laser_histogram_total, self._open)

    def _describe(self) -> str:
        (xlo, xhi), (ylo, yhi) = self.range
        return f"{self.bins[0]} x {self.bins[1]} bins of [{xlo:g}, {xhi:g}] x [{ylo:g}, {yhi:g}], {self.total.inside:g} inside"


def largest_and_squares(w: FloatArray) -> tuple[float, float]:
    """The largest |w|, and Σw² in its unit, which is no number too large or too small."""
    largest = float(np.abs(w).max(initial=0.0))
    scaled = w / largest if largest else w
    return largest, float(scaled @ scaled)


def same_axes(p: Histogram, q: Histogram) -> None:
    """An error if the axes of two histograms have names, and others."""
    if p.names and q.names and p.names[:2] != q.names[:2]:
        raise ValueError(f"the axes of the histograms must be the same, but are {', '.join(p.names[:2])} and {', '.join(q.names[:2])}")


class Outside(NamedTuple):
    """Shares of the weight of two histograms outside of their range, of which their scores know nothing."""

    p: float
    q: float


SHARE, DIFFERENCE = 0.5, 0.01  # above which so much is outside, or more of the one


def outside_of(p: Histogram, q: Histogram) -> Outside:
    """The shares outside; a warning where a score within the range says too little."""
    totals = p.total, q.total
    shares = Outside(*(outside / (inside + outside) if inside + outside else 0.0 for inside, outside in totals))
    # Of shares that are the same, the one of both together has the errors of both.
    sizes = [(sum(total) / h._unit) ** 2 / h._squares if h._squares else 0.0 for total, h in zip(totals, (p, q))]
    share = min(max(float(np.dot(shares, sizes)) / (sum(sizes) or 1.0), 0.0), 1.0)
    error = float(np.sqrt(share * (1 - share) * sum(1 / size for size in sizes if size)))
    if max(shares) > SHARE or abs(shares.p - shares.q) > max(DIFFERENCE, 4 * error):
        to_python(_c.LASER_LOG_WARNING, f"outside the range of the histograms lie {shares.p:.2%} of p and {shares.q:.2%} of q, of which the score knows "
                                        "nothing: take a wider range")
    return shares


class Divergence(NamedTuple):
    """The Jensen-Shannon divergence of two histograms, and its floor: what two samples of one distribution have by chance."""

    nats: float  #: from 0, equal, to ln 2, apart
    floor: float  #: mean of the floor [nats]; NaN without repeats
    floor_spread: float  #: standard deviation of one score about it
    paper: float  #: in the convention of Table 3 of the LaSeR paper, divided by the area of a bin
    paper_floor: float
    paper_floor_spread: float
    outside: Outside  #: shares of p and q that lie outside the range, of which the score knows nothing; a warning if they are large, or differ


class HistogramDistance(NamedTuple):
    """The earth mover's distance of two histograms, and its floor: what two samples of one distribution have by chance."""

    units: float  #: in units of the axes
    floor: float  #: mean of the floor, likewise; NaN without repeats
    floor_spread: float  #: standard deviation of one score about it
    paper: float  #: in the convention of Table 3 of the LaSeR paper
    paper_floor: float
    paper_floor_spread: float
    outside: Outside  #: shares of p and q that lie outside the range, of which the score knows nothing; a warning if they are large, or differ


class Two(NamedTuple):
    score: float
    paper: float


class Floor(NamedTuple):
    score: float
    spread: float
    paper: float
    paper_spread: float


UNKNOWN = Floor(float("nan"), float("nan"), float("nan"), float("nan"))


def jsd(p: Histogram, q: Histogram, *, repeats: int = 100, seed: int = 1) -> Divergence:
    """The Jensen-Shannon divergence of two histograms of the same bins, each normalised to one, with the floor of ``repeats`` pairs of samples of
    these sizes, some milliseconds each; 0 for none. What lies outside the range counts for nothing: see ``outside``. No score
    below the floor and a few times its spread tells a difference."""
    same_axes(p, q)
    found = doubles(Two, _c.laser_jsd, p._open, q._open)
    floor = doubles(Floor, _c.laser_jsd_floor, p._open, q._open, count("repeats", repeats), count("seed", seed)) if repeats else UNKNOWN
    return Divergence(found.score, floor.score, floor.spread, found.paper, floor.paper, floor.paper_spread, outside_of(p, q))


def emd(p: Histogram, q: Histogram, *, repeats: int = 5, seed: int = 1) -> HistogramDistance:
    """The earth mover's distance of two histograms of the same bins, each normalised to one, with the floor of ``repeats`` pairs of samples, each
    of which takes as long again: half a second for 100 x 100 bins. 0 for none. What lies outside the range counts for nothing: see ``outside``."""
    same_axes(p, q)
    found = doubles(Two, _c.laser_emd, p._open, q._open)
    floor = doubles(Floor, _c.laser_emd_floor, p._open, q._open, count("repeats", repeats), count("seed", seed)) if repeats else UNKNOWN
    return HistogramDistance(found.score, floor.score, floor.spread, found.paper, floor.paper, floor.paper_spread, outside_of(p, q))


# --- distances ---


class Distance(NamedTuple):
    """An earth mover's distance, and its floor: what two samples of these sizes and weights have if their distribution is the same."""

    distance: float
    error: float  #: its standard error; NaN without repeats
    floor: float  #: mean of the floor, likewise
    floor_spread: float  #: standard deviation of one score about it


def pair_of(first: str, p: Any, second: str, q: Any) -> tuple[Source, Source]:
    """Sources of two samples, columns of the second in the order of the first, by name, if both have names."""
    p = source_of(first, p)
    return p, in_order(second, q, first, p.names)


def names_of_both(p: Source, q: Source) -> tuple[str, ...]:
    return (p.names or ()) + (q.names or ())


def look_aside(p: Source, q: Source, features: Sequence[str]) -> None:
    """The same where these features alone count: of samples without weights."""
    names = [name for sample in (p, q) if not sample.weighted for name in sample.names or () if name not in features]
    look_for_weights(to_python, names, "left aside")


def feature_of(p: Source, q: Source, feature: int | str) -> int:
    """The number of a feature, from 0, by itself or by name."""
    names = p.names or q.names or ()
    if isinstance(feature, str):
        if feature not in names:
            raise ValueError(f"feature must be one of {', '.join(names) or 'a source with names'}, not {feature}")
        look_aside(p, q, [feature])
        return names.index(feature)
    number = count("feature", feature)
    look_for_weights(to_python, names[number:number + 1])
    look_aside(p, q, names[number:number + 1])
    return number


def emd_1d(p: Any, q: Any, feature: int | str, *, repeats: int = 20, seed: int = 1) -> Distance:
    """The earth mover's (Wasserstein-1) distance of one feature, by number from 0 or name, in two samples: exact, with weights, without bins, in
    units of the feature. The samples are arrays, or sources of arrays. Error and floor are those of ``repeats`` bootstrap samples."""
    p, q = pair_of("p", p, "q", q)
    return doubles(Distance, _c.laser_emd_1d, p._open, q._open, feature_of(p, q, feature), count("repeats", repeats), count("seed", seed))


def sliced_emd(reference: Any, sample: Any, *, directions: int = 50, repeats: int = 20, seed: int = 1) -> Distance:
    """The sliced earth mover's distance: the mean of the one-dimensional distance over random directions, every feature divided by its standard
    deviation in the reference. Otherwise as :func:`emd_1d`."""
    reference, sample = pair_of("reference", reference, "sample", sample)
    look_for_weights(to_python, names_of_both(reference, sample))
    return doubles(Distance, _c.laser_sliced_emd, reference._open, sample._open, count("directions", directions), count("repeats", repeats),
                   count("seed", seed))


class KolmogorovSmirnov(NamedTuple):
    """A two-sample test."""

    statistic: float  #: the greatest difference of the cumulative distributions
    p_value: float  #: probability of so great a one or a greater if the distributions were the same


def kolmogorov_smirnov(p: Any, q: Any, feature: int | str) -> KolmogorovSmirnov:
    """The two-sample Kolmogorov-Smirnov test of one feature, by number from 0 or name, with weights. The p-value is approximate for weighted
    samples."""
    p, q = pair_of("p", p, "q", q)
    return doubles(KolmogorovSmirnov, _c.laser_kolmogorov_smirnov, p._open, q._open, feature_of(p, q, feature))


class EdgeNumbers(NamedTuple):
    beyond_reference: float
    beyond_reference_error: float
    beyond_sample: float
    beyond_sample_error: float
    ratio: float
    ratio_error: float
    depth: float


class Edge(NamedTuple):
    """What two samples do at one inequality of a support."""

    inequality: str  #: as it is written
    beyond_reference: float  #: share of the reference's weight beyond the edge
    beyond_reference_error: float
    beyond_sample: float  #: the same of the sample
    beyond_sample_error: float
    ratio: float  #: of the densities reference / sample just within: 1 where the edge is as sharp in the sample
    ratio_error: float
    depth: float  #: how far that layer reaches from the edge, in units of the inequality


def edges(reference: Any, sample: Any, support: str) -> list[Edge]:
    """What two samples do at the edges of the region where events can be: one :class:`Edge` for each inequality of ``support``, a condition in the
    values of events as of the option "support", by the names of the reference or x0, x1 …"""
    reference, sample = pair_of("reference", reference, "sample", sample)
    words, names = utf8("support", support), utf8("names", ",".join(reference.names or ()))
    look_aside(reference, sample, re.findall(r"\w+", support))
    found = []
    for edge in range(value(c_size_t, _c.laser_edge_count, reference._open, words, names)):
        inequality = text(_c.laser_edge_inequality, reference._open, words, names, edge)
        of_edge = doubles(EdgeNumbers, _c.laser_edge, reference._open, sample._open, words, names, edge)
        found.append(Edge(inequality, *of_edge))
    return found


# --- classifiers as tests ---


class Auc(NamedTuple):
    """An area under a ROC curve."""

    auc: float  #: 0.5: no difference; 1: every event is told
    error: float  #: its standard error


class FamilyAucs(NamedTuple):
    """The areas under the ROC curves of two families of classifiers."""

    network: float
    network_error: float
    trees: float
    trees_error: float


def before_the_test(reference: Source, sample: Source, settings: Mapping[str, Any], log: Log | None) -> None:
    """Warns of what makes a two-sample test another one: weights among the features, events that both samples have, and keywords that its
    classifiers are not made by."""
    look_for_weights(log, names_of_both(reference, sample))
    if reference._x is not None and sample._x is not None and np.shares_memory(reference._x, sample._x) and log is not None:
        log(_c.LASER_LOG_WARNING, "the samples share events, or are parts of an array that overlap: classifiers are judged by what they have learned, and "
                                  "with the other label. Take events apart from each other")
    read, not_read = ("preset", "seed", "dtype", *COMPUTES, "classifier", "validation", "training"), ("inputs", "loss", "ensemble")
    unread = [key for key in dotted(settings) if not among(key, read) or key in map("classifier.{}".format, not_read)]
    without_effect(settings, log, "the classifiers of a test are its own: it sees all features alike, and its networks are single ones, by cross-entropy",
                   unread)


def two_sample_auc(reference: Any, sample: Any, options: OptionsLike = None, *, progress: ProgressLike = None, log: Log | None = to_python,
                   cancel: Cancel | None = None, checkpoint: Checkpoint | PathLike | None = None, ranks: Ranks | None = None,
                   **settings: Any) -> Auc:
    """A classifier two-sample test: trains fresh classifiers of two families, a network and boosted trees, on one half of both samples, and gives the
    larger area under their ROC curves on the other halves. 0.5 within the error: they find no difference, in all dimensions together. The samples
    must not share events: an area far below 0.5 says that they do, and is warned of. Takes arrays, or sources of arrays, and the keywords of
    :func:`train`."""
    reference, sample = pair_of("reference", reference, "sample", sample)
    given = options_of(options, settings)
    with Hooks(progress, log, cancel, checkpoint, ranks) as hooks:
        before_the_test(reference, sample, settings, log)
        return doubles(Auc, _c.laser_two_sample_auc, reference._open, sample._open, opened(given), hooks._open)


def two_sample_auc_by_family(reference: Any, sample: Any, options: OptionsLike = None, *, progress: ProgressLike = None,
                             log: Log | None = to_python, cancel: Cancel | None = None, checkpoint: Checkpoint | PathLike | None = None,
                             ranks: Ranks | None = None, **settings: Any) -> FamilyAucs:
    """As :func:`two_sample_auc`, with the areas of both families."""
    reference, sample = pair_of("reference", reference, "sample", sample)
    given = options_of(options, settings)
    with Hooks(progress, log, cancel, checkpoint, ranks) as hooks:
        before_the_test(reference, sample, settings, log)
        return doubles(FamilyAucs, _c.laser_two_sample_auc_by_family, reference._open, sample._open, opened(given), hooks._open)


def vector(name: str, given: Any) -> FloatArray:
    """A number for each event; a column is one, but not a table."""
    array = numbers(name, given, np.float64)
    if array.ndim == 0 or array.size != len(array):
        raise ValueError(f"{name} must be a vector, one number for each event, but has the shape {array.shape}")
    return np.ascontiguousarray(array.ravel(), np.float64)


def auc(scores: Any, labels: Any, weights: Any = None) -> Auc:
    """The area under the ROC curve of scores (n,): the probability that an event of label 1 (or True) scores higher than one of label 0."""
    for called, paired in (("labels", labels), ("weights", weights)):
        same_rows(called, paired, "scores", scores)
    same_rows("weights", weights, "labels", labels)
    scores = vector("scores", scores)
    n = len(scores)
    marks = vector_in("labels", labels, n, np.int32)
    w = vector_in("weights", weights, n)
    return doubles(Auc, _c.laser_auc, n, address(scores), address(marks), address(w))


def effective_size(w: Any) -> float:
    """How many unweighted events are worth as much as these of weights w, (n,): (sum of w)^2 / (sum of w^2)."""
    w = vector("w", w)
    return float(value(c_double, _c.laser_effective_size, len(w), address(w)))


class ChainDiagnostics(NamedTuple):
    """Of every dimension."""

    r_hat: FloatArray  #: 1 for chains that agree; above 1.01 they have not converged
    effective_size: FloatArray  #: independent draws of all chains together


FEW_DRAWS = 20  # fewer tell nothing of a chain


def chain_diagnostics(x: Any) -> ChainDiagnostics:
    """Whether Markov chains have mixed, and how many independent draws they are worth: rank-normalised split R-hat and bulk effective sample size
    of draws x, (draws, chains, dimensions), after Vehtari et al., arXiv:1903.08008."""
    draws = np.ascontiguousarray(numbers("x", x, np.float64), np.float64)
    if draws.ndim != 3:
        raise ValueError(f"x must have the shape (draws, chains, dimensions), but has {draws.shape}")
    if len(draws) < min(draws.shape[1], FEW_DRAWS):
        to_python(_c.LASER_LOG_WARNING, f"{draws.shape[0]} draws of {draws.shape[1]} chains: x has the shape (draws, chains, dimensions); is it "
                                        "x.swapaxes(0, 1)?")
    r_hat, effective = np.empty(draws.shape[2]), np.empty(draws.shape[2])
    call(_c.laser_chain_diagnostics, *draws.shape, address(draws), address(r_hat), address(effective))
    return ChainDiagnostics(r_hat, effective)
