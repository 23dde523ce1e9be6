"""The examples of the docstrings, the tutorial, the types."""

import doctest
import importlib
import inspect
import runpy
from pathlib import Path

import liblaser

MODULES = ["liblaser"] + [f"liblaser.{name}" for name in ("_boundary", "_files", "_formats", "_options", "_training", "_sampling", "_scores", "_weighting", "plot")]


def test_examples(model):
    found = doctest.TestResults(0, 0)
    for name in MODULES:
        module = importlib.import_module(name)
        result = doctest.testmod(module, extraglobs={"model": model, **vars(liblaser)})
        assert result.failed == 0
        found = doctest.TestResults(0, found.attempted + result.attempted)
    assert found.attempted >= 7


def test_everything_public_is_described():
    for name in liblaser.__all__:
        thing = getattr(liblaser, name)
        assert inspect.getdoc(thing), name
        for member, what in vars(thing).items() if inspect.isclass(thing) and not issubclass(thing, tuple) else ():
            if not member.startswith("_") and (callable(what) or isinstance(what, (property, classmethod))):
                assert inspect.getdoc(getattr(thing, member)), f"{name}.{member}"
    assert set(liblaser.__all__) == {name for name, thing in vars(liblaser).items()
                                     if not name.startswith("_") and not inspect.ismodule(thing) and name not in ("annotations",)}


def test_tutorial(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    found = runpy.run_path(str(Path(__file__).parent.parent / "tutorial.py"))
    assert found["events"].shape == (20_000, 2) and (tmp_path / "report.png").exists()
