"""``jacobians show``: one Jacobian, its formula, structure, cost and entries."""

import argparse
import sys
import textwrap
from math import prod
from typing import Any

import numpy as np

from jacobians.cli.layout import (
    WIDTH,
    beside,
    block,
    cut,
    emit_json,
    entries,
    field,
    width_of,
)
from jacobians.cli.options import Request, prepare
from jacobians.display.expressions import label
from jacobians.display.formulas import Pairs, settled
from jacobians.display.numbers import human_bytes
from jacobians.display.shading import ASCII, UNICODE, shaded
from jacobians.errors import UnsupportedError
from jacobians.notation.explicit import Selection, einsum_of
from jacobians.notation.writing import write_number
from jacobians.tensor.jacobian_tensor import JacobianTensor

_HEIGHT = 16  # rows of the picture
_SMALL = 4096  # entries that are still listed in JSON
_LARGE_FACTOR = 1 << 22  # entries of a Kronecker factor that are not worth building for its name


def run(options: argparse.Namespace) -> int:
    """Print all about one Jacobian, or the same as JSON."""
    call = prepare(
        options.operation,
        options.wrt,
        shapes=options.shape,
        subscripts=options.subscripts,
        seed=options.seed,
        data=getattr(options, "data", None),
    )
    # Two decimals, so that the entries printed are the entries computed with.
    call = call._replace(arrays={k: _rounded(a) for k, a in call.arrays.items()})
    J = call.jacobian()
    if options.json:
        emit_json(describe(call, J, seed=options.seed))
        return 0
    print("\n".join(text(call, J, seed=options.seed, latex=options.latex)))
    return 0


def _made(call: Request, seed: int) -> str:
    """Where the arrays are from."""
    files = [f"{name} from {made}" for name, made in call.sources.items() if made != "random"]
    rest = [] if len(files) == len(call.sources) else [f"random numbers of seed {seed}"]
    return ", ".join([*files, *rest])


def _rounded(value: Any) -> Any:
    """An array of floats in two decimals; a function's default of another kind as it is."""
    if isinstance(value, float):
        return round(value, 2)  # its own, so that it keeps its name
    return np.round(value, 2) if np.asarray(value).dtype.kind == "f" else value


def kronecker(J: JacobianTensor, order: str) -> tuple[str | None, str]:
    """The Kronecker form as text, else None and the reason why there is none."""
    outs, ins = max(J.out_shape, default=1), max(J.in_shape, default=1)
    if max(outs, ins) ** 2 > _LARGE_FACTOR:
        return None, "not formed for shapes this large"
    try:
        return str(J.kron(order)), ""
    except UnsupportedError as error:
        return None, "no product: " + str(error).partition("; use ")[0].partition(": ")[2]


def text(call: Request, J: JacobianTensor, *, seed: int, latex: bool) -> list[str]:
    """What ``show`` prints."""
    lines = [cut(f"{call.heading}    {call.operation.equation()}".rstrip()), ""]
    lines.append(field(f"{J.title} =", J.formula(), len(J.title) + 3))
    if latex:
        lines.append(field("LaTeX", J.latex(), len(J.title) + 3))
    forms, parts = einsums(J)
    lines += [
        "",
        field("at", f"{call.shapes}, {_made(call, seed)}"),
        field("shape", f"{J.out_shape} of the output, then {J.in_shape} of the input"),
        *(field(" +" * n or "explicit", form) for n, form in enumerate(forms)),
        *(field("where", f"{left} = {right}") for left, right in parts),
        *_kronecker_lines(J),
        field("nonzero", f"{J.nnz:,} of {J.size:,} entries at most"),
        field("terms", str(len(J.terms.terms))),
    ]
    lines += ["", *_cost_table(J), "", *_operands(call), *_entries(J)]
    others = [name for name in call.arrays if name != call.wrt]
    if others:
        options = " or ".join(f"--wrt {name}" for name in others)
        lines += ["", *textwrap.wrap(f"By another argument: {options}", WIDTH)]
    return lines


def einsums(J: JacobianTensor) -> tuple[list[str], Pairs]:
    """How ``J.explicit()`` makes each term: ``einsum("ik,lj->ijkl", I_2, C)``, and what is named there."""
    return settled(lambda: _einsums(J), J.operands)


def _einsums(J: JacobianTensor) -> list[str]:
    found = []
    shapes = {node: array.shape for node, array in J.operands.items()}
    for term in J.terms.terms:
        form = einsum_of(term, J.shape, J.axes, shapes)
        inputs = form.subscripts.partition("->")[0].split(",") if form.parts else []
        parts = [_part(p, letters) for p, letters in zip(form.parts, inputs, strict=True)]
        sign, number = write_number(form.coefficient)
        if not parts:
            found.append(sign + (number or "1"))
            continue
        call = f'einsum("{form.subscripts}"{"".join(", " + p for p in parts)})'
        found.append(sign + (number + " " if number else "") + call)
    return found


