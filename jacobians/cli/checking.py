"""``jacobians check``: the derivative of a function or an operation, on random or the user's arrays."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.cli.files import read_array, read_npz
from jacobians.cli.layout import cut, emit_json
from jacobians.cli.loading import read_function
from jacobians.cli.options import prepare, shape_option
from jacobians.errors import JacobiansError
from jacobians.ground.memory import check_bytes
from jacobians.verification.checking import check

Array = NDArray[Any]


def run(options: argparse.Namespace) -> int:
    """Print the report; 1 unless everything is right."""
    if options.seed < 0:
        raise JacobiansError(f"--seed must not be negative, not {options.seed}")
    wrt: int | str | tuple[int | str, ...] | None
    claims: dict[str, Any] = {
        name: read_function(text)
        for name in ("jacobian", "vjp", "jvp")
        if (text := getattr(options, name)) is not None
    }
    against = options.against
    if ":" in against:
        against = read_function(against)
    if ":" in options.subject:
        f = read_function(options.subject)
        if options.subscripts is not None:
            raise JacobiansError("--subscripts is for einsum only")
        arrays, sources = _arrays(f, options.data or (), options.shape or (), options.seed)
        heading = f"{getattr(f, '__name__', 'f')}({', '.join(arrays)})"
        wrt = _wrt(options.wrt) if options.wrt else None
    else:
        wrt = _wrt(options.wrt or "0")
        first = wrt[0] if isinstance(wrt, tuple) else wrt
        call = prepare(
            options.subject,
            str(first),
            shapes=options.shape,
            subscripts=options.subscripts,
            seed=options.seed,
            data=options.data,
        )
        f, heading = _operation(call.operation, call.subscripts), call.heading
        arrays, sources = call.arrays, call.sources
        if call.subscripts is not None:
            several = wrt if isinstance(wrt, tuple) else (wrt,)
            names = list(arrays)
            placed = tuple(names.index(w) if w in names else w for w in several)
            wrt = placed if isinstance(wrt, tuple) else placed[0]
        wrt = wrt if options.wrt else None
    try:
        report = check(
            f,
            *arrays.values(),
            wrt=wrt,
            **claims,
            against=against,
            rtol=options.rtol,
            atol=options.atol,
            seed=options.seed,
        )
    except JacobiansError:
        raise
    except Exception as error:  # of the user's own functions
        called = "; ".join(getattr(error, "__notes__", ()))
        text = f"{options.subject}: {type(error).__name__}: {error}"
        raise JacobiansError(text + f" ({called})" * bool(called)) from None
    shapes = {name: list(np.shape(array)) for name, array in arrays.items()}
    if options.json:
        found = {k: {"shape": shapes[k], "source": sources[k]} for k in arrays}
        emit_json({"subject": options.subject, "arguments": found, **report.to_dict()})
    else:
        print(cut(heading))
        width = max(map(len, arrays), default=2) + 2
        for name, array in arrays.items():
            made = sources[name]
            made = f"random, seed {options.seed}" if made == "random" else made
            print(cut(f"  {name:<{max(width, 4)}}{shape_option(np.shape(array)):<14}{made}"))
        print()
        print(report)
    return 0 if report.ok else 1


def _operation(operation: Any, subscripts: str | None) -> Callable[..., Any]:
    """The operation as a function of arrays alone."""
    if subscripts is None:
        found: Callable[..., Any] = operation
        return found

    def einsum(*operands: Any) -> Any:
        return operation(subscripts, *operands)

    return einsum


def _wrt(text: str) -> int | str | tuple[int | str, ...]:
    """``W``, ``0``, or several joined by commas."""
    parts = tuple(int(p) if re.fullmatch(r"-?[0-9]+", p) else p for p in text.split(","))
    return parts if len(parts) > 1 else parts[0]


def _arrays(
    f: Callable[..., Any], data: Sequence[str], shapes: Sequence[str], seed: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """The function's arguments in order: from files, random, or its own defaults."""
    read = _read(data)
    asked = _shapes(shapes)
    try:
        parameters: Mapping[str, Parameter] = signature(f).parameters
    except (TypeError, ValueError):
        raise JacobiansError("the function does not say what arguments it has") from None
    names = [
        name
        for name, parameter in parameters.items()
        if parameter.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    ]
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
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, equals, sizes = text.partition("=")
        if not equals or not re.fullmatch(r"scalar|[0-9]+(x[0-9]+)*", sizes):
            raise JacobiansError(
                f"--shape {text!r} is no shape: write a matrix as W=2x3, a vector as x=3, a number as "
                "c=scalar"
            )
        if name in found:
            raise JacobiansError(f"--shape: {name} is given twice")
        found[name] = () if sizes == "scalar" else tuple(map(int, sizes.split("x")))
    return found
