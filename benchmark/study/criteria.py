"""The three questions a rater answers, with a sentence for each level from 1 to 5.

ProFashion names the criteria and no scale; the questions and anchors are our choice. Raising
`SCALE_ID` is due whenever a word below changes: ratings under different words do not compare.
"""

from __future__ import annotations

from dataclasses import dataclass

SCALE_ID = "acr5-v1"  # absolute category rating (ITU-T P.910), five levels, a sentence each
LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One question."""

    id: str
    title: str
    question: str
    anchors: tuple[str, ...]  # what 1, 2, 3, 4 and 5 mean

    @property
    def column(self) -> str:
        """Header of its column in a sheet."""
        return f"{self.id}_1to5"

    @property
    def prompt(self) -> str:
        """The question with the ends and the middle of its scale, short enough for Excel."""
        ends = (f"{level} = {self.anchors[level - 1]}" for level in (5, 3, 1))
        return "\n".join([self.question, *ends])


CRITERIA = (
    Criterion(
        "character_authenticity",
        "Character Authenticity",
        "Is this the person of the reference pictures?",
        (
            "Another person, or no person that holds together.",
            "Little of the person is left: face, hair or build are wrong.",
            "Alike, but something is clearly off.",
            "The same person, with a slight slip for a moment.",
            "The same person throughout, from every side.",
        ),
    ),
    Criterion(
        "clothing_detail",
        "Clothing Detail",
        "Are these the clothes of the reference pictures, on every side shown?",
        (
            "Other clothes, or shapes that are no clothes.",
            "Colour or cut agree, pattern and details do not.",
            "Right garment; details wrong, blurred or moving.",
            "Details are right but for one small flaw.",
            "Pattern, seams and cut are right on every side.",
        ),
    ),
    Criterion(
        "motion_fluency",
        "Motion Fluency",
        "Does the person move as a filmed person would?",
        (
            "No motion, or jumps and flicker all the time.",
            "Often jerky; limbs or clothes pop or smear.",
            "Can be followed, with clear flicker or stiffness.",
            "Smooth but for one short flaw.",
            "Smooth and natural from start to end.",
        ),
    ),
)
CRITERION_BY_ID = {criterion.id: criterion for criterion in CRITERIA}
