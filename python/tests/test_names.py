"""Columns by name: where two samples meet, or a sample and a model, the same names stand for the same columns, in any order."""

import re
import warnings

import numpy as np
import pytest
from conftest import TOY, events

import liblaser
from liblaser import Events, Generator, Histogram, Model, Reweighter, Source, refine, train

X, Y = events(1), events(2, shift=0.5)


class Frame:
    """What of a data frame of pandas is used."""

    to_numpy = None

    def __init__(self, data):
        self.data, self.columns = data, list(data)

    def __getitem__(self, name):
        column = self.data[name]
        return type("Column", (), {"to_numpy": lambda self: column})()


def frame(x):
    return Frame(turned(x))


def fields(x):
    table = np.zeros(len(x), [("pt", "f8"), ("m", "f8")])
    table["m"], table["pt"] = x[:, 0], x[:, 1]
    return table


def named(x, names=("m", "pt")):
    return Source(x, names=names)


def turned(x):
    return {"pt": x[:, 1], "m": x[:, 0]}


FORMS = [turned, fields, frame, lambda x: named(x[:, ::-1], ("pt", "m"))]
SCORES = {
    "emd_1d": lambda p, q: liblaser.emd_1d(p, q, "m", repeats=2),
    "kolmogorov_smirnov": lambda p, q: liblaser.kolmogorov_smirnov(p, q, "pt"),
    "sliced_emd": lambda p, q: liblaser.sliced_emd(p, q, directions=3, repeats=2),
    "edges": lambda p, q: liblaser.edges(p, q, "m > 1"),
    "two_sample_auc": lambda p, q: liblaser.two_sample_auc(p, q, TOY),
    "two_sample_auc_by_family": lambda p, q: liblaser.two_sample_auc_by_family(p, q, TOY),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SCORES)
def test_scores(name, form):
    score = SCORES[name]
    expected = score(named(X), Y)  # without names: as they stand
    assert score(named(X), form(Y)) == expected
    with pytest.raises(ValueError, match="(q|sample) has the columns mass, pt, but (p|reference) has m, pt: they must be the same, in any order"):
        score(named(X), named(Y, ("mass", "pt")))


@pytest.mark.parametrize("form", FORMS)
def test_histograms(form):
    where = ((-2.0, 4.0), (-4.0, 0.0))
    expected = Histogram(10, where).fill(X).fill(Y)
    found = Histogram(10, where).fill(named(X)).fill(form(Y))
    assert np.array_equal(found.contents, expected.contents) and liblaser.jsd(found, expected, repeats=0).nats == 0
    other = Histogram(10, where).fill(form(X))
    if other.names == ("pt", "m"):
        for function in (lambda: liblaser.jsd(found, other), lambda: liblaser.emd(found, other), lambda: found.__iadd__(other)):
            with pytest.raises(ValueError, match="m, pt and pt, m"):
                function()
    w = np.linspace(0.0, 1.0, len(X))
    weighted = Histogram(10, where).fill(X, w).contents
    for same in (Source(X, w), Events(X, w)):
        assert np.array_equal(Histogram(10, where).fill(same).contents, weighted)


@pytest.mark.parametrize("form", FORMS)
def test_reweighters(form):
    expected = Reweighter.train(X, named(Y), TOY)
    found = Reweighter.train(form(X), named(Y), TOY)
    assert found.names == ("m", "pt") and found.to_bytes() == expected.to_bytes()
    w = expected.weights(X)
    for same in (form(X), named(X), Source(X), Events(X, w)):
        assert np.array_equal(expected.weights(same), w)
    with pytest.raises(ValueError, match="x has the columns m, eta, but the reweighter has m, pt"):
        expected.weights({"m": X[:, 0], "eta": X[:, 1]})
    with pytest.raises(ValueError, match="x has the columns m, pt, eta, but the reweighter has m, pt: .* in any order: without eta$"):
        expected.weights({"m": X[:, 0], "pt": X[:, 1], "eta": X[:, 1]})
    with pytest.raises(ValueError, match="source has the columns m, eta, but target has m, pt: .* without eta, with pt$"):
        Reweighter.train(named(X, ("m", "eta")), named(Y), TOY)


