"""Symbolic tensors in normal form: graphs read as sums of products, equal ones merged, inverses cancelled.

Floor 6. Imports notation, graph, operations.
"""
