"""What the ways to use a Jacobian tensor cost, predicted from its structure and shapes alone."""

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np

from jacobians.display.html import fragment, table
from jacobians.execution.lowering import lower_terms
from jacobians.execution.steps import Cost
from jacobians.notation.explicit import Selection, einsum_of
from jacobians.notation.structure import nonzeros
from jacobians.notation.terms import Sum, contracted, numbered

Shape = tuple[int, ...]
_UPSTREAM = object()


class TensorCost(NamedTuple):
    """The predicted cost of each way.

    Attributes
    ----------
    explicit, dense : Cost
        To build the full tensor: by einsum over identity tensors, and by writing its nonzeros.
    vjp, jvp : Cost
        To contract it with an upstream gradient, and with a direction.
    size, nnz : int
        Entries of the full tensor, and how many of them the structure allows to be nonzero.
    """

    explicit: Cost
    dense: Cost
    vjp: Cost
    jvp: Cost
    size: int
    nnz: int

    def __str__(self) -> str:
        rows = [("explicit", self.explicit), ("dense", self.dense)]
        rows += [("vjp", self.vjp), ("jvp", self.jvp)]
        wide = 3 + max(len(f"{number:,}") for _, cost in rows for number in cost)
        lines = [f"{'':10}{'flops':>{wide}}{'bytes':>{wide}}"]
        lines += [f"{name:10}{cost.flops:>{wide},}{cost.bytes:>{wide},}" for name, cost in rows]
        return "\n".join([*lines, f"{self.nnz:,} of {self.size:,} entries can be nonzero"])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        ways = ("explicit", "dense", "vjp", "jvp")
        rows = [(way, *(f"{number:,}" for number in getattr(self, way))) for way in ways]
        note = f"{self.nnz:,} of {self.size:,} entries can be nonzero"
        return fragment(table(note, ["way", "flops", "bytes"], rows))


def predicted(
    tensor: Sum, out_ndim: int, axes: str, shapes: Mapping[Any, Shape], itemsize: int
) -> TensorCost:
    """The costs of a tensor whose operands have these shapes."""
    out, inner = tensor.shape[:out_ndim], tensor.shape[out_ndim:]
    over_out = contracted(tensor, _UPSTREAM, range(out_ndim))
    over_in = contracted(tensor, _UPSTREAM, range(out_ndim, len(tensor.shape)))
    return TensorCost(
        explicit=explicit_cost(tensor, axes, shapes, itemsize),
        dense=_planned(tensor, shapes, itemsize),
        vjp=_planned(over_out, {**shapes, _UPSTREAM: out}, itemsize),
        jvp=_planned(over_in, {**shapes, _UPSTREAM: inner}, itemsize),
        size=prod(tensor.shape),
        nnz=nonzeros(tensor),
    )


def _planned(tensor: Sum, shapes: Mapping[Any, Shape], itemsize: int) -> Cost:
    dtype = np.dtype(f"f{itemsize}")
    return lower_terms(
        numbered(tensor, shapes), list(shapes.values()), [dtype] * len(shapes), dtype
    ).cost()


def explicit_cost(tensor: Sum, axes: str, shapes: Mapping[Any, Shape], itemsize: int) -> Cost:
    """To build the tensor by einsum over identity tensors, which count too."""
    size = prod(tensor.shape)
    cost = Cost(0, size * itemsize)
    for number, term in enumerate(tensor.terms):
        form = einsum_of(term, tensor.shape, axes, shapes)
        made = sum(prod(part.shape) for part in form.parts if isinstance(part, Selection))
        flops = form.size * max(1, len(form.parts) - 1 + (form.size > size))
        flops += size * ((term.coefficient != 1) + (number > 0))
        # The first term is the result; later ones need an array of their own beside it.
        cost += Cost(flops, (made + (size if number == 1 else 0)) * itemsize)
    return cost
