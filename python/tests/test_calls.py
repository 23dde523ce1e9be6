"""Options, sources, generators, models and reweighters: every call."""

import copy
import itertools
import logging
import pickle
import warnings

import numpy as np
import pytest
from conftest import TOY, events

import liblaser
from liblaser import Generator, Model, Options, Reweighter, Source, refine, train


class Marked(Exception):
    pass


# --- options ---


def test_options():
    options = Options(preset="fast", flow={"epochs": 7}, classifier__lr=0.5, refiner={"method": "hmc"})
    assert (options["flow.epochs"], options["classifier.lr"], options["refiner.method"]) == (7, 0.5, "hmc")
    options["classifier.lr"] = np.int64(1)
    options["flow.lr"] = np.float32(0.5)
    assert options["classifier.lr"] == 1.0 and options["flow.lr"] == 0.5
    assert Options(options.to_dict()) == options == pickle.loads(pickle.dumps(options)) == copy.copy(options) != Options()
    assert repr(Options(preset="fast", flow__epochs=9)) == "<Options preset='fast', flow.epochs=9>"
    assert Options({"flow": {"lr": 0.25}}, flow={"epochs": np.int32(3)})["flow.lr"] == 0.25
    assert Options(features={"scaling": {"phi": "periodic(-pi:pi)"}})["features.scaling"]


@pytest.mark.parametrize("settings, kind, says", [
    ({"flow.epoch": 1}, liblaser.UnknownOptionError, "flow.epochs"), ({"preset": "slow"}, liblaser.InvalidArgumentError, "slow"),
    ({"flow.epochs": 0}, liblaser.InvalidArgumentError, "flow.epochs"), ({"flow.epochs": "many"}, ValueError, "flow.epochs"),
    ({"flow.lr": float("nan")}, ValueError, "JSON"), ({"refiner.method": "hcm"}, ValueError, "hmc"), ({"flow.epochs": object}, ValueError, "flow.epochs"),
])
def test_wrong_options(settings, kind, says):
    with pytest.raises(kind, match=says):
        Options(settings)
    with pytest.raises(kind, match=says):
        train(events(), settings)


def test_wrong_settings_change_nothing():
    options = Options(flow__epochs=7)
    for key, setting in (("flow.epoch", 1), ("flow.epochs", 0), ("flow.epochs", 2**70), ("flow.epochs", "x"), ("flow\0", 1), ("flow.lr", float("inf"))):
        with pytest.raises(ValueError):
            options[key] = setting
    assert options == Options(flow__epochs=7)
    with pytest.raises(TypeError, match="dictionary"):
        train(events(), "fast")


def test_options_and_settings_together():
    options = Options(TOY)
    with pytest.raises(Marked):
        train(events(), options, flow__epochs=3, progress=lambda p: mark(p.epochs == 3))
    assert options["flow.epochs"] == 1


def mark(good):
    assert good
    raise Marked


def test_keywords_go_before_options_however_they_are_written():
    for given in ({"flow.epochs": 10}, {"flow": {"epochs": 10}}, {"flow__epochs": 10}):
        for settings in ({"flow.epochs": 20}, {"flow": {"epochs": 20}}, {"flow__epochs": 20}):
            assert Options(given, **settings) == Options(flow__epochs=20)
    for twice in ({"flow.epochs": 20, "flow__epochs": 30}, {"flow": {"epochs": 20}, "flow.epochs": 30}):
        with pytest.raises(ValueError, match="`flow.epochs` is given twice"):
            Options(twice)
    assert Options({"features": {"scaling": {"x": "log(0)"}}}, features__scaling={"y": "none"})["features.scaling"] == "x = log(0), y = none"
    with pytest.raises(Marked):
        train(Source(events(), names=["x", "y"]), Options(TOY), features__scaling={"x": "none"}, progress=lambda _: mark(True))


