"""Scores, against NumPy where it has them."""

import math
import warnings

import numpy as np
import pytest
from conftest import TOY, events

import liblaser
from liblaser import Histogram, Source


def test_histogram():
    x, w = events(1, 500), np.linspace(-0.5, 1.5, 500)
    where = ((-1.0, 3.0), (-3.0, -1.0))
    histogram = Histogram((7, 5), where).fill(x, w)
    expected, _, _ = np.histogram2d(x[:, 0], x[:, 1], (7, 5), where, weights=w)
    assert np.allclose(histogram.contents, expected) and math.isclose(histogram.total.inside, expected.sum())
    assert math.isclose(sum(histogram.total), w.sum())
    other = Histogram((7, 5), where).fill(x)
    other += histogram
    assert np.allclose(other.contents, expected + np.histogram2d(x[:, 0], x[:, 1], (7, 5), where)[0])
    wide = np.column_stack([x, x])
    assert np.array_equal(Histogram((7, 5), where).fill(wide[:, 2:], w).contents, histogram.contents)
    assert "7 x 5 bins" in repr(histogram)
    with pytest.raises(ValueError, match="two columns"):
        histogram.fill(np.zeros(3))
    with pytest.raises(liblaser.InvalidArgumentError):
        histogram += Histogram(5, where)
    with pytest.raises(liblaser.InvalidArgumentError):
        Histogram(5, ((1, 0), (0, 1)))


def test_divergence_and_distance():
    where = ((-2.0, 4.0), (-4.0, 0.0))
    p, q, far = (Histogram(20, where).fill(events(seed, 5000, shift)) for seed, shift in ((1, 0), (2, 0), (3, 1)))
    same, other = liblaser.jsd(p, q), liblaser.jsd(p, far)
    assert abs(same.nats - same.floor) < 5 * same.floor_spread and other.nats > other.floor + 5 * other.floor_spread
    a, b = p.contents / p.contents.sum(), far.contents / far.contents.sum()
    mixed = (a + b) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = sum(np.nansum(h * np.log(h / mixed)) for h in (a, b)) / 2
    assert math.isclose(other.nats, expected, rel_tol=1e-9)
    assert math.isnan(liblaser.jsd(p, q, repeats=0).floor)
    moved = liblaser.emd(p, far, repeats=2)
    assert 0.8 < moved.units < 1.2 and moved.floor < 0.2 and moved.paper > 0
    with pytest.raises(liblaser.InvalidArgumentError):
        liblaser.jsd(p, q, repeats=1)


def test_what_lies_outside_is_told():
    inner = ((-2.0, 4.0), (-4.0, 0.0))
    x, y = events(1, 5000), events(2, 5000)
    half = np.where(np.arange(len(y)) % 2, 50.0, 0.0)[:, np.newaxis] + y
    for score in (lambda p, q: liblaser.jsd(p, q, repeats=10), lambda p, q: liblaser.emd(p, q, repeats=0)):
        p = Histogram(10, inner).fill(x)
        with pytest.warns(liblaser.LaserWarning, match=r"outside the range of the histograms lie 0\.\d\d% of p and 50\.\d\d% of q, of which the score knows"):
            found = score(p, Histogram(10, inner).fill(half))
        assert found.outside.p < 0.01 and 0.5 <= found.outside.q < 0.51
        narrow = ((-2.0, 4.0), (-2.0, -1.5))
        with pytest.warns(liblaser.LaserWarning, match="outside the range"):
            score(Histogram(10, narrow).fill(x), Histogram(10, narrow).fill(y))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            score(p, Histogram(10, inner).fill(y))
            few = Histogram(10, inner).fill(x[:100])
            few += Histogram(10, inner).fill(y[:20] + [0.0, 50.0], np.full(20, 0.1))
            assert 0.015 < score(few, Histogram(10, inner).fill(y)).outside.p < 0.05
            for unit in (1e-200, 1e200):
                weighted = Histogram(10, inner).fill(x, np.full(len(x), unit))
                assert score(weighted, Histogram(10, inner).fill(y)).outside.p < 0.01


def test_distances():
    p, q = events(1, 4000), events(2, 4000, shift=0.2)
    found = liblaser.emd_1d(p, q, 0)
    assert math.isclose(found.distance, np.abs(np.sort(p[:, 0]) - np.sort(q[:, 0])).mean(), rel_tol=1e-9)
    assert found.error > 0 and found.floor < found.distance
    named = Source(p, names=["m", "pt"])
    assert liblaser.emd_1d(named, q, "m") == found
    with pytest.raises(ValueError, match="one of m, pt"):
        liblaser.emd_1d(named, q, "mass")
    with pytest.raises(liblaser.InvalidArgumentError):
        liblaser.emd_1d(p, q, 2)
    assert liblaser.sliced_emd(p, q, directions=5, repeats=5).distance > 0
    test = liblaser.kolmogorov_smirnov(p, q, 0)
    assert 0 < test.statistic < 0.2 and test.p_value < 1e-3
    with pytest.raises(liblaser.UnsupportedError):
        liblaser.emd_1d(Source(lambda n: events(1, n), dim=2), q, 0)


def test_edges():
    sharp = events(1, 5000)
    sharp = Source(sharp[sharp[:, 0] > 1], names=["m", "pt"])
    found = liblaser.edges(sharp, events(2, 5000), "m > 1 and pt < 5")
    assert [edge.inequality for edge in found] == ["m > 1", "pt < 5"]
    assert found[0].beyond_reference == 0 and 0.4 < found[0].beyond_sample < 0.6 and found[1].beyond_sample == 0
    with pytest.raises(liblaser.InvalidArgumentError):
        liblaser.edges(sharp, events(2), "mass > 1")


