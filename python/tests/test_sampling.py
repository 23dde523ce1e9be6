"""Streams of events: bits, threads, iteration, random numbers of the caller's."""

import itertools
import multiprocessing
import threading
import warnings

import numpy as np
import pytest
from conftest import TOY, events

import liblaser
from liblaser import Sampler


def test_a_stream_is_the_same_however_it_is_asked(model):
    whole = model.sampler(5, 3).generate(1000)
    sampler = Sampler(model, 5, 3, threads=2)
    parts = [sampler.generate(n).x for n in (1, 99, 0, 900)]
    assert np.array_equal(np.concatenate(parts), whole.x) and sampler.tell() == 1000
    assert np.array_equal(sampler.seek(500).generate(10).x, whole.x[500:510])
    assert not np.array_equal(model.sampler(5, 4).generate(1000).x, whole.x)
    assert repr(sampler) == "<Sampler seed 5, stream 3, at event 510>"


def test_iteration(model):
    whole = model.sampler(5).generate(100)
    sampler = model.sampler(5)
    for i, (x, w) in enumerate(itertools.islice(sampler, 50)):
        assert np.array_equal(x, whole.x[i]) and w == whole.w[i]
    assert sampler.tell() == 50
    rest = list(sampler.batches(20, 50))
    assert [len(batch.x) for batch in rest] == [20, 20, 10] and np.array_equal(np.concatenate([batch.x for batch in rest]), whole.x[50:])
    assert len(next(model.sampler(5).batches(7)).x) == 7
    out = np.empty(2)
    assert model.sampler(5).next(out).x is out and np.array_equal(out, whole.x[0])


def test_threads_give_the_bits_of_one(model):
    expected = [model.sampler(1, stream).generate(20_000).x for stream in range(4)]
    found = [None] * 4

    def work(stream):
        found[stream] = np.concatenate([batch.x for batch in model.sampler(1, stream).batches(1000, 20_000)])

    threads = [threading.Thread(target=work, args=(stream,)) for stream in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(a, b) for a, b in zip(found, expected))


def test_calls_let_other_threads_run():
    """A training that would take hours, without a function that it calls: only another thread can end it."""
    cancel, begun, ended = liblaser.Cancel(), threading.Event(), []

    def work():
        begun.set()
        with pytest.raises(liblaser.CancelledError):
            liblaser.train(events(), TOY, flow={"epochs": 10**9, "patience": 0}, log=None, cancel=cancel)
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(20)
    cancel.trip()
    thread.join()
    assert ended


def test_a_sampler_in_two_threads_is_busy_not_wrong(model):
    sampler, statuses = model.sampler(1), []
    started = threading.Event()

    def hold(n):
        started.set()
        assert go_on.wait(20)
        return np.random.default_rng(1).random(n)

    go_on = threading.Event()
    sampler.set_noise(hold)
    thread = threading.Thread(target=lambda: statuses.append(sampler.generate(10)))
    thread.start()
    assert started.wait(20)
    with pytest.raises(liblaser.BusyError):
        sampler.generate(1)
    go_on.set()
    thread.join()
    assert len(statuses) == 1


def test_noise(model):
    def drawn(seed):
        sampler = model.sampler(seed)
        sampler.set_noise(np.random.default_rng(8).random)
        return sampler, sampler.generate(100).x

    sampler, x = drawn(1)
    assert np.array_equal(drawn(2)[1], x)
    with pytest.raises(liblaser.UnsupportedError):
        sampler.seek(0)
    sampler.set_noise(None)
    assert np.array_equal(sampler.seek(0).generate(10).x, model.sampler(1).generate(10).x)
    sampler.set_noise(lambda n: np.full(n, 2.0))
    with pytest.raises(liblaser.DataError):
        sampler.generate(1)
    sampler.set_noise(lambda n: np.zeros(n + 1))
    with pytest.raises(ValueError, match="shape"):
        sampler.generate(1)


def test_a_failure_leaves_the_stream_where_it_stood(model):
    class Stop(Exception):
        pass

    def progress(p):
        if armed and p.step >= 2000:
            raise Stop

    sampler = Sampler(model, 3, progress=progress)
    armed = [True]
    with pytest.raises(Stop):
        sampler.generate(100_000)
    assert sampler.tell() == 0
    armed.clear()
    assert np.array_equal(sampler.generate(5).x, model.sampler(3).generate(5).x)


def test_cancelled_and_diagnostics(model):
    cancel = liblaser.Cancel()
    sampler = Sampler(model, 1, cancel=cancel)
    sampler.generate(1000)
    assert 0 < sampler["acceptance"] <= 1 and sampler["events"] >= 1000
    with pytest.raises(liblaser.InvalidArgumentError):
        sampler["accept"]
    cancel.trip()
    with pytest.raises(liblaser.CancelledError):
        sampler.generate(10_000)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1"])
def test_wrong_seeds(model, seed):
    with pytest.raises((TypeError, ValueError)):
        model.sampler(seed)


def test_wrong_methods(model):
    with pytest.raises(liblaser.InvalidArgumentError, match="rejection"):
        model.sampler(1, method="rejecton")
    with pytest.raises(liblaser.UnsupportedError):
        model.sampler(1, method="gan")
    with pytest.raises(liblaser.UnsupportedError):
        model.sampler(1, method="matching").generate(1)
    assert liblaser.refine(model, None, TOY, refiner__method="reweight").sampler(0).generate(5).w.shape == (5,)


def test_samplers_outlive_models():
    model = liblaser.refine(liblaser.Generator.from_callable(lambda z: z + 1, 2, 2), events(), TOY)
    sampler = model.sampler(1)
    del model
    assert sampler.generate(10).x.shape == (10, 2)


def drawn(sampler):
    """The events of a forked child, what it says, and what it says the second time."""
    there, here = multiprocessing.get_context("fork").Pipe()

    def child():
        found = []
        for _ in range(2):
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                found += [sampler.generate(5).x, [str(warning.message) for warning in told]]
        here.send(found)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    assert there.poll(60)
    found = there.recv()
    process.join()
    return found


def test_a_sampler_made_before_a_fork_is_warned_of(model):
    sampler, silent = model.sampler(1), Sampler(model, 1, log=None)
    (x, told, _, again), (other, *_) = drawn(sampler), drawn(sampler)
    assert np.array_equal(x, other) and not again
    assert len(told) == 1 and "made before a fork: every child makes the same events; give each a stream of its own" in told[0]
    assert drawn(silent)[1] == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampler.generate(5)


def test_random_numbers_that_are_none(model):
    rng = np.random.default_rng(1)
    for function in (lambda n: rng.random(n, np.float32), lambda n: rng.integers(0, 2, n)):
        sampler = model.sampler(1)
        sampler.set_noise(function)
        with pytest.raises(TypeError, match="must return float64, of 32 random bits at least, not (float32|int64)"):
            sampler.generate(1)
    sampler = model.sampler(1)
    sampler.set_noise(lambda n: np.random.default_rng(1).random(n))
    with pytest.warns(liblaser.LaserWarning, match="returns the same in every call, and so the events are the same"):
        for _ in range(5):
            sampler.generate(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampler.set_noise(rng.random)
        sampler.generate(100)
