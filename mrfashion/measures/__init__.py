"""The measures of the survey. To add one: a class with `see` and `of`, and a line here."""

from __future__ import annotations

from collections.abc import Callable

from mrfashion.measures.levels import Levels
from mrfashion.measures.measure import Measure

MEASURES: tuple[Callable[[float], Measure], ...] = (Levels,)  # each made with the frame rate
