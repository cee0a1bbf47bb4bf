"""Every family of NumPy functions; importing this fills the tables."""

from jacobians.tracing import reasons
from jacobians.tracing.numpy import (
    basics,
    filling,
    fourier,
    grids,
    joining,
    linalg,
    products,
    reductions,
    scipys,
    selection,
    sequences,
    shapes,
    signals,
    special,
    statistics,
    ufuncs,
)

FAMILIES = (
    basics, ufuncs, filling, reductions, statistics, sequences, special, shapes, joining, grids,
    selection, products, signals, fourier, linalg, scipys, reasons,
)  # fmt: skip
