"""The chain rule over a graph: Jacobians of nodes by nodes, in an order of elimination.

Imports ``errors``, ``notation``, ``arrays``, ``graph`` and ``operations``.
"""
