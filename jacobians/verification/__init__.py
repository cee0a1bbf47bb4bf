"""Holding a derivative against a reference, and explaining what is wrong with it.

``diagnosis`` is pure: arrays in, findings out, in words of axes, entries and terms. Under it stand
``case`` (what is compared, and the measures), ``judging`` (one guess against the numbers), the
guesses of ``arrangements`` and ``values``, the words of ``places`` and ``factors``, ``explaining``
(two tensors) and ``probing`` (a backward or forward). These import notation and errors only.
"""
