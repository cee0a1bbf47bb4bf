"""``jacobians check``: the derivative of a function or an operation, on random or the user's arrays."""

import argparse
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from jacobians.cli.layout import cut, emit_json
from jacobians.cli.loading import read_function
from jacobians.cli.options import prepare, shape_option
from jacobians.cli.own import arrays_of
from jacobians.errors import JacobiansError
from jacobians.verification.checking import check


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
        arrays, sources = arrays_of(f, options.data or (), options.shape or (), options.seed)
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
