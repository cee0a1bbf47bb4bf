"""The chain rule over a graph: Jacobians of nodes by nodes, in an order of elimination, and its record.

Imports ``errors``, ``notation``, ``arrays``, ``graph`` and ``operations``.
"""
