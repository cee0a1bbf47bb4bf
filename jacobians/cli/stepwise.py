"""``jacobians derive``: the derivation of an expression."""

import argparse
import sys

from jacobians.cli.layout import emit_json
from jacobians.errors import JacobiansError, UnsupportedError
from jacobians.transforms.deriving.declared import derive_text
from jacobians.transforms.deriving.language import ExpressionError


def run(options: argparse.Namespace) -> int:
    """Print the derivation, or the part that was asked for."""
    if options.seed < 0:
        raise JacobiansError(f"--seed must not be negative, not {options.seed}")
    try:
        d, by, shapes = derive_text(
            options.expression, options.wrt, options.shape or [], order=options.order, layout=options.layout,
            seed=options.seed, symmetric=options.symmetric or [], diagonal=options.diagonal or [],
        )  # fmt: skip
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


_ = UnsupportedError
