"""``jacobians ops``: what there is, with formulas."""

import argparse
import textwrap
from collections.abc import Iterator
from typing import Any

from jacobians.cli.layout import emit_json
from jacobians.ground.trees import plain
from jacobians.transforms.library import LibraryOperation, ops


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
            first, *rest = textwrap.wrap(f"{title} = {formula}", 58, break_long_words=False)
            print(f"{name:<22}{first}")
            for line in rest:
                print(f"{'':<26}{line}")
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
        yield operation.title(argument), operation.formula(argument)


def describe(operation: LibraryOperation) -> dict[str, Any]:
    """An operation's names and formulas, for JSON."""
    found = {
        "name": operation.name,
        "arguments": operation.arguments,
        "equation": operation.equation(),
        "jacobians": [
            {
                "wrt": argument,
                "title": operation.title(argument),
                "formula": operation.formula(argument),
                "latex": operation.latex(argument),
                "einsum": operation.einsum(argument),
            }
            for argument in operation.arguments
        ],
    }
    result: dict[str, Any] = plain(found)
    return result
