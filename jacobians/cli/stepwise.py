"""``jacobians derive``: the derivation of an expression, or of a function in a file."""

import argparse
import re
import sys
from inspect import Parameter
from typing import Any

from jacobians.cli.layout import emit_json
from jacobians.cli.loading import read_function
from jacobians.cli.own import positional
from jacobians.errors import JacobiansError
from jacobians.transforms.deriving.declared import derive_declared, derive_text
from jacobians.transforms.deriving.language import ExpressionError


def run(options: argparse.Namespace) -> int:
    """Print the derivation, or the part that was asked for."""
    if options.seed < 0:
        raise JacobiansError(f"--seed must not be negative, not {options.seed}")
    try:
        d, by, shapes = _derived(options)
    except ExpressionError as error:
        print(f"jacobians: error: {error}", file=sys.stderr)
        return 2
    if options.json:
        written = {n: "x".join(map(str, s)) or "scalar" for n, s in shapes.items()}
        emit_json({"expression": options.expression, "wrt": by, "shapes": written, **d.to_dict()})
        return 0
    if options.latex:
        print(d.latex())
    if options.numpy:
        print(d.numpy, end="")
    if not options.latex and not options.numpy:
        print(d)
        if options.layout is None and d.matrix is None:
            print("there is no matrix notation for it; index notation has no limits")
    return 0


def _derived(options: argparse.Namespace) -> Any:
    """The derivation, what it is by, and the shapes."""
    shapes = options.shape or []
    given = {
        "order": options.order, "layout": options.layout, "seed": options.seed,
        "symmetric": options.symmetric or [], "diagonal": options.diagonal or [],
    }  # fmt: skip
    text = options.expression
    if not re.search(r"\.py:\w+$", text):
        return derive_text(text, options.wrt, shapes, **given)
    function = read_function(text)
    name = str(getattr(function, "__name__", "f"))
    sized = {shape.partition("=")[0] for shape in shapes}
    names = []
    for parameter in positional(function):
        if parameter.name in sized:
            names.append(parameter.name)
        elif parameter.default is Parameter.empty:
            raise JacobiansError(
                f"no shape for the argument {parameter.name}: give --shape {parameter.name}=SIZES, or "
                f"{parameter.name}=scalar for a number"
            )
        else:
            break  # it and those behind it keep their defaults
    if not names:
        raise JacobiansError(f"{name} has no argument to differentiate by")
    try:
        return derive_declared(function, names, options.wrt, shapes, called=name, **given)
    except JacobiansError:
        raise
    except Exception as error:
        raise JacobiansError(f"{name}: {type(error).__name__}: {error}") from None
