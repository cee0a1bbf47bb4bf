"""The declarations of operations, one file per family, and the registry of all of them.

``declare`` has the ways to declare one; each family is a list of declarations.

Floor 5. Imports errors, ground, notation, graph, execution.
"""
