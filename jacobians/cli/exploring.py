"""``jacobians explore``: one Jacobian as a page of HTML, on random or the user's arrays."""

import argparse

import numpy as np

from jacobians.cli.layout import cut, emit_json, field
from jacobians.cli.options import Request, prepare
from jacobians.cli.own import OwnFunction
from jacobians.display.numbers import human_bytes
from jacobians.errors import JacobiansError
from jacobians.transforms.deriving.declared import derive


def _steps(call: Request) -> list[tuple[str, str]]:
    """The derivation's steps, as far as there is one."""
    if call.subscripts is not None:
        return []
    try:
        own = call.operation
        f = own.function if isinstance(own, OwnFunction) else own
        found = derive(f, *call.arrays.values(), wrt=call.position)
        return [(step.what, step.expression) for step in found.steps]
    except JacobiansError:
        return []


def run(options: argparse.Namespace) -> int:
    """Write the page and say where it is."""
    call = prepare(
        options.operation,
        options.wrt,
        shapes=options.shape,
        subscripts=options.subscripts,
        seed=options.seed,
        data=options.data,
    )
    J = call.jacobian()
    sources = {k: f"seed {options.seed}" if s == "random" else s for k, s in call.sources.items()}
    made = ", ".join(f"{name} from {source}" for name, source in sources.items())
    written = J.to_html(
        options.output or f"{call.operation.name}-{call.wrt}.html",
        heading=f"{call.heading}, {made}",
        steps=_steps(call),
    )
    size = written.stat().st_size
    if options.json:
        emit_json(
            {
                "operation": call.operation.name,
                "subscripts": call.subscripts,
                "arguments": {
                    k: {"shape": np.shape(a), "source": call.sources[k]}
                    for k, a in call.arrays.items()
                },
                "seed": options.seed,
                "wrt": call.wrt,
                "title": J.title,
                "formula": J.formula(),
                "path": str(written),
                "bytes": size,
            }
        )
        return 0
    print(cut(f"{call.heading}    at {call.shapes}"))
    print(field(f"{J.title} =", J.formula(), len(J.title) + 3))
    print()
    print(field("wrote", f"{written} ({human_bytes(size)}); open it in a browser", 7))
    return 0