@pytest.mark.parametrize("call, says", [
    (lambda m, r, x: m.sampler(1, rejection__overweight=0.0), r"`rejection.overweight` belongs to the model: `refine\(model, rejection__overweight=…\)`"),
    (lambda m, r, x: m.sampler(1, hmc={"chains": 3}), "`hmc.chains` belongs to the model"),
    (lambda m, r, x: m.sampler(1, flow__epochs=3), "takes `sampler.method`, `sampler.threads`"),
    (lambda m, r, x: m.log_weight(x, weights__margin=1.0), "`weights.margin` has no effect on this call: of the options it takes `threads`"),
    (lambda m, r, x: m.log_prob(x, dtype="float64"), "`dtype` has no effect"), (lambda m, r, x: m.latent(x, preset="fast"), "`preset` has no effect"),
    (lambda m, r, x: m.generate(x, seed=3), "`seed` has no effect"),
    (lambda m, r, x: r.weights(x, weights__margin=1.0), "what the reweighter was trained with stays"),
    (lambda m, r, x: Model.load("model.laser", device="cpu"), "takes no options"),
    (lambda m, r, x: Generator.from_callable(shear, 2, 2, flow__epochs=3), "takes `dtype`"),
    (lambda m, r, x: Source("events.npy", flow__epochs=3), "takes `source.weight`"),
])
def test_keywords_that_a_call_cannot_use(model, reweighter, call, says):
    with pytest.raises(TypeError, match=says):
        call(model, reweighter, events(4))


def test_options_of_a_whole_training_pass(model, reweighter):
    x = events(4)
    assert np.array_equal(model.log_weight(x, options=TOY, threads=2), model.log_weight(x))
    assert np.array_equal(reweighter.weights(x, options=Options(TOY), backend="engine"), reweighter.weights(x))
    assert np.array_equal(model.sampler(1, options=TOY, device="cpu").generate(10).x, model.sampler(1).generate(10).x)
    with pytest.raises(liblaser.UnknownOptionError, match="flow.epochs"):
        model.sampler(1, flow__epoch=3)


@pytest.mark.parametrize("call, says", [
    (lambda m, x: train(x, TOY, unfold__iterations=3, refiner__method="hmc"), "`unfold.iterations`, `refiner.method`: `train` makes the generator alone"),
    (lambda m, x: train(x, TOY, source__weight="w"), "`source.weight`: files are opened by"),
    (lambda m, x: refine(m, None, TOY, weights__margin=1.0, support="m > 0"), "`weights.margin`, `support`: another refiner is all"),
    (lambda m, x: Reweighter.train(x, events(3), TOY, resample__method="variance"), "`resample.method`: `Reweighter.train` never reads it"),
    (lambda m, x: liblaser.unfold(x, x, events(3), options=TOY, unfold__iterations=1, sampler__threads=2), "`sampler.threads`: `unfold` never reads it"),
    (lambda m, x: liblaser.resample((x, np.ones(len(x))), TOY, sampler__threads=2), "`sampler.threads`: `resample` never reads it"),
    (lambda m, x: liblaser.two_sample_auc(x, events(3), TOY, classifier={"loss": "mse", "epochs": 1}, flow__epochs=3), "`classifier.loss`, `flow.epochs`: the"),
])
def test_keywords_without_effect_are_warned_of(model, call, says):
    with pytest.warns(liblaser.LaserWarning, match=f"without effect: {says}"):
        call(model, events())


def test_options_of_a_whole_job_are_not_warned_of():
    said = []
    train(events(), {**TOY, "refiner.method": "hmc", "unfold.iterations": 3}, log=lambda level, text: said.append(text))
    assert said and not [text for text in said if "without effect" in text]


def test_a_weight_by_option_is_no_feature(tmp_path):
    path = tmp_path / "events.npy"
    np.save(path, np.array([(1.0, 2.0)] * 9, [("x", float), ("w", float)]))
    source = Source(path, source__weight="w")
    assert (source.weighted, source.names, source.dim) == (True, ("x",), 1)


# --- errors and handles ---


def test_errors():
    for error in liblaser._boundary.ERRORS.values():
        assert issubclass(error, liblaser.LaserError) and getattr(liblaser, error.__name__) is error
    with pytest.raises(OSError, match="/no/such/file") as caught:
        Model.load("/no/such/file")
    assert isinstance(caught.value, liblaser.IoError) and caught.value.status == 4
    with pytest.raises(liblaser.FormatError):
        Model.load(__file__)
    with pytest.raises(liblaser.InvalidArgumentError):
        liblaser.device_check("abacus")
    liblaser.device_check("cpu")
    assert liblaser.library_version() == liblaser.__version__


