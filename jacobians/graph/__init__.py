"""Graphs of operations: nodes, what an operation must provide, and evaluation.

A :class:`~jacobians.graph.node.Node` is an operation applied to nodes, of known shape and dtype; it
never changes.

Floor 3. Imports errors, ground, notation.
"""
