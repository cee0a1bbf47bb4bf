"""Arguments, memory, stopwatch and trees: what any floor may use.

Floor 1. Imports errors.
"""