def test_closing(model):
    with model.sampler(1) as sampler:
        sampler.generate(1)
    assert sampler.closed and repr(sampler) == "<Sampler (closed)>"
    sampler.close()
    with pytest.raises(ValueError, match="this Sampler was closed"):
        sampler.generate(1)
    source = Source(events())
    source.close()
    with pytest.raises(ValueError, match="this Source was closed"):
        train(source)
    for kind in (Generator, Reweighter):
        with pytest.raises(TypeError, match="is made by"):
            kind()


def test_closed_by_a_callback():
    source = Source(lambda n: events(n=n), dim=2)

    def close(p):
        source.close()

    assert train(source, TOY, progress=close).event_dim == 2 and source.closed


# --- sources ---


def test_files(tmp_path):
    x = events()
    fields = np.zeros(len(x), [("m", "f8"), ("pt", "f8"), ("w", "f8")])
    fields["m"], fields["pt"], fields["w"] = x[:, 0], x[:, 1], 1.0
    np.save(tmp_path / "plain.npy", x)
    np.save(tmp_path / "fields.npy", fields)
    expected = train(x, TOY).to_bytes()
    assert train(tmp_path / "plain.npy", TOY).to_bytes() == expected
    source = Source(str(tmp_path / "fields.npy"), weights="w", source__memory=32)
    assert source.dim == 2 and "fields.npy" in repr(source)
    assert train(source, TOY).event_dim == 2
    with pytest.raises(liblaser.InvalidArgumentError):
        Source(tmp_path / "fields.npy", weights="v")
    with pytest.raises(liblaser.IoError):
        Source(tmp_path / "none.npy")
    (tmp_path / "table.csv").write_text("m,pt\n1,2\n")
    with pytest.raises(liblaser.DataError, match=r"table\.csv: no \.npy file .* Source\(pandas\.read_csv\(path\)\)"):
        Source(tmp_path / "table.csv")
    with pytest.raises(TypeError, match="array knows"):
        len(source)


def test_files_and_functions_are_targets(generator, tmp_path):
    x = events()
    np.save(tmp_path / "x.npy", x)
    refined = liblaser.refine(generator, x, TOY).to_bytes()
    assert liblaser.refine(generator, tmp_path / "x.npy", TOY).to_bytes() == refined
    model = liblaser.refine(generator, Source(lambda n: events(3, n), dim=2), TOY)
    assert model.method == "rejection"
    assert liblaser.refine(model, Source(lambda n: events(3, n), dim=2), TOY, refiner__method="mala", hmc={"pilot": 20, "chains": 10}).method == "mala"
    reweighter = Reweighter.train(tmp_path / "x.npy", Source(lambda n: events(4, n), dim=2), TOY)
    assert reweighter.weights(x).shape == (2000,)


def test_functions():
    asked = []

    def deliver(n):
        asked.append(n)
        return events(1, n)

    def weighted(n):
        return events(1, n), np.ones(n)

    one = train(Source(deliver, dim=2), TOY).to_bytes()
    assert min(asked) > 0
    assert train(Source(weighted, dim=2, weighted=True), TOY).event_dim == 2
    ends = itertools.cycle([700, 700, 0])
    assert train(Source(lambda n: events(1, min(n, next(ends))), dim=2), TOY, validation__events=10).event_dim == 2
    assert one == train(Source(deliver, dim=2), TOY).to_bytes()
    with pytest.raises(TypeError, match="dim"):
        Source(deliver)


@pytest.mark.parametrize("deliver, kind, says", [
    (lambda n: events(n=n + 1), ValueError, "at most"), (lambda n: np.zeros((n, 3)), ValueError, "shape"), (lambda n: None, TypeError, "real numbers"),
    (lambda n: 1 / 0, ZeroDivisionError, "division"), (lambda n: np.full((n, 2), np.nan), liblaser.DataError, "column 0 of row 0 is NaN"),
])
def test_wrong_functions(deliver, kind, says):
    with pytest.raises(kind, match=says):
        train(Source(deliver, dim=2), TOY)


def test_a_source_in_use_is_busy():
    source = Source(lambda n: train(source, TOY) and None, dim=2)
    with pytest.raises(liblaser.BusyError):
        train(source, TOY)


def test_what_a_sampler_made(model):
    made = model.sampler(1, method="reweight").generate(500)
    source = Source(made)
    assert source.weighted and np.shares_memory(source._x, made.x) and np.shares_memory(source._w, made.w)
    assert liblaser.emd_1d(events(), made, 0) == liblaser.emd_1d(events(), Source(*made), 0)


