"""Functions of the user's, named on the command line as ``module.py:function``; the file is run."""

import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from jacobians.errors import JacobiansError


def read_function(text: str) -> Callable[..., Any]:
    """The function that ``file.py:function`` names.

    Raises
    ------
    JacobiansError
        Naming the file and what is wrong.
    """
    file, _, name = text.rpartition(":")
    path = Path(file)
    if path.suffix != ".py" or not name.isidentifier():
        raise JacobiansError(f"{text!r}: write an operation's name, or module.py:function")
    if not path.is_file():
        raise JacobiansError(f"{file}: there is no such file")
    module = _module(path.absolute(), path.stat().st_mtime_ns)
    function: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(function):
        there = [k for k, v in vars(module).items() if callable(v) and not k.startswith("_")]
        raise JacobiansError(
            f"{file}: there is no function {name}; there are {', '.join(there) or 'none'}"
        )
    return function


@cache
def _module(path: Path, modified: int) -> ModuleType:  # noqa: ARG001 - a changed file is run again
    """The module in a file: run once, so that its functions share what they share."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))  # its own imports, as when Python runs it
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise JacobiansError(f"{path.name}: {type(error).__name__}: {error}") from None
    finally:
        sys.path.pop(0)
    return module
