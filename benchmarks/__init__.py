"""Measurements. Run ``make bench``, or ``python -m benchmarks.note``; nothing is asserted about time.

Values are compared for equality before anything is timed.
"""