def test_a_data_frame():
    class Column(list):
        def to_numpy(self):
            return np.array(self)

    class Frame:
        """What of pandas' is used."""

        columns, to_numpy, data = ("m", "pt"), None, {"m": Column([1.0, 2.0]), "pt": Column([3, 4])}

        def __getitem__(self, name):
            return self.data[name]

    source = Source(Frame())
    assert source.names == ("m", "pt") and source._x.tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize("call, says", [
    (lambda g, m: refine(m.sampler(1), events()), "generator must be a Generator or Model, not a Sampler"),
    (lambda g, m: liblaser.Sampler(g, 1), "model must be a Model, not a Generator"), (lambda g, m: Model(m), "must be a Generator"),
    (lambda g, m: train(events(), TOY, cancel=3), "cancel must be a Cancel"), (lambda g, m: train(events(), TOY, progress=3), "progress must be a function"),
    (lambda g, m: train(events(), TOY, log=True), "log must be a function"), (lambda g, m: train(events(), TOY, ranks=3), "ranks must be a Ranks"),
    (lambda g, m: refine(g, m), "real numbers"), (lambda g, m: Model.load(b"x"), "path must be a string"),
])
def test_wrong_objects(generator, model, call, says):
    with pytest.raises(TypeError, match=says):
        call(generator, model)


# --- hooks ---


def test_the_same_exception_comes_out(generator):
    raised = Marked("here")

    def fail(*_):
        raise raised

    for function in (lambda: train(events(), TOY, progress=fail), lambda: train(Source(fail, dim=2), TOY),
                     lambda: refine(generator, events(), TOY, log=fail),
                     lambda: train(events(), TOY, ranks=liblaser.Ranks(fail, 0, 2)),
                     lambda: Model(Generator.from_callable(fail, 2, 2)).sampler(1).generate(10)):
        with pytest.raises(Marked) as caught:
            function()
        assert caught.value is raised
    assert liblaser._boundary.thread.failure is None


def test_system_exit_is_not_asked_again():
    calls = []

    def leave(n):
        calls.append(n)
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        train(Source(leave, dim=2), TOY, source__failures=10)
    assert len(calls) == 1


def test_failures_that_are_forgiven():
    calls = []

    def now_and_then(n):
        calls.append(n)
        if len(calls) % 2:
            raise Marked
        return events(1, n)

    assert train(Source(now_and_then, dim=2), TOY, source__failures=1).event_dim == 2


def test_calls_within_callbacks(model):
    seen = []

    def progress(p):
        seen.append(p)
        assert model.sampler(1).generate(5).x.shape == (5, 2)
        with pytest.raises(Marked):
            train(events(), TOY, progress=lambda p: mark(True))

    train(events(), TOY, progress=progress)
    assert seen[-1].stage == "flow" and (seen[-1].step, seen[-1].steps, seen[-1].epochs) == (5, 5, 1) and seen[-1].loss > 0


def test_messages(generator, caplog):
    with caplog.at_level(logging.INFO, "liblaser"), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        refine(generator, events(), TOY)
    assert any("classifier: 5 updates" in message for message in caplog.messages)
    assert warned and all(w.category is liblaser.LaserWarning and w.filename == __file__ for w in warned)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(liblaser.LaserWarning):
            refine(generator, events(), TOY)
    said = []
    refine(generator, events(), TOY, log=lambda level, text: said.append((level, text)))
    assert {level for level, _ in said} == {1, 2}
    caplog.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refine(generator, events(), TOY, log=None)
    assert not caplog.messages


def test_cancel():
    cancel = liblaser.Cancel()
    assert repr(cancel) == "<Cancel not tripped>"
    with pytest.raises(liblaser.CancelledError):
        train(events(), TOY, cancel=cancel, progress=lambda p: cancel.trip())
    assert cancel.tripped
    cancel.reset()
    assert train(events(), TOY, cancel=cancel).event_dim == 2


def test_tqdm(capsys):
    train(events(), TOY, progress=True)
    assert "flow" in capsys.readouterr().err


