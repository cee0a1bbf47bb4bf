"""Text, LaTeX, MathML, pictures and HTML of nodes, terms and results; the floors above call them.

Functions of what they show. Imports ``errors``, ``notation``, ``arrays`` and ``graph``.
"""
