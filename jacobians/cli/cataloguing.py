"""``jacobians catalogue``: identities, and their proof by numbers."""

import argparse
from typing import Any

from jacobians.cli.layout import emit_json
from jacobians.errors import JacobiansError
from jacobians.identities.proving import catalogue


def run(options: argparse.Namespace) -> int:
    """Print the rows, or the proofs."""
    if options.seed < 0:
        raise JacobiansError(f"--seed must not be negative, not {options.seed}")
    found = catalogue(*options.words)
    report = found.verify(options.seed) if options.verify else None
    if options.json:
        proofs = {} if report is None else {p.number: p for p in report.proofs}
        rows = []
        for row in found:
            shown: dict[str, Any] = {
                "number": row.number, "expression": row.expression, "wrt": row.wrt, "closed": row.closed,
                "index": row.index, "matrix": row.matrix, "note": row.mark,
            }  # fmt: skip
            if row.number in proofs:
                p = proofs[row.number]
                shown |= {
                    "ok": p.ok,
                    "from_closed_form": p.closed,
                    "from_complex_step": p.complex_step,
                }
            rows.append(shown)
        emit_json({"rows": rows})
    else:
        print(found if report is None else report)
    return 0 if report is None or report.ok else 1
