"""``jacobians compare``: the full tensor beside the shortcut, on random or the user's arrays."""

import argparse

import numpy as np

from jacobians.cli.layout import cut, emit_json
from jacobians.cli.options import parse_bytes, prepare, read_upstream, shape_option
from jacobians.contraction import compare
from jacobians.ground.arguments import shaped_array

_SIZES = (64, 32, 16, 8, 4)
_DEFAULT_BYTES = 1 << 26  # what a full tensor of unasked sizes may take


def run(options: argparse.Namespace) -> int:
    """Print the comparison; 1 if the ways' values differ."""
    max_bytes = parse_bytes(options.max_bytes)
    call = prepare(
        options.operation,
        options.wrt,
        shapes=options.shape,
        subscripts=options.subscripts,
        seed=options.seed,
        data=options.data,
        sizes=_SIZES,
        max_default_bytes=_DEFAULT_BYTES,
    )
    J = call.jacobian()
    if options.upstream is None:
        source = "random"
        G = np.random.default_rng([options.seed, 1]).standard_normal(J.out_shape)
    else:
        source = options.upstream
        found = read_upstream(options.upstream, J.out_shape)
        G = shaped_array(found, J.out_shape, f"{source}: the upstream gradient G", "the output")
    with np.errstate(all="ignore"):
        comparison = compare(J, G, max_bytes)
    shapes = {**{k: np.shape(a) for k, a in call.arrays.items()}, "G": G.shape}
    sources = {**call.sources, "G": source}
    if options.json:
        emit_json(
            {
                "operation": call.operation.name,
                "subscripts": call.subscripts,
                "wrt": call.wrt,
                "arguments": {k: {"shape": shapes[k], "source": sources[k]} for k in shapes},
                "seed": options.seed,
                **comparison.to_dict(),
            }
        )
    else:
        print(cut(call.heading))
        width = max(4, *(len(name) + 2 for name in shapes))
        for name, shape in shapes.items():
            made = f"random, seed {options.seed}" if sources[name] == "random" else sources[name]
            print(cut(f"  {name:<{width}}{shape_option(shape):<14}{made}"))
        print()
        print(comparison)
    return 0 if comparison.ok else 1
