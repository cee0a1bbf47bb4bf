"""Every family of NumPy functions; importing this fills the tables."""

from jacobians.tracing import (
    core,
    elementwise,
    grids,
    joining,
    linalg,
    products,
    reasons,
    reductions,
    selection,
    sequences,
    shapes,
    signals,
    special,
    statistics,
)

FAMILIES = (
    core, elementwise, reductions, statistics, sequences, special, shapes, joining, grids,
    selection, products, signals, linalg, reasons,
)  # fmt: skip