def warned(function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [str(warning.message) for warning in caught]


def test_weights_of_other_events_are_warned_of():
    settings = {**TOY, "classifier": {"layers": 2, "units": 16, "epochs": 3, "steps": 100, "batch": 256, "lr": 0.01}}
    reweighter = Reweighter.train(turned(X), named(Y), settings)
    right, wrong = X, X[:, ::-1].copy()
    for same in (right, turned(right), right[:90], wrong[:90]):
        assert not warned(lambda: reweighter.weights(same))
    (said,) = warned(lambda: reweighter.weights(wrong))
    assert re.search(r"the mean weight of these events is \S+, and .* `source` it is 1: .* taken in the order m, pt\. Weights of other", said)
    (said,) = warned(lambda: reweighter.weights(turned(wrong)))
    assert "the mean weight of these events is" in said and "order" not in said
    # Events with weights, which have the mean 1 with them, or, as of a resampling, without.
    skewed = events(7, 4000, shift=0.5)
    v = np.where(np.random.default_rng(8).uniform(size=len(X)) < 0.5, 0.1, 1.9)
    w = reweighter.weights(skewed)
    assert warned(lambda: reweighter.weights(skewed))
    assert not warned(lambda: reweighter.weights(Source(skewed, 1 / w)))
    for given in (Source(right, v), Events(right, v), Source(right, np.where(w[:len(X)] > 1, 3.0, -1.0))):
        assert not warned(lambda: reweighter.weights(given))
    assert warned(lambda: reweighter.weights(Source(wrong, v)))


def test_conditions():
    mu = np.linspace(0, 1, len(Y))
    target = {"m": Y[:, 0], "pt": Y[:, 1], "mu": mu}
    expected = Reweighter.train(X, target, TOY, conditions=1)
    assert Reweighter.train(turned(X), target, TOY, conditions=1).to_bytes() == expected.to_bytes()
    shuffled = {name: target[name] for name in ("mu", "pt", "m")}
    assert np.array_equal(expected.weights(shuffled), expected.weights(np.column_stack([Y, mu])))
    flow = train(target, TOY, conditions=1)
    model = refine(flow, shuffled, TOY, conditions=1)
    assert model.names == ("m", "pt", "mu") and model.to_bytes() == refine(flow, target, TOY, conditions=1).to_bytes()
    x = model.sampler(1).generate_given(mu[:50]).x
    for same in ({"mu": mu[:50]}, Source(mu[:50], names=["mu"])):
        assert np.array_equal(model.sampler(1).generate_given(same).x, x)
    with pytest.raises(ValueError, match="conditions has the columns nu, but the model has mu"):
        model.sampler(1).generate_given({"nu": mu})


@pytest.mark.parametrize("form", FORMS)
def test_models(model, form):
    for function in (model.log_weight, model.log_prob, model.latent):
        expected = function(X)
        for same in (form(X), named(X), Source(X), Events(X, np.ones(len(X)))):
            assert np.array_equal(function(same), expected)
        with pytest.raises(ValueError, match="x has the columns m, pt, eta, but the model has m, pt: they must be the same, in any order"):
            function({"m": X[:, 0], "pt": X[:, 1], "eta": X[:, 1]})
        with pytest.raises(TypeError, match="x must be an array, or a Source of one"):
            function(Source(lambda n: events(1, n), dim=2))
    for source in (Source(X), named(X[:, ::-1], ("pt", "m"))):
        source.close()
    with pytest.raises(ValueError, match="closed"):
        liblaser.emd_1d(named(X), source, 0)
    with pytest.raises(ValueError, match="closed"):
        model.log_weight(source)


@pytest.mark.parametrize("form", FORMS)
def test_refinement(model, form):
    flow = train(named(X), TOY)
    expected = refine(flow, named(X), TOY).to_bytes()
    assert refine(flow, form(X), TOY).to_bytes() == expected
    assert refine(flow, form(X), TOY, features__names="m,pt").to_bytes() == expected
    with pytest.raises(ValueError, match="target has the columns m, eta, but the generator has m, pt"):
        refine(flow, named(X, ("m", "eta")), TOY)
    assert refine(Generator.from_callable(lambda z: z + [1, -2], 2, 2), form(X), TOY).names == ("pt", "m")


@pytest.mark.parametrize("form", FORMS)
def test_unfolding(form):
    seen = X + np.random.default_rng(5).normal(size=X.shape) * 0.1
    expected = liblaser.unfold(X, named(seen), Y, options=TOY).w
    assert np.array_equal(liblaser.unfold(X, named(seen), form(Y), options=TOY).w, expected)
    with pytest.raises(ValueError, match="data has the columns m, eta, but reconstructed has m, pt"):
        liblaser.unfold(X, named(seen), named(Y, ("m", "eta")), options=TOY)


def test_what_has_no_names_stands_as_it_is(model):
    unnamed = Model(train(X, TOY))
    assert np.array_equal(unnamed.log_prob({"pt": X[:, 0], "m": X[:, 1]}), unnamed.log_prob(X))
    assert np.array_equal(unnamed.log_prob({"x1": X[:, 1], "x0": X[:, 0]}), unnamed.log_prob(X))
    assert np.array_equal(model.log_weight(Frame({0: X[:, 0], 1: X[:, 1]})), model.log_weight(X))


def test_functions_and_files_stay_as_they_are(tmp_path):
    with pytest.raises(ValueError, match="source has the columns pt, m, in another order .* deliver them in the order m, pt"):
        Reweighter.train(Source(lambda n: events(1, n), dim=2, names=["pt", "m"]), named(Y), TOY)
    table = np.zeros(len(X), [("pt", "f8"), ("w", "f8"), ("m", "f8")])
    table["m"], table["pt"], table["w"] = X[:, 0], X[:, 1], 1.0
    np.save(tmp_path / "turned.npy", table)
    for weights in ("w", 1):
        source = Source(tmp_path / "turned.npy", weights=weights)
        assert source.names == ("pt", "m")
        with pytest.raises(ValueError, match="deliver them in the order m, pt"):
            Reweighter.train(source, named(Y), TOY)


def test_wrong_names():
    with pytest.raises(ValueError, match="names must be 2, one for each value of an event, not 3"):
        Source(X, names=["a", "b", "c"])
    with pytest.raises(ValueError, match="names must differ, but are m, m"):
        Source(X, names=["m", "m"])


def test_the_option_gives_names_and_no_order():
    assert train(named(X), TOY, features__names="a,b").to_bytes() == train(X, TOY, features__names="a,b").to_bytes()
    for function in (train, lambda x, *given, **settings: Reweighter.train(Y, x, *given, **settings), liblaser.resample):
        with pytest.raises(ValueError, match="features.names is pt, m, but the columns are m, pt"):
            function(named(X), TOY, features__names="pt,m")


def test_plots():
    plot = pytest.importorskip("liblaser.plot")
    def heights(sample):
        return [patch.get_data().values for axes in plot.compare(named(X), sample).axes[::2] for patch in axes.patches]

    assert len(heights(Y)) == 4
    for form in FORMS:
        for sample in (form(Y), {"sample": form(Y)}, (form(Y), np.ones(len(Y)))):
            assert all(np.array_equal(a, b) for a, b in zip(heights(sample), heights(Y)))
    with pytest.raises(ValueError, match="sample has the columns m, eta, but truth has m, pt"):
        plot.compare(named(X), named(Y, ("m", "eta")))
    weighted = Source(Y, np.linspace(0, 1, len(Y)))
    assert all(np.array_equal(a, b) for a, b in zip(heights(weighted), heights((Y, np.linspace(0, 1, len(Y))))))


def test_names_are_no_other_order_of_the_columns(tmp_path):
    for source in (lambda names: Source(turned(X), names=names), lambda names: Source(fields(X)[["m", "pt"]], names=names[::-1])):
        with pytest.raises(ValueError, match="names are .*: they give columns other names, and no other order; leave them out"):
            source(["m", "pt"])
        assert source(["a", "b"]).names in (("a", "b"), ("b", "a"))
    np.save(tmp_path / "x.npy", fields(X))
    with pytest.raises(ValueError, match="names are m, pt, but the columns are pt, m"):
        Source(tmp_path / "x.npy", names=["m", "pt"])
    assert Source(tmp_path / "x.npy", names=["a", "b"]).names == ("a", "b")


def test_names_of_a_long_header_are_not_lost(tmp_path):
    names = [f"a_long_name_of_a_column_{i:04}" for i in range(600)]
    table = np.zeros(50, [(name, "f4") for name in names])
    for i, name in enumerate(names):
        table[name] = np.sin(np.arange(50) * (i + 1))
    np.save(tmp_path / "wide.npy", table)
    assert Source(tmp_path / "wide.npy").names == tuple(names)
    assert Source(tmp_path / "wide.npy", weights=names[3]).names == tuple(names[:3] + names[4:])


@pytest.mark.parametrize("form", FORMS[:3])
def test_what_functions_return_goes_by_names(model, form):
    def part(n, start=[0]):
        start[0] += n
        return np.take(X, np.arange(start[0] - n, start[0]) % len(X), axis=0)

    def trained(function, **more):
        return Reweighter.train(Source(function, dim=2, names=["m", "pt"], **more), named(Y), TOY).to_bytes()

    part.__defaults__[0][0] = 0
    expected = trained(part)
    part.__defaults__[0][0] = 0
    assert trained(lambda n: form(part(n))) == expected
    part.__defaults__[0][0] = 0
    assert trained(lambda n: (form(part(n)), np.ones(n)), weighted=True) != b""
    with pytest.raises(ValueError, match="the function of a Source returns has the columns (a, m|m, a), but it has m, pt"):
        trained(lambda n: {"a": part(n)[:, 0], "m": part(n)[:, 1]})
    with pytest.raises(ValueError, match="the function of a Source returns the columns pt, m, for which it has no names: names="):
        train(Source(lambda n: turned(part(n)), dim=2), TOY)
    assert train(Source(lambda n: {"x0": part(n)[:, 0], "x1": part(n)[:, 1]}, dim=2), TOY).event_dim == 2

    def simulate(z):
        return z[:, :2] + [1.0, -2.0]

    with pytest.raises(ValueError, match="the function of a Generator returns the columns pt, m, for which it has no names: return an array"):
        refine(Generator.from_callable(lambda z: turned(simulate(z)), 2, 2), named(Y), TOY)
    plain = refine(Generator.from_callable(simulate, 2, 2), named(Y), TOY)
    z = np.random.default_rng(1).normal(size=(50, 2))
    attached = Model.from_bytes(plain.to_bytes()).attach(lambda z: form(simulate(z)))
    assert np.array_equal(attached.generate(z), plain.generate(z))


def test_what_pandas_has_in_other_rows_is_not_paired():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(turned(X))
    w = pandas.Series(np.linspace(0.5, 1.5, len(X)))
    rows = table.index[::-1]
    weighted = Source(table, w)
    assert np.array_equal(Source(table.loc[rows], w.loc[rows])._w, weighted._w[::-1])
    message = r"belong together row by row, but their indices differ: give both with reset_index\(drop=True\) if rows i are one event"
    for pair in (lambda: Source(table.loc[rows], w), lambda: Source(table, w.loc[rows]), lambda: Source({"m": table["m"], "pt": table["pt"].loc[rows]}),
                 lambda: Source({"m": table["m"]}, w.loc[rows]), lambda: liblaser.resample((table, w.loc[rows]), TOY),
                 lambda: Histogram(5, ((-1, 1), (-1, 1))).fill(table, w.loc[rows]), lambda: liblaser.unfold(table, table.loc[rows], table, options=TOY),
                 lambda: liblaser.unfold(table, table, table, is_reconstructed=(table["pt"] > -2).loc[rows], options=TOY),
                 lambda: liblaser.auc(table["m"], table["pt"] > -2, w.loc[rows]), lambda: liblaser.auc(table["m"], (table["pt"] > -2).loc[rows], w),
                 lambda: liblaser.auc(table["m"].to_numpy(), table["pt"] > -2, w.loc[rows]),
                 lambda: liblaser.write("x.npy", (table, w.loc[rows])), lambda: liblaser.write("x.npy", {"m": table["m"], "w": w.loc[rows]})):
        with pytest.raises(ValueError, match=message):
            pair()
    Source(table.loc[rows].reset_index(drop=True), w)
    Source(table.loc[rows], w.to_numpy())
    turned_round = liblaser.auc(table["m"].loc[rows], (table["pt"] > -2).loc[rows], w.loc[rows])
    assert turned_round.auc == pytest.approx(liblaser.auc(table["m"], table["pt"] > -2, w).auc)
    plot = pytest.importorskip("liblaser.plot")
    for draw in (plot.compare, plot.coverage):
        with pytest.raises(ValueError, match=message):
            draw(table, (table, w.loc[rows]))
        with pytest.raises(ValueError, match=r"weights of sample must have the shape \(2000,\), but has \(2001,\)"):
            draw(table, (table, np.ones(2001)))


def test_tables_of_arrow_keep_their_names():
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table(turned(X))
    assert Source(table).names == ("pt", "m")
    assert np.array_equal(Source(table, weights="pt")._w, X[:, 1])
    for given in (table, table.to_batches()[0]):
        assert liblaser.emd_1d(named(X), given, "m", repeats=2).distance == 0
    with pytest.raises(ValueError, match="names of columns must differ, but are m, m"):
        Source(arrow.Table.from_arrays([arrow.array(X[:, 0])] * 2, names=["m", "m"]))


def test_a_file_is_to_be_read_first(model):
    for call in (model.log_weight, Reweighter.train(X, Y, TOY).weights):
        with pytest.raises(TypeError, match=r'x must be an array, not the name of a file: read it, numpy.load\("x.npy"\)'):
            call("x.npy")


def test_a_name_is_not_one_a_letter(tmp_path):
    plot = pytest.importorskip("liblaser.plot")
    for call in (lambda: Source(X, names="pt"), lambda: liblaser.write(tmp_path / "x.npy", X, names="pt"), lambda: plot.compare(X, Y, names="pt")):
        with pytest.raises(TypeError, match=r'names must be a list of names, \["pt"\], not a string'):
            call()


def test_columns_of_one_name_are_not_lost():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="names of columns must differ, but are 1, 1"):
        Source(pandas.DataFrame({1: X[:, 0], "1": X[:, 1]}))
    assert Source(pandas.DataFrame({0: X[:, 0], 1: X[:, 1]})).names == ("0", "1")


def test_names_of_plots():
    plot = pytest.importorskip("liblaser.plot")
    for names in (["m"], ["m", "pt", "eta"]):
        with pytest.raises(ValueError, match=f"names must be 2, one for each value of the reference, not {len(names)}"):
            plot.compare(X, Y, names=names)
    with pytest.raises(ValueError, match="a sample is called truth, as the reference is"):
        plot.compare(X, {"truth": Y})
    assert plot.compare(X, {"truth": Y}, label="data")
