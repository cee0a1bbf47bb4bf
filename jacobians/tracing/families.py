"""Every family of NumPy functions; importing this fills the tables."""

from jacobians.tracing import core, grids, linalg, products, reasons, selection, shapes, signals

FAMILIES = (core, shapes, grids, selection, products, signals, linalg, reasons)
