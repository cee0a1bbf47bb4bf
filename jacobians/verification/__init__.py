"""Holding a derivative against a reference, and explaining what is wrong with it.

``checking`` is ``jb.check``, ``layers`` is ``jb.check_layer``: a ``subject`` (the function at its arguments;
``randomness`` listens whether it draws, ``patience`` counts how often it is run) has ``claims`` (what is
said of its derivative; ``guests`` are those of other libraries), which stand ``trial`` against
``references``; ``contests`` set the two side by side, ``verdicts`` hold them against tolerances and hear
what fails once more, ``taylor`` measures remainders, and ``report`` tells. ``differences`` and ``stepping``
make numerical Jacobians.

Why something is wrong is told by ``by_graph``, from the ``flow`` along the function's own graph:
``hypotheses`` and ``rearrangements`` say what a mistake at a node adds, ``variables`` what the user calls
it; by ``otherwise``, from the function at other arguments; by ``forgotten``, from the formula; and by
``diagnosis``, which is pure: arrays in, findings out, in words of axes, entries and terms. Under it
stand ``case`` (what is compared, and the measures), ``judging``
(one guess against the numbers), the guesses of ``arrangements``, ``shifts`` and ``values``, the words of
``places`` and ``factors``, ``findings`` (two tensors) and ``probing`` (a backward or forward).
Points of other sizes, in ``elsewhere``, decide between readings.

Floor 10. Imports errors, ground, notation, graph, operations, derivation, tracing, display, tensor,
transforms.
"""
