"""Jacobians, gradients and Hessians of functions, compiled or not, and ``jb.ops``.

Floor 8. Imports errors, ground, notation, graph, arrays, operations, derivation, tracing,
display, planning, tensor.
"""
