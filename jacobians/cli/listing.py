"""``jacobians ops``: what there is, with formulas."""

import argparse
from collections.abc import Iterator
from typing import Any

from jacobians.cli.layout import cut, emit_json, plain
from jacobians.library import LibraryOperation, ops
from jacobians.notation.explicit import axis_names
from jacobians.notation.writing import subscript


def run(options: argparse.Namespace) -> int:
    """Print the table, or the same as JSON."""
    if options.json:
        emit_json({"operations": [describe(operation) for operation in ops.values()]})
        return 0
    print(f"{'operation':<22}derivative")
    for operation in ops.values():
        name = f"{operation.name}({', '.join(operation.arguments)})"
        if not operation.arguments:
            name = f"{operation.name}(subscripts, …)"
            print(f"{name:<22}jacobians show einsum --subscripts 'ij,jk->ik'")
        for title, formula in _rows(operation):
            print(cut(f"{name:<22}{title} = {formula}"))
            name = ""
    print(
        "\nδ_ik is 1 where i = k, else 0; repeated letters that are no axis are summed."
        "\nElementwise operations and sums take any number of axes; shown for two."
        "\nkron is shown for A of 2 × 3 and B of 5 × 7."
        "\nMore about one: jacobians show matmul --wrt B"
    )
    return 0


def _rows(operation: LibraryOperation) -> Iterator[tuple[str, str]]:
    for argument in operation.arguments:
        yield title(operation, argument), operation.formula(argument)


def title(operation: LibraryOperation, argument: str) -> str:
    """``∂A_ij/∂B_kl`` for arguments of the usual numbers of axes."""
    node, position = operation._sample(argument, None)
    operand = node.operands[position]
    letters = axis_names(node.ndim, operand.ndim)
    out = subscript(operation._result_name(), letters[: node.ndim], "text")
    inner = subscript(argument, letters[node.ndim :], "text")
    return f"∂{out}/∂{inner}"


def describe(operation: LibraryOperation) -> dict[str, Any]:
    """An operation's names and formulas, for JSON."""
    found = {
        "name": operation.name,
        "arguments": operation.arguments,
        "equation": operation.equation(),
        "jacobians": [
            {
                "wrt": argument,
                "title": title(operation, argument),
                "formula": operation.formula(argument),
                "latex": operation.latex(argument),
                "einsum": operation.einsum(argument),
            }
            for argument in operation.arguments
        ],
    }
    result: dict[str, Any] = plain(found)
    return result
