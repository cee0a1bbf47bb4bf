"""The executors that compile: each makes a program a function of its inputs."""

from jacobians.errors import UnsupportedError
from jacobians.execution.jax import JaxProgram
from jacobians.execution.numpy_source import NumpyProgram

EXECUTORS: dict[str, type[NumpyProgram]] = {"numpy": NumpyProgram, "jax": JaxProgram}


def executor(name: str) -> type[NumpyProgram]:
    """The executor of a name.

    Raises
    ------
    UnsupportedError
        Naming those there are.
    JacobiansError
        Where the library that it runs on is not installed.
    """
    found = EXECUTORS.get(name)
    if found is None:
        raise UnsupportedError(f"on={name!r} is no executor; there are {', '.join(EXECUTORS)}")
    found.check_installed()
    return found
