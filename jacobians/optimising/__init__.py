"""Passes over terms before they are run: each a function from terms to terms.

Floor 7. Imports notation, graph, operations, derivation.
"""