def test_classifiers():
    found = liblaser.two_sample_auc(events(1), events(2, shift=3.0), TOY)
    by_family = liblaser.two_sample_auc_by_family(events(1), events(2, shift=3.0), TOY)
    assert found.auc > 0.9 and found.error > 0 and found.auc == max(by_family.network, by_family.trees)


def test_columns_called_as_weights_are_no_features():
    rng = np.random.default_rng(1)
    a, b = ({"pt": events(i)[:, 0], "eta": events(i)[:, 1], "genWeight": rng.uniform(0.5 * i, i, 2000)} for i in (1, 2))
    said = 'is compared as a feature, and is called as weights are: if it is one, Source\\(x, weights="genWeight"\\)'
    aside = "`genWeight` is left aside as a feature, and is called as weights are"
    box = ((-2, 4), (-4, 0))
    for message, score in [(said, lambda p: liblaser.two_sample_auc(p, b, TOY)), (said, lambda p: liblaser.two_sample_auc_by_family(p, b, TOY)),
                           (said, lambda p: liblaser.sliced_emd(p, b, directions=2, repeats=2)), (said, lambda p: liblaser.emd_1d(p, b, 2, repeats=2)),
                           (said, lambda p: Histogram(5, box).fill({"genWeight": p["genWeight"], "pt": p["pt"]})),
                           (aside, lambda p: liblaser.emd_1d(p, b, "pt", repeats=2)), (aside, lambda p: liblaser.kolmogorov_smirnov(p, b, "pt")),
                           (aside, lambda p: liblaser.edges(p, b, "pt > 1")), (aside, lambda p: Histogram(5, box).fill(p))]:
        with pytest.warns(liblaser.LaserWarning, match=message):
            score(a)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p, q = Source(a, weights="genWeight"), Source(b, weights="genWeight")
        liblaser.emd_1d(a, b, "genWeight", repeats=2) and liblaser.emd_1d(p, q, "pt", repeats=2) and liblaser.sliced_emd(p, q, repeats=2)
        Histogram(5, box).fill(p) and Histogram(5, box).fill(a, a["genWeight"])
        liblaser.two_sample_auc(a, b, TOY, log=None)
    assert all(map(liblaser._training.is_weight, ["w", "W", "wt", "evtwt", "wgt", "weight", "weight_nominal", "mcEventWeight", "sf_weight", "event weight",
                                                         "genw", "evtw", "eventW", "puW", "w_nom", "w_total", "sumw", "wght"]))
    assert not any(map(liblaser._training.is_weight, ["pt", "eta", "m_w", "width", "x0", "", "wpt", "W_gen", "w_pt", "raw", "upwind"]))


def test_numbers():
    scores, labels = [0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]
    assert liblaser.auc(scores, labels).auc == 0.75
    assert liblaser.auc(scores, np.array(labels, bool), weights=[1, 1, 1, 1]).auc == 0.75
    with pytest.raises(liblaser.DataError):
        liblaser.auc(scores, [0, 0, 1, 2])
    with pytest.raises(TypeError):
        liblaser.auc(scores, [0.5, 0, 1, 1])
    assert liblaser.effective_size([1, 1, 2]) == 16 / 6
    draws = np.random.default_rng(1).normal(size=(500, 4, 2))
    r_hat, size = liblaser.chain_diagnostics(draws)
    assert r_hat.shape == size.shape == (2,) and (r_hat < 1.02).all() and (size > 1000).all()
    with pytest.raises(ValueError, match="draws, chains"):
        liblaser.chain_diagnostics(draws[0])


def test_a_table_is_no_vector():
    table = np.ones((3, 2))
    for call in (lambda: liblaser.effective_size(table), lambda: liblaser.auc(table, [0, 1, 0, 1, 0, 1]), lambda: liblaser.effective_size(1.0),
                 lambda: pytest.importorskip("liblaser.plot").weights(table)):
        with pytest.raises(ValueError, match="must be a vector, one number for each event, but has the shape"):
            call()
    assert liblaser.effective_size(np.ones((3, 1))) == 3


def test_chains_are_the_second_axis():
    draws = np.random.default_rng(1).normal(size=(4, 1000, 2))  # as ArviZ has them
    with pytest.warns(liblaser.LaserWarning, match=r"4 draws of 1000 chains: .*; is it x.swapaxes\(0, 1\)\?"):
        liblaser.chain_diagnostics(draws)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        liblaser.chain_diagnostics(draws.swapaxes(0, 1))
        liblaser.chain_diagnostics(np.random.default_rng(1).normal(size=(50, 100, 2)))


def test_samples_that_share_events_are_warned_of():
    x = events(1, 3000)
    for p, q in ((x[:2000], x[1000:]), (x, Source(x, np.ones(3000)))):
        with pytest.warns(liblaser.LaserWarning, match="the samples share events, or are parts of an array that overlap"):
            liblaser.two_sample_auc(p, q, TOY)
    said = []
    for p, q in ((x[:1500], x[1500:]), (x[::2], x[1::2])):
        liblaser.two_sample_auc(p, q, TOY, log=lambda level, text: said.append(text))
    assert not [text for text in said if "share" in text]