def test_checkpoint(tmp_path):
    longer = {**TOY, "flow": {**TOY["flow"], "steps": 40}}
    expected = train(events(), longer).to_bytes()

    def stop(p):
        if p.step == 20:
            raise Marked

    checkpoint = liblaser.Checkpoint(tmp_path / "job", steps=5)
    with pytest.raises(Marked):
        train(events(), longer, checkpoint=checkpoint, progress=stop)
    steps = []
    assert train(events(), longer, checkpoint=tmp_path / "job", progress=lambda p: steps.append(p.step)).to_bytes() == expected
    assert steps[0] > 15
    with pytest.raises(liblaser.InvalidArgumentError):
        train(events(2), longer, checkpoint=checkpoint)


def test_positions(tmp_path):
    made = [0]
    asked = []

    def deliver(n):
        asked.append(made[0])
        made[0] += n
        return events(made[0] - n, n)

    def stop(p):
        if p.step == 900:
            raise Marked

    longer = {**TOY, "flow": {**TOY["flow"], "steps": 1000}}

    def source():
        made[0] = 0
        return Source(deliver, dim=2, tell=lambda: made[0], seek=lambda position: made.__setitem__(0, position))

    expected, times = train(source(), longer).to_bytes(), len(asked)
    with pytest.raises(Marked):
        train(source(), longer, checkpoint=tmp_path / "job", progress=stop)
    asked.clear()
    assert train(source(), longer, checkpoint=tmp_path / "job").to_bytes() == expected
    assert len(asked) < times / 2
    with pytest.raises(TypeError, match="go together"):
        Source(deliver, dim=2, tell=lambda: 0)


def test_ranks():
    alone = train(events(), TOY)
    assert train(events(), TOY, ranks=liblaser.Ranks(lambda values: None, 0, 1)).to_bytes() == alone.to_bytes()
    with pytest.raises(liblaser.InvalidArgumentError):
        train(events(), TOY, ranks=liblaser.Ranks(lambda values: values, 1, 1))


# --- models ---


def test_model(model, generator, tmp_path):
    assert (model.event_dim, model.latent_dim, model.condition_dim, model.method) == (2, 2, 0, "rejection")
    assert model.names == ("m", "pt")
    assert model["classifier.loss"] == model.record["classifier"]["loss"]
    assert "generator" in model.info()
    assert repr(model).startswith("<Model of m, pt: rejection; look at")
    assert repr(generator) == "<Generator of 2 values from 2 latents>"
    with pytest.raises(liblaser.InvalidArgumentError, match="classifier"):
        model["classifier.los"]
    model.save(tmp_path / "model.laser")
    for same in (Model.load(tmp_path / "model.laser"), pickle.loads(pickle.dumps(model)), Model.from_bytes(model.to_bytes())):
        assert np.array_equal(same.sampler(1).generate(100).x, model.sampler(1).generate(100).x)
        assert same.to_bytes() == model.to_bytes()
    again = pickle.loads(pickle.dumps(generator))
    assert again.to_bytes() == generator.to_bytes() and Generator.load(tmp_path / "model.laser").latent_dim == 2
    baseline = Model(generator)
    assert baseline.method == "baseline"
    with pytest.raises(liblaser.UnsupportedError):
        baseline.log_weight(events())


def test_what_a_model_says_of_events(model):
    x = events(7, 50)
    z = model.latent(x)
    assert np.allclose(model.generate(z), x, atol=1e-4)
    assert np.array_equal(model.latent(x, out=np.empty((50, 2)), threads=2), z)
    sampler, logp = model.sampler(1, method="baseline"), np.empty(50)
    made = sampler.generate(50, logp=logp).x
    assert np.allclose(model.log_prob(made), logp, atol=1e-3)
    log_w = model.log_weight(made)
    assert np.array_equal(model.log_weight(np.asfortranarray(made)), log_w)
    reweighted = model.sampler(1, method="reweight").generate(50)
    assert np.array_equal(reweighted.x, made) and np.allclose(np.log(reweighted.w), log_w, atol=1e-5)
    with pytest.raises(ValueError, match=r"\(events, 2\)"):
        model.log_weight(np.zeros((5, 3)))
    with pytest.raises(liblaser.DataError, match="row 1"):
        model.log_weight([[0, 0], [np.inf, 0]])


def test_another_refiner(model):
    other = refine(model, None, TOY, refiner__method="matching")
    assert other.method == "matching" and other.sampler(1).generate(3).x.shape == (3, 2)
    with pytest.raises(TypeError, match="target"):
        refine(train(events(), TOY))


