"""Parts of a page: what a figure is made of."""

from __future__ import annotations

from typing import NamedTuple

from outcross.report.charts import Spec
from outcross.report.tables import Table


class Panel(NamedTuple):
    """One chart of a figure."""

    heading: str
    alternative: str  # what a reader who cannot see it is told
    spec: Spec


class Figure(NamedTuple):
    """A figure: its finding, its charts or its drawing, what the caption states, and its numbers as a table."""

    title: str
    caption: str
    panels: list[Panel]
    table: Table
    legend: str = "cells"  # which legend: cells (as lines), dots (of cells), phases, rarity, or none
    levels: tuple[str, ...] = ()  # what the legend explains besides: of rarity, the steps of the ramp
    drawing: str = ""
