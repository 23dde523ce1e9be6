"""Arrays: borrowed, converted or refused, by the rule that the page docs/python.md states."""

import gc
import tracemalloc

import numpy as np
import pytest
from conftest import TOY, events

import liblaser
from liblaser import Model, Sampler, Source, train


def trained(source):
    return Sampler(Model(train(source, TOY)), 1).generate(100).x


def test_rows_of_any_distance_are_borrowed():
    x = events()
    wide = np.full((2000, 5), np.nan)
    wide[:, 1:3] = x
    sparse = np.full((4000, 2), np.nan)
    sparse[::2] = x
    expected = trained(x)
    for same in (wide[:, 1:3], sparse[::2]):
        source = Source(same)
        assert np.shares_memory(source._x, same)
        assert np.array_equal(trained(source), expected)


def test_others_are_converted():
    x = events().astype(np.float32)
    expected = trained(x.astype(np.float64))
    for same in (x, np.asfortranarray(x.astype(np.float64)), x.astype(">f8"), x.tolist(), x[::-1].copy()[::-1]):
        assert np.array_equal(trained(same), expected)
    assert len(Source([1.0, 2.0])) == 2 and Source([1, 2]).dim == 1


@pytest.mark.parametrize("wrong, kind", [
    (np.zeros((2, 2, 2)), ValueError), (np.zeros((3, 2), complex), TypeError), (np.array([["a", "b"]]), TypeError),
    (np.ma.masked_array([[1.0, 2.0]], [[True, False]]), ValueError), ([[1.0, np.ma.masked], [2.0, 3.0]], ValueError),
    ([np.ma.masked_array([1.0, 2.0], [True, False]), [1.0, 2.0]], ValueError), ([np.ma.masked, 1.0], ValueError), ({}, ValueError), (3.0, ValueError), (None, (TypeError, ValueError)),
])
def test_what_is_no_events_is_refused(wrong, kind):
    with pytest.raises(kind):
        Source(wrong)


def test_nan_is_an_error_that_says_where():
    x = events()
    x[4, 1] = np.nan
    with pytest.raises(liblaser.DataError, match="row 4, column 1"):
        Source(x)


def test_columns_of_several_lengths_or_dimensions():
    with pytest.raises(ValueError, match="the column pt has 2 values, but m has 3: all must have as many"):
        Source({"m": [1, 2, 3], "pt": [1, 2]})
    with pytest.raises(ValueError, match=r"the column pt must be a vector, but has the shape \(3, 1\)"):
        Source({"m": [1, 2, 3], "pt": np.ones((3, 1))})
    with pytest.raises(TypeError, match="the column pt must be an array of real numbers"):
        Source({"m": [1, 2], "pt": ["a", "b"]})


def test_transposed_arrays(model):
    turned = events().T
    with pytest.raises(ValueError, match=r"names must be 2000.*not 2: .* is it transposed \(x\.T\)"):
        Source(turned, names=["m", "pt"])
    with pytest.warns(liblaser.LaserWarning, match=r"2 events of 2000 values: .* is it transposed \(x\.T\)"):
        Source(turned)
    with pytest.raises(ValueError, match=r"has \(2, 2000\); is it transposed \(x\.T\)"):
        model.log_weight(turned)


def test_what_is_borrowed_lives():
    source = Source(events(n=1000).copy(), weights=np.ones(1000))
    gc.collect()
    assert np.array_equal(trained(source), trained(Source(events(n=1000), np.ones(1000, int))))


def test_columns_by_name():
    x = events()
    w = np.linspace(0.5, 1.5, len(x))
    fields = np.zeros(len(x), [("m", "f8"), ("w", "f4"), ("pt", "f8")])
    fields["m"], fields["pt"], fields["w"] = x[:, 0], x[:, 1], w
    expected = trained(Source(x, w.astype("f4")))
    for source in (Source({"m": x[:, 0], "pt": x[:, 1], "w": w.astype("f4")}, "w"), Source(fields, weights="w")):
        assert source.names == ("m", "pt") and source.weighted
        assert np.array_equal(trained(source), expected)
        assert repr(source) == "<Source of 2000 events of 2 values (m, pt), weighted>"
    with pytest.raises(ValueError, match="one of the columns m, w, pt, not v"):
        Source(fields, weights="v")
    with pytest.raises(ValueError, match="shape"):
        Source(x, weights=np.ones(3))
    with pytest.raises(TypeError, match="no columns"):
        Source(x, weights="w")


def test_nothing_is_copied(model):
    sampler, x, w = model.sampler(1), np.empty((100_000, 2)), np.empty(100_000)
    sampler.generate(1000, out=x[:1000], w=w[:1000])
    tracemalloc.start()
    try:
        sampler.generate(len(x), out=x, w=w)
        model.log_weight(x, out=w)
        Source(x, w * 0 + 1).close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.1 * w.nbytes  # the weights of the source, computed here


def test_out(model):
    expected = model.sampler(1).generate(50)
    wide, w = np.zeros((50, 7)), np.zeros(50)
    x, same = model.sampler(1).generate(50, out=wide[:, 2:4], w=w)
    assert x.base is wide and same is w
    assert np.array_equal(wide[:, 2:4], expected.x) and not wide[:, :2].any() and not wide[:, 4:].any()
    single = model.sampler(1).generate(50, dtype=np.float32)
    assert single.x.dtype == single.w.dtype == np.float32 and np.array_equal(single.x, expected.x.astype(np.float32))
    again = model.sampler(1).generate(50, out=np.empty((50, 2), np.float32))
    assert np.array_equal(again.x, single.x)


@pytest.mark.parametrize("out", [
    np.empty((50, 3)), np.empty((49, 2)), np.empty((2, 50)).T, np.empty((50, 4))[:, ::2], np.empty((50, 2))[::-1], np.empty((50, 2), int),
    [[0.0, 0.0]] * 50, np.broadcast_to(np.zeros(2), (50, 2)), np.empty((50, 2), ">f8"),
])
def test_out_that_cannot_be_filled_is_refused(model, out):
    with pytest.raises(ValueError, match="out must be|one type"):
        model.sampler(1).generate(50, out=out)


def test_out_of_other_types_or_read_only(model):
    with pytest.raises(ValueError, match="one type"):
        model.sampler(1).generate(50, out=np.empty((50, 2)), w=np.empty(50, np.float32))
    with pytest.raises(ValueError, match="one type"):
        model.sampler(1).generate(50, dtype=np.float16)
    fixed = np.empty((50, 2))
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        model.sampler(1).generate(50, out=fixed)
    both = np.zeros((50, 2))
    with pytest.raises(ValueError, match="overlap"):
        model.latent(both, out=both)
    with pytest.raises(ValueError, match="overlap"):
        model.log_weight(both, out=both.reshape(-1)[:50])


def test_sizes():
    for wrong in (-1, 2**64):
        with pytest.raises(ValueError, match="from"):
            liblaser.Histogram(wrong, ((0, 1), (0, 1)))
    with pytest.raises(TypeError, match="integer"):
        liblaser.Histogram(2.5, ((0, 1), (0, 1)))