def test_conditions(conditional):
    assert conditional.condition_dim == 1 and conditional.event_dim == 2
    c = np.linspace(0, 1, 40)
    x, w = conditional.sampler(1).generate_given(c)
    assert x.shape == (40, 2) and w.shape == (40,)
    same = conditional.sampler(1).generate_given(c[:, None].astype(np.float32), dtype=np.float32)
    assert same.x.dtype == np.float32
    assert np.allclose(same.x, x, atol=1e-5)
    assert conditional.log_weight(np.column_stack([x, c])).shape == (40,)
    with pytest.raises(liblaser.InvalidArgumentError, match="condition"):
        conditional.sampler(1).generate(3)
    with pytest.raises(ValueError, match="conditions must have the shape"):
        conditional.sampler(1).generate_given(np.zeros((3, 2)))
    out = np.empty((40, 2))
    logp = np.empty(40)
    assert conditional.sampler(1).generate_given(c, out=out, logp=logp).x is out and np.isfinite(logp).all()


# --- functions as generators ---


def shear(z):
    return np.column_stack([z[:, 0] + 1, 0.5 * z[:, 1] - 2 + 0.1 * z[:, 0]])


def test_a_function_as_generator(tmp_path):
    kept = []

    def simulate(z):
        kept.append(z)
        return shear(z)

    generator = Generator.from_callable(simulate, 2, 2)
    assert "a function" in repr(generator)
    model = refine(generator, events(), TOY)
    x = model.sampler(1).generate(100).x
    assert all(np.isfinite(z).all() for z in kept)  # what a callback keeps is its own
    model.save(tmp_path / "model.laser")
    loaded = Model.load(tmp_path / "model.laser")
    with pytest.raises(liblaser.UnsupportedError, match=r"attach it first \(`model = model\.attach\(function\)`\)"):
        loaded.sampler(1).generate(1)
    assert np.array_equal(loaded.attach(shear).sampler(1).generate(100).x, x)
    latents = model.sampler(1).generate_latent(20)
    assert np.allclose(shear(latents.z), latents.x)


def test_a_function_with_conditions():
    def simulate(z, c):
        return z + c

    generator = Generator.from_callable(simulate, 2, 2, 1, stochastic=True)
    model = Model(generator)
    assert np.allclose(model.generate(np.array([[0.0, 1.0, 5.0]])), [[5.0, 6.0]])
    with pytest.raises(ValueError, match="shape"):
        Model(Generator.from_callable(lambda z: z[:, :1], 2, 2)).sampler(1).generate(3)


def test_support(generator, tmp_path):
    def inside(x):
        return x[:, 0] > 1

    model = refine(generator.with_support(inside), events()[events()[:, 0] > 1], TOY)
    assert (model.sampler(1).generate(1000).x[:, 0] > 1).all()
    assert np.isneginf(model.log_weight([[0.0, -2.0]]))[0]
    loaded = Model.from_bytes(model.to_bytes())
    with pytest.raises(liblaser.UnsupportedError, match=r"`model = model\.attach_support\(function\)`"):
        loaded.sampler(1).generate(1)
    assert np.array_equal(loaded.attach_support(inside).sampler(1).generate(9).x, model.sampler(1).generate(9).x)
    with pytest.raises(ValueError, match="shape"):
        generator.with_support(lambda x: True)._callbacks and refine(generator.with_support(lambda x: True), events(), TOY)
    by_formula = refine(generator, Source(events()[events()[:, 0] > 1], names=["m", "pt"]), TOY, support="m > 1")
    assert (by_formula.sampler(1).generate(1000).x[:, 0] > 1).all()


# --- reweighters ---


def test_reweighter(tmp_path):
    reweighter = Reweighter.train(events(1), Source(events(2, shift=0.5), names=["m", "pt"]), TOY)
    assert (reweighter.event_dim, reweighter.condition_dim, reweighter.names) == (2, 0, ("m", "pt"))
    x = events(3, 10)
    log_w, spread = np.empty(10), np.empty(10)
    w = reweighter.weights(x, log_w=log_w, spread=spread)
    assert np.allclose(np.log(w), log_w) and not spread.any()
    assert reweighter["weights.mean"] == reweighter.record["weights"]["mean"] and "m, pt" in repr(reweighter) and reweighter.info()
    reweighter.save(tmp_path / "weights.laser")
    for same in (Reweighter.load(tmp_path / "weights.laser"), pickle.loads(pickle.dumps(reweighter))):
        assert np.array_equal(same.weights(x, threads=2), w)
    with pytest.raises(liblaser.UnsupportedError, match="load it by `Reweighter.load`"):
        Model.load(tmp_path / "weights.laser")


