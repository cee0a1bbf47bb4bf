"""The sections of a tensor's page on its use: contracted with an upstream gradient, and what that saves."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.display.expressions import latex_name, title
from jacobians.display.formulas import Formula
from jacobians.display.html import Markup, element, joined, table
from jacobians.display.mathml import mathml, mathml_terms
from jacobians.display.numbers import human_bytes, human_count, short
from jacobians.display.shown import Shown, contracted_formula

Array = NDArray[Any]
_EXAMPLE = 1 << 20  # entries of an upstream gradient for the example
_FULL = 1 << 22  # entries of a tensor that is summed in full beside it
_SHOWN = 5  # rows and columns of the example's matrices


def where_list(formula: Formula) -> list[Markup]:
    """The parts of a formula, each on a line of its own: ``where M_ij = …``."""
    return [
        element(
            "div",
            "and " if number else "where ",
            Markup(" ".join([mathml(f"{left} ="), *mathml_terms(right)])),
            class_="where",
        )
        for number, (left, right) in enumerate(formula.parts)
    ]


def contraction_section(J: Shown) -> Markup:
    """The gradient from an upstream gradient: as a formula, and in numbers."""
    out, inner = J.axes[: J.out_ndim], J.axes[J.out_ndim :]
    above, below = (
        title(("L", J.names[n]), letters, 0, "latex") for n, letters in ((0, out), (1, inner))
    )
    tensor = title(J.names, J.axes, J.out_ndim, "latex")
    summed = f"\\sum_{{{out}}} " if out else ""
    upstream = f"G_{{{out}}}" if out else "G"
    short_form = contracted_formula(J, "latex")
    matrix = "_" not in short_form.main
    result = f"\\frac{{\\partial L}}{{\\partial {latex_name(J.names[1], '')}}} =" if matrix else "="
    lines = [
        element(
            "div",
            Markup(mathml(f"{below} = {summed}{upstream} {tensor}")),
            class_="formula",
        ),
        element(
            "div",
            Markup(" ".join([mathml(result), *mathml_terms(short_form.main)])),
            *where_list(short_form),
            class_="formula",
        ),
    ]
    return element(
        "section",
        element("h2", "Contracted with an upstream gradient", id="contracted"),
        element(
            "p",
            "For a loss L behind ", J.names[0], ", with ", Markup(mathml(f"{upstream} = {above}")),
            " given, the gradient needs no tensor:",
        ),
        *lines,
        _example(J),
        aria_labelledby="contracted",
    )  # fmt: skip


def _example(J: Shown) -> Markup | None:
    """The same in numbers, with a seeded G; beside the full tensor's sum where that is small."""
    cost = J.cost()
    if (
        not J.size
        or max(prod(J.out_shape), prod(J.in_shape)) > _EXAMPLE
        or cost.vjp.flops > 1 << 30
    ):
        return None
    G = np.round(np.random.default_rng(0).standard_normal(J.out_shape), 2)
    with np.errstate(all="ignore"):
        gradient = J.vjp(G)
        check = None
        if J.size <= _FULL:
            full = np.tensordot(G, J.dense(), J.out_ndim)
            difference = np.abs(full - gradient)
            finite = np.isfinite(difference)
            largest = float(np.max(difference, where=finite, initial=0.0))
            check = element(
                "p",
                f"The sum over the full tensor, {J.size:,} entries, gives the same numbers: "
                f"the largest difference is {short(largest, 2)}.",
                class_="note",
            )
    return joined(
        [
            element(
                "div",
                element("div", _matrix("G", G, ", random with seed 0"), class_="scroll"),
                element("div", _matrix(f"∂L/∂{J.names[1]}", gradient), class_="scroll"),
                class_="side",
            ),
            check,
        ]
    )


def _matrix(name: str, array: Array, note: str = "") -> Markup:
    """An array of any number of axes as a small table: its first rows and columns."""
    shape = array.shape
    lead = (0,) * max(0, array.ndim - 2)
    part = np.asarray(array)[lead] if lead else np.asarray(array)
    wide = part.reshape(1, -1) if part.ndim < 2 else part
    shown = wide[:_SHOWN, :_SHOWN]
    caption = name
    if array.ndim > 2:
        caption += f"[{', '.join('0' for _ in lead)}]"
    caption += note
    if shown.shape != wide.shape:
        caption += f", {shown.shape[0]} × {shown.shape[1]} of {' × '.join(map(str, shape))}"
    more = ["…"] if shown.shape[1] < wide.shape[1] else []
    rows = [
        [str(n) if part.ndim > 1 else "", *(short(x, 3) for x in row), *more]
        for n, row in enumerate(shown)
    ]
    if shown.shape[0] < wide.shape[0]:
        rows.append(["⋮"])
    head = ["", *map(str, range(shown.shape[1])), *[""] * len(more)] if part.ndim else []
    return table(caption, head, rows)


def cost_section(J: Shown) -> Markup:
    """What explicit, dense and contracted cost, as predicted."""
    cost = J.cost()
    ways = [
        ("explicit", cost.explicit, "the full tensor, from identity tensors"),
        ("dense", cost.dense, "the full tensor, only nonzeros written"),
        ("contracted", cost.vjp, "the gradient from G, no tensor"),
        ("along a direction", cost.jvp, "the change of the output, no tensor"),
    ]
    most = [max(1, *(found[n] for _, found, _ in ways)) for n in (0, 1)]
    rows = [
        [
            joined([name, element("div", what, class_="note")]),
            _barred(human_count(found.flops), found.flops / most[0]),
            _barred(human_bytes(found.bytes), found.bytes / most[1]),
        ]
        for name, found, what in ways
    ]
    return element(
        "section",
        element("h2", "What each way costs", id="cost"),
        element("p", "Predicted from shapes alone; a multiply-add is two operations."),
        element("div", table("", ["way", "operations", "memory"], rows), class_="scroll"),
        aria_labelledby="cost",
    )


def _barred(text: str, share: float) -> Markup:
    bar = element("span", class_="bar", style=f"width:{100 * share:.3g}%") if share else None
    return joined([text, bar])
