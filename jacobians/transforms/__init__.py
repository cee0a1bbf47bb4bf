"""Jacobians, gradients and Hessians of functions, compiled or not, and ``jb.ops``.

Floor 9. Imports errors, ground, notation, graph, execution, operations, algebra, derivation, tracing,
display, optimising, tensor.
"""