loaded = {name for name in ("laser_unfold", "laser_resample") if hasattr(liblaser._library.library, name)}


@pytest.mark.skipif("laser_unfold" not in loaded, reason="this library has no laser_unfold")
def test_unfold():
    truth, data = events(1), events(2, shift=0.3)
    seen = truth + np.random.default_rng(5).normal(size=truth.shape) * 0.1
    both = np.ones(len(truth), bool)
    both[::10] = False
    w, reweighter = liblaser.unfold(truth, seen, data, is_reconstructed=both, options=TOY)
    assert w.shape == (len(truth),) and np.isfinite(w).all() and reweighter.weights(truth[:5]).shape == (5,)
    assert not liblaser.unfold(truth, seen, data, is_generated=both, options=TOY).w[::10].any()
    flags = both.astype(int)
    assert np.array_equal(liblaser.unfold(truth, seen, data, is_reconstructed=flags, options=TOY).w, w)
    for marks, kind, says in ((both[:5], ValueError, "shape"), (2 * flags, ValueError, "has 2: .* `flags & 2 != 0`"),
                              (-flags, ValueError, "has -1"), (both.astype(float), TypeError, "not of float64: pass a condition"),
                              (np.full(len(truth), "yes"), TypeError, "real numbers")):
        for name in ("is_generated", "is_reconstructed"):
            with pytest.raises(kind, match=f"{name} must .*{says}"):
                liblaser.unfold(truth, seen, data, **{name: marks})


@pytest.mark.parametrize("wrong", ["generated", "reconstructed", "data"])
def test_unfold_says_which_array_is_wrong(wrong):
    arrays = {"generated": events(1), "reconstructed": events(1), "data": events(2)}
    arrays[wrong][3, 1] = np.nan
    with pytest.raises(liblaser.DataError, match=f"^{wrong}: row 3, column 1 of the events"):
        liblaser.unfold(**arrays)
    arrays[wrong] = np.zeros((5, 2, 2))
    with pytest.raises(ValueError, match=f"^{wrong}: events must have the shape"):
        liblaser.unfold(**arrays)


def test_weights_among_the_columns_of_an_unfolding_are_told_of(tmp_path):
    def table(x, second):
        return {"r": x[:, 0], second: x[:, 1]}

    def warned(reconstructed, data):
        said = []
        liblaser.unfold(events(1), reconstructed, data, options=TOY, unfold__iterations=1, log=lambda level, text: said.append(text))
        return [text for text in said if "is trained as a feature, and is called as weights are" in text]

    seen, data = events(1), events(2)
    assert not warned(table(seen, "q"), table(data, "q"))
    for reconstructed, measured in ((table(seen, "weight"), table(data, "weight")), (table(seen, "weight"), data), (seen, table(data, "weight"))):
        said = warned(reconstructed, measured)
        assert len(said) == 1 and said[0].startswith("`weight` "), said
    np.save(tmp_path / "data.npy", np.rec.fromarrays(data.T, names="r,weight"))
    assert len(warned(table(seen, "weight"), Source(tmp_path / "data.npy"))) == 1
    said = []
    with pytest.raises(liblaser.LaserError):
        Reweighter.train(table(seen, "weight"), np.hstack([data, seen[:, :1]]), TOY, log=lambda level, text: said.append(text), classifier__layers=1)
    assert len([text for text in said if text.startswith("`weight` is trained")]) == 1


def test_unfold_needs_rows_for_each_event():
    with pytest.raises(ValueError, match="reconstructed must have the 2000 events of generated, but has 50: row i of both"):
        liblaser.unfold(events(), events(n=50), events(2))


@pytest.mark.skipif("laser_resample" not in loaded, reason="this library has no laser_resample")
def test_resample():
    signs = np.where(np.random.default_rng(6).uniform(size=2000) < 0.2, -1.0, 1.0)
    w, reweighter = liblaser.resample(Source(events(), signs), TOY)
    assert w.shape == (2000,) and (w >= 0).all() and np.isclose(w.sum(), signs.sum()) and reweighter.event_dim == 2
    assert np.array_equal(liblaser.resample((events(), signs), TOY).w, w)


