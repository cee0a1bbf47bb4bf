"""Every family of NumPy functions; importing this fills the tables."""

from jacobians.tracing import (
    core,
    elementwise,
    grids,
    linalg,
    products,
    reasons,
    reductions,
    selection,
    shapes,
    signals,
    special,
)

FAMILIES = (
    core, elementwise, reductions, special, shapes, grids, selection, products, signals, linalg, reasons,
)  # fmt: skip
