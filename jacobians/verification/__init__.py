"""Holding a derivative against a reference, and explaining what is wrong with it.

``checking`` is ``jb.check``, ``layers`` is ``jb.check_layer``: a ``subject`` (the function at its arguments;
``randomness`` listens whether it draws, ``patience`` counts how often it is run) has ``claims`` (what is
said of its derivative; ``guests`` are those of other libraries), which stand ``trial`` against
``references``; ``contests`` set the two side by side, ``verdicts`` hold them against tolerances and hear
what fails once more, ``taylor`` measures remainders, and ``report`` tells: its ``parts``, and what
``telling`` says of each. ``differences`` and ``stepping`` make numerical Jacobians.

Why something is wrong: ``causes`` gathers what is known (of a large tensor its ``corners``) for
``reasoning``: one table of hypotheses, each a function from a ``case`` (what is compared, and what else is
known of the function) to guesses, and one rule that ranks what ``judging`` finds to hold. Guesses at
entries are ``arrangements``, ``shifts`` and ``values``, in the words of ``places`` and ``factors``. Guesses at
the function's own graph, its ``workings``, along which a ``flow`` runs, are ``crossings`` (paths),
``hypotheses`` (whole derivatives), ``within`` (any value that a derivative is computed from),
``rearrangements`` (sums and shifts), ``loops`` (every step at once) and ``remade`` (another function: its
arrays, numbers and conditions), in the names of ``variables``; ``variations`` are what people make of an
array. ``otherwise`` evaluates the function at other arguments. ``diagnosis`` is the pure face: arrays in,
findings out. Points of other sizes, or beside a kink, in ``elsewhere``, decide between readings.

Floor 10. Imports errors, ground, notation, graph, derivation, tracing, display, tensor,
transforms.
"""
