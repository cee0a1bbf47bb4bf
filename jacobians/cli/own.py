"""Arrays for the arguments of a function of the user's: from files, random, or its own defaults."""

from collections.abc import Callable, Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.cli.files import read_array, read_npz
from jacobians.cli.sizing import as_shape, named_sizes
from jacobians.errors import JacobiansError, ShapeError, UnsupportedError
from jacobians.ground.memory import check_bytes
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.transforms.functional import jacobian

Array = NDArray[Any]


class OwnFunction(NamedTuple):
    """A function of the user's, in the place of an operation."""

    function: Callable[..., Any]

    @property
    def name(self) -> str:
        """The function's."""
        return str(getattr(self.function, "__name__", "f"))

    def equation(self) -> str:
        """None is known."""
        return ""

    def jacobian(self, *args: Any, wrt: int) -> JacobianTensor:
        """The derived Jacobian.

        Raises
        ------
        UnsupportedError
            Where there are several results or the argument holds several arrays: a command shows one.
        JacobiansError
            For what the function raises itself.
        """
        try:
            found = jacobian(self.function, wrt)(*args)
        except JacobiansError:
            raise
        except Exception as error:
            raise JacobiansError(f"{self.name}: {type(error).__name__}: {error}") from None
        if not isinstance(found, JacobianTensor):
            raise UnsupportedError(
                f"{self.name} gives a {type(found).__name__} of Jacobians, and this shows one; name a function "
                "of one result"
            )
        return found

    def position(self, wrt: int | str, names: Sequence[str]) -> int:
        """Where the argument to differentiate by stands."""
        if isinstance(wrt, str) and wrt in names:
            return names.index(wrt)
        if isinstance(wrt, int) and -len(names) <= wrt < len(names):
            return wrt % len(names)
        raise ShapeError(
            f"{self.name} has no argument {wrt!r}; its arguments are {', '.join(names) or 'none'}"
        )


def positional(f: Callable[..., Any]) -> list[Parameter]:
    """The function's parameters that are passed by position.

    Raises
    ------
    JacobiansError
        For one that does not say what arguments it has.
    """
    try:
        found = signature(f).parameters.values()
    except (TypeError, ValueError):
        raise JacobiansError("the function does not say what arguments it has") from None
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return [parameter for parameter in found if parameter.kind in kinds]


def arrays_of(
    f: Callable[..., Any], data: Sequence[str], shapes: Sequence[str], seed: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """The function's arguments in order: from files, random, or its own defaults, and where each is from.

    Raises
    ------
    JacobiansError
        For an argument without an array, and one that the function has not.
    """
    read = _read(data)
    asked = _shapes(shapes)
    parameters = {parameter.name: parameter for parameter in positional(f)}
    names = list(parameters)
    for option, given in (("--data", read), ("--shape", asked)):
        for name in given:
            if name not in names:
                raise JacobiansError(
                    f"{option}: the function has no argument {name!r}; its arguments are "
                    f"{', '.join(names) or 'none'}"
                )
    random = np.random.default_rng(seed)
    arrays: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name in names:
        if name in read and name in asked:
            raise JacobiansError(f"{name} is given twice, by --data and by --shape")
        if name in read:
            arrays[name], sources[name] = read[name]
        elif name in asked:
            needed = 8 * int(np.prod(asked[name], dtype=object))
            check_bytes(f"--shape {name}", "a random array", needed, None, "give smaller sizes")
            arrays[name] = np.asarray(random.standard_normal(asked[name]))
            sources[name] = "random"
        elif parameters[name].default is not Parameter.empty:
            arrays[name], sources[name] = parameters[name].default, "its default"
        else:
            raise JacobiansError(
                f"no array for the argument {name}: add {name}=FILE to --data, or give --shape "
                f"{name}=SIZES for a random one"
            )
    return arrays, sources


def _read(texts: Sequence[str]) -> dict[str, tuple[Array, str]]:
    """``file.npz``, and ``NAME=file`` with .npy, .csv or .npz; a csv's one row is a vector."""
    found: dict[str, tuple[Array, str]] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if equals and name.isidentifier():
            array = read_array(Path(file), name)
            if file.lower().endswith(".csv") and 1 in array.shape:
                array = array.reshape(-1) if array.size > 1 else array.reshape(())
            several = {name: array}
        elif text.endswith(".npz"):
            file, several = text, read_npz(Path(text))
        else:
            raise JacobiansError(
                f"--data {text!r}: say which argument the file is for, as in x={text} (only an .npz file "
                "names its arrays itself)"
            )
        for key, array in several.items():
            if key in found:
                raise JacobiansError(f"--data: {key} is given twice")
            found[key] = array, file
    return found


def _shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    found = named_sizes(texts, "[0-9]+", "a matrix as W=2x3, a vector as x=3, a number as c=scalar")
    return {name: as_shape(sizes) for name, sizes in found.items()}
