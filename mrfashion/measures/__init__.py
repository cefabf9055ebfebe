"""The measures of the survey. To add one: a class with `see` and `of`, and a line here."""

from __future__ import annotations

from collections.abc import Callable

from mrfashion.measures.bars import Bars
from mrfashion.measures.blocks import Blocks
from mrfashion.measures.camera import Camera
from mrfashion.measures.levels import Levels
from mrfashion.measures.measure import Measure
from mrfashion.measures.text import Text

MEASURES: tuple[Callable[[float], Measure], ...] = (Levels, Blocks, Bars, Camera, Text)
