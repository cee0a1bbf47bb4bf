"""Workloads: plain NumPy functions, each with its full derivative as an expert would write it."""

from benchmarks.workloads import forms, models, note_rows
from benchmarks.workloads.base import Workload

ALL: tuple[Workload, ...] = (*note_rows.WORKLOADS, *forms.WORKLOADS, *models.WORKLOADS)
"""In the order of the table."""

__all__ = ["ALL", "Workload"]