def _part(part: Any, letters: str) -> str:
    if not isinstance(part, Selection):
        return label(part, [] if part.operation is None else letters, "text").text
    if part.slot is None:
        return f"1_{part.size}"
    plain = part.slot.plain is not None and part.sizes == (part.size,)
    return f"I_{part.size}" if plain else "S"


def _kronecker_lines(J: JacobianTensor) -> list[str]:
    rows, reason = kronecker(J, "C")
    columns, _ = kronecker(J, "F")
    if rows is None:
        return [field("Kronecker", reason)]
    if rows == columns:
        return [field("Kronecker", f"{rows} for both orders of vec")]
    return [field("Kronecker", f"{rows} for row-major vec, {columns} for column-major vec")]


def _cost_table(J: JacobianTensor) -> list[str]:
    cost = J.cost()
    rows = [
        ("explicit", cost.explicit, "full tensor, from identity tensors"),
        ("dense", cost.dense, "full tensor, only nonzeros written"),
        ("vjp", cost.vjp, "contracted with an upstream gradient"),
        ("jvp", cost.jvp, "contracted with a direction"),
    ]
    lines = [f"{'predicted':<12}{'flops':>14}{'memory':>13}"]
    for name, found, what in rows:
        lines.append(f"{name:<12}{found.flops:>14,}{human_bytes(found.bytes):>13}   {what}")
    return lines


def _operands(call: Request) -> list[str]:
    """The arrays, where they are small enough to be read beside the entries."""
    arrays = {
        k: np.asarray(a) for k, a in call.arrays.items() if np.ndim(a) <= 2 and 0 < np.size(a) <= 64
    }
    if len(arrays) < len(call.arrays):
        return []
    width = width_of(*arrays.values())
    return [*beside([block(name, array, width) for name, array in arrays.items()]), ""]


def _entries(J: JacobianTensor) -> list[str]:
    leading = J.axes[: max(0, J.ndim - 2)]
    out, inner = J.names

    def label_of(place: tuple[int, ...]) -> str:
        if not place:
            return J.title
        if len(leading) == J.out_ndim:
            short = max(place) < 10  # A_01 is clear, A_110 would not be
            at = "".join(map(str, place)) if short else f"({','.join(map(str, place))})"
            return f"∂{out}_{at}/∂{inner}"
        return ", ".join(f"{a} = {n}" for a, n in zip(leading, place, strict=True))

    last = J.axes[len(leading) :]
    caption = f"rows {last[0]}, columns {last[1]}" if len(last) > 1 else f"along {last}"
    if leading:
        caption = f"a block for each {', '.join(leading)}; {caption}"
    found = entries(J, label_of)
    listed = [f"entries: {caption if last else 'one number'}; · is 0", "", *found]
    if not any("…" in line for line in found):
        return listed
    return [*_overview(J), "", *listed]


def _overview(J: JacobianTensor) -> list[str]:
    """The whole tensor as shaded cells, where its entries are too many to be listed."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        "".join(UNICODE).encode(encoding)
    except UnicodeEncodeError:
        shades = ASCII
    else:
        shades = UNICODE
    lines = shaded(J, width=WIDTH, height=_HEIGHT, shades=shades)
    blank = lines.index("") if "" in lines else len(lines)
    lines[0] = f"picture: {lines[0]}"
    return [part for line in lines[:blank] for part in textwrap.wrap(line, WIDTH)] + lines[blank:]


def describe(call: Request, J: JacobianTensor, *, seed: int) -> dict[str, Any]:
    """The same as fields, for JSON; ``entries`` is null for a tensor of more than 4,096."""
    forms = {}
    for name, order in (("row_major", "C"), ("column_major", "F")):
        form, reason = kronecker(J, order)
        forms[name] = {"form": form, "reason": reason or None}
    return {
        "operation": call.operation.name,
        "subscripts": call.subscripts,
        "arguments": {k: {"shape": np.shape(a)} for k, a in call.arrays.items()},
        "seed": seed,
        "wrt": call.wrt,
        "equation": call.operation.equation(),
        "title": J.title,
        "formula": J.formula(),
        "latex": J.latex(),
        "einsum": J.einsum(),
        "explicit": einsums(J)[0],
        "out_shape": J.out_shape,
        "in_shape": J.in_shape,
        "kronecker": forms,
        "terms": len(J.terms.terms),
        "nnz": J.nnz,
        "size": J.size,
        "cost": {k: v._asdict() for k, v in J.cost()._asdict().items() if k not in ("size", "nnz")},
        "operands": {k: a if np.size(a) <= _SMALL else None for k, a in call.arrays.items()},
        "entries": J.dense() if prod(J.shape) <= _SMALL else None,
    }
