"""Finds and loads the shared library, and declares its functions."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any, Callable

SONAME = "liblaser.so.0"


def load() -> ctypes.CDLL:
    """The library that LASER_LIBRARY names, or the one in this package, or the system's."""
    named, own = os.environ.get("LASER_LIBRARY"), Path(__file__).with_name(SONAME)
    path = named or (str(own) if own.exists() else SONAME)
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"liblaser needs its shared library, but {path} does not load: {error}. The environment variable LASER_LIBRARY "
                          f"may give the full path of a {SONAME}") from error
    if not hasattr(library, "laser_abi_version"):
        raise ImportError(f"{path} is not liblaser")
    return library


library = load()


def declared(name: str, returns: Any, *takes: Any) -> Callable[..., Any]:
    """A function of the library, with its types. Within one ABI an older library lacks those that were added later."""
    try:
        function = getattr(library, name)
    except AttributeError:

        def absent(*_: Any) -> Any:
            raise NotImplementedError(f"the loaded library has no {name}: it is older than this package")

        return absent
    function.restype, function.argtypes = returns, takes
    return function  # type: ignore[no-any-return]