def test_resample_says_what_it_needs(tmp_path):
    np.save(tmp_path / "signs.npy", np.ones(300, [("m", "f8"), ("w", "f8")]))
    with pytest.raises(TypeError, match=r"events must be a Source of an array, not .*signs\.npy.*Source\(liblaser\.read\(path\), weights="):
        liblaser.resample(Source(tmp_path / "signs.npy", weights="w"))
    with pytest.raises(ValueError, match=r"events must have weights, of both signs: Source\(x, weights=w\)"):
        liblaser.resample(events())
    with pytest.raises(ValueError, match=r"^events: weights must have the shape"):
        liblaser.resample((events(), np.ones(3)))


def test_samples_that_are_none():
    x, y = events()[:, 0], events()[:, 1]
    for pair in ((x, y), (events(), y)):
        with pytest.raises(TypeError, match=r"^target: a tuple of arrays is no table: .* Source\(x, weights=w\), .* \{'x': x, 'y': y\}"):
            train(pair, TOY)
    assert Source((np.zeros(2), np.ones(2))).count == 2
    with pytest.raises(TypeError, match=r"not ndarray; a sample is one argument: .* \{'x': x, 'y': y\}"):
        train(x, y)


@pytest.mark.parametrize("name", ["net.onnx", "net.pt", "net.h5", "Net.KERAS"])
def test_files_of_others(name, tmp_path):
    (tmp_path / name).write_bytes(b"PK\3\4" + bytes(100))
    for kind, more in ((Generator, ""), (Model, ""), (Reweighter, " --reweighter")):
        with pytest.raises(liblaser.LaserError, match=f"`python -m liblaser.export .*{name} model.laser{more}`"):
            kind.load(tmp_path / name)
        with pytest.raises(OSError) as caught:
            kind.load(tmp_path / f"no-{name}")
        assert "liblaser.export" not in str(caught.value)


def test_a_library_without_them():
    for name, function in (("laser_unfold", lambda: liblaser.unfold(events(), events(), events(2))), ("laser_resample", lambda: liblaser.resample(events()))):
        if name not in loaded:
            with pytest.raises(NotImplementedError, match="older"):
                function()
    with pytest.raises(NotImplementedError, match="has no laser_none: it is older"):
        liblaser._library.declared("laser_none", None)()


def test_a_reweighter_tells_of_conditions_beyond_its_training():
    given = np.random.default_rng(3).uniform(10, 100, size=(2000, 1))
    target = np.hstack([events(2), given])
    reweighter = Reweighter.train(events(1), target, TOY, conditions=1, log=None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reweighter.weights(target[:50])
        assert not [w for w in caught if "conditions lie beyond" in str(w.message)]
    target[7, 2] = 159
    with pytest.warns(liblaser.LaserWarning, match="1 of 50 conditions lie beyond those of the training, as .* = 159, which had"):
        reweighter.weights(target[:50])


def test_a_reweighter_tells_of_conditions_between_those_of_its_training():
    both = np.hstack([events(2), np.random.default_rng(3).choice([10.0, 20.0, 100.0], size=(2000, 1))])
    reweighter = Reweighter.train(both, both[::-1], TOY, conditions=1, log=None)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "conditions lie")
        reweighter.weights(both[:50])
    both[7:12, 2] = 60
    with pytest.warns(liblaser.LaserWarning, match="5 of 50 conditions lie where the training had next to no events, as .* = 60: it had them in 10 to "):
        reweighter.weights(both[:50])


def test_a_model_is_not_refined_to_another_target(model):
    with pytest.warns(liblaser.LaserWarning, match="too few to tell whether it is the one that the model is refined to"):
        refine(model, events(9, shift=5.0), TOY)


def test_weights_of_the_simulation_are_those_of_its_particle_level():
    x, v = events(1), np.linspace(0.5, 1.5, 2000)
    said = []
    for generated, reconstructed in ((x, Source(x, v)), (Source(x, v), x), (Source(x, v), Source(x, v))):
        liblaser.unfold(generated, reconstructed, events(3), options=TOY, unfold__iterations=1, log=lambda level, text: said.append(text))
    assert len([text for text in said if "`reconstructed` has weights, which count at the detector level alone" in text]) == 1
