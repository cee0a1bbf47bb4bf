"""Text and LaTeX of nodes, terms and results, as functions; the floors above call them.

Imports ``errors``, ``notation``, ``arrays`` and ``graph``.
"""
