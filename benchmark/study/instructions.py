"""What a rater is told, as lines: the text of the sheet "Instructions" and of INSTRUCTIONS.txt."""

from __future__ import annotations

from benchmark.study.criteria import CRITERIA, LEVELS
from benchmark.study.plan import BLOCK_ROWS, Sheet

INTRODUCTION = (
    "Each row shows pictures of one dressed person (the reference) and one short clip.",
    "Keep this file in the folder it came in: the links open the clips and the large pictures "
    "beside it.",
    "1. Look at the reference pictures. Open the large ones when a detail matters.",
    "2. Open the clip and play it at least twice, in full size.",
    "3. Answer the three questions with a whole number from 1 to 5; the sentences below say what "
    "each number means. Judge each question by itself.",
    "4. If a clip does not play, choose yes under cannot_play and leave its numbers empty.",
    "Go from top to bottom, and do not compare with rows above. Some clips look alike; that is "
    "meant. There are no right answers.",
    f"After each block of {BLOCK_ROWS} rows, rest for a moment.",
    "Change nothing but the numbers, cannot_play and comment. Save, and send this one file back.",
)


def instruction_lines(sheet: Sheet) -> list[str]:
    """The text for a CSV sheet's reader."""
    lines = [f"{len(sheet.rows)} clips to rate", "", *INTRODUCTION, ""]
    for criterion in CRITERIA:
        lines += [f"{criterion.title} ({criterion.column}): {criterion.question}"]
        lines += [f"  {level} = {criterion.anchors[level - 1]}" for level in reversed(LEVELS)]
        lines += [""]
    return lines
