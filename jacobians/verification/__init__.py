"""Holding a derivative against a reference, and explaining what is wrong with it.

``checking`` is ``jb.check``: a ``subject`` (the function at its arguments) has ``claims`` (what is said of
its derivative), which stand ``trial`` against ``references``; ``contests`` set the two side by side,
``verdicts`` hold them against tolerances and hear what fails once more, ``taylor`` measures remainders,
and ``report`` tells. ``differences`` and ``stepping`` make numerical Jacobians, ``formulas`` reads
mistakes off derived terms.

``diagnosis`` is pure: arrays in, findings out, in words of axes, entries and terms. Under it stand
``case`` (what is compared, and the measures), ``judging`` (one guess against the numbers), the
guesses of ``arrangements``, ``shifts`` and ``values``, the words of ``places`` and ``factors``, ``findings``
(two tensors) and ``probing`` (a backward or forward). Of this package these need notation and errors only.

Floor 10. Imports errors, ground, notation, graph, operations, tracing, display, tensor,
transforms.
"""
