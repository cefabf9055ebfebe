"""Who is filmed and what they wear: an `Identity` of plain numbers, drawn from a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from mrfashion.sources.turntable.glyphs import LETTERS, SHAPES

T = TypeVar("T")
Colour = tuple[float, float, float]  # RGB in 0..255

SKINS: tuple[Colour, ...] = (
    (246, 212, 186), (232, 190, 160), (214, 164, 128), (184, 132, 98), (146, 100, 72), (102, 70, 52)
)  # fmt: skip
HAIRS: tuple[Colour, ...] = (
    (28, 24, 26), (58, 38, 28), (98, 62, 38), (150, 104, 58), (206, 170, 106), (140, 58, 34),
    (150, 150, 154),
)  # fmt: skip
PATTERNS = ("plain", "plain", "plain", "bands", "stripes", "checks", "dots", "diagonal")
LOWERS = ("trousers", "shorts", "skirt", "dress", "tunic")
HEMMED = ("skirt", "dress", "tunic")  # the ones with cloth that hangs free of the legs


@dataclass(frozen=True, slots=True)
class Fabric:
    """Cloth of one panel: a ground colour and a repeating pattern in a second colour."""

    ground: Colour
    accent: Colour
    pattern: str
    period_m: float


@dataclass(frozen=True, slots=True)
class Print:
    """A motif on a panel: a shape, or a line of text when `text` is not empty."""

    shape: str
    text: str
    colour: Colour
    size_m: float


@dataclass(frozen=True, slots=True)
class Build:
    """Body proportions: multiples of a standard figure."""

    shoulders: float
    chest: float
    waist: float
    hips: float
    depth: float
    limbs: float
    head: float
    legs: float
    bust: float


@dataclass(frozen=True, slots=True)
class Identity:
    """A person and an outfit; everything that stays the same within a garment group."""

    seed: int
    build: Build
    skin: Colour
    hair: Colour
    hair_length: str  # short, bob, long
    eyes: Colour
    lips: Colour
    front: Fabric
    back: Fabric
    left: Fabric
    right: Fabric
    front_print: Print
    back_print: Print
    lower: str
    lower_front: Fabric
    lower_back: Fabric
    lower_left: Fabric
    lower_right: Fabric
    side_stripes: bool
    sleeve: float  # 0 none, 1 to the wrist
    neckline: str  # round, vee, high
    hem_m: float  # length of the hanging cloth below the waist, 0 without
    flare: float
    loose_hem: bool
    shoes: Colour


class Dice:
    """Draws from one CPU generator, so that a seed means the same on every device."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def index(self, n: int) -> int:
        return int(torch.randint(n, (), generator=self.generator))

    def chance(self, probability: float) -> bool:
        return self.uniform(0, 1) < probability

    def choice(self, options: Sequence[T]) -> T:
        return options[self.index(len(options))]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """RGB in 0..255 of hue, saturation and value in 0..1."""
    channels = []
    for shift in (5, 3, 1):
        k = (shift + 6 * hue) % 6
        channels.append(255 * value * (1 - saturation * max(0.0, min(k, 4 - k, 1.0))))
    return (channels[0], channels[1], channels[2])


def gap(one: Colour, other: Colour) -> float:
    """Mean absolute difference of two colours, in levels."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / 3


def _colour(dice: Dice, away_from: Sequence[Colour] = (), least: float = 0.0) -> Colour:
    """A cloth colour at least so many levels from others; the farthest of 40 if none is."""
    draws = []
    for _ in range(40):
        colour = hsv(dice.uniform(0, 1), dice.uniform(0.15, 0.85), dice.uniform(0.3, 0.97))
        nearest = min((gap(colour, other) for other in away_from), default=255.0)
        draws.append((nearest, colour))
        if nearest >= least:
            break
    return max(draws)[1]


def _fabric(dice: Dice, ground: Colour) -> Fabric:
    accent = _colour(dice, (ground,), 45)
    return Fabric(ground, accent, dice.choice(PATTERNS), dice.uniform(0.06, 0.13))


def _print(dice: Dice, fabric: Fabric, lettering: bool) -> Print:
    text = ""
    if lettering:
        text = "".join(dice.choice(LETTERS) for _ in range(2 + dice.index(2)))
    colour = _colour(dice, (fabric.ground,), 80)
    shape = dice.choice(tuple(SHAPES))
    return Print(shape, text, colour, dice.uniform(0.062, 0.085))


def _build(dice: Dice) -> Build:
    feminine = dice.uniform(0, 1)
    return Build(
        shoulders=1.06 - 0.12 * feminine + dice.uniform(-0.03, 0.03),
        chest=1.05 - 0.08 * feminine + dice.uniform(-0.04, 0.06),
        waist=1.12 - 0.18 * feminine + dice.uniform(-0.05, 0.08),
        hips=0.95 + 0.1 * feminine + dice.uniform(-0.04, 0.05),
        depth=dice.uniform(0.94, 1.08),
        limbs=1.08 - 0.14 * feminine + dice.uniform(-0.06, 0.06),
        head=dice.uniform(1.04, 1.14),
        legs=dice.uniform(0.96, 1.04),
        bust=max(0.0, feminine - 0.25),
    )


def _hem_length(dice: Dice, lower: str) -> float:
    if lower == "tunic":
        return dice.uniform(0.32, 0.42)
    return dice.uniform(0.42, 0.8) if lower in HEMMED else 0.0


def draw_identity(seed: int, dice: Dice, lettering: bool | None, loose: bool | None) -> Identity:
    """One draw, with panel grounds kept apart; see texture.py for the check on whole panels."""
    front = _fabric(dice, _colour(dice))
    same = dice.chance(0.3)
    back_ground = front.ground if same else _colour(dice, (front.ground,), 40)
    back = _fabric(dice, back_ground)
    if same:  # the same cloth behind, told apart by pattern and print alone
        back = Fabric(front.ground, back.accent, dice.choice(("stripes", "checks", "bands")), 0.07)
    left = _fabric(dice, _colour(dice, (front.ground, back.ground), 40))
    right = _fabric(dice, _colour(dice, (left.ground, front.ground, back.ground), 50))
    loose = dice.chance(0.4) if loose is None else loose
    lower = dice.choice(HEMMED if loose else LOWERS)
    cloth = _fabric(dice, _colour(dice, (front.ground,), 30))
    matching = dice.chance(0.5)
    one_cloth = lower == "dress"
    letters = dice.chance(0.4) if lettering is None else lettering
    return Identity(
        seed=seed,
        build=_build(dice),
        skin=dice.choice(SKINS),
        hair=dice.choice(HAIRS),
        hair_length=dice.choice(("short", "short", "bob", "long")),
        eyes=dice.choice(((62, 44, 32), (58, 92, 120), (70, 98, 60))),
        lips=(178.0, 72.0, 72.0),
        front=front,
        back=back,
        left=left,
        right=right,
        front_print=_print(dice, front, letters),
        back_print=_print(dice, back, letters),
        lower=lower,
        lower_front=front if one_cloth else cloth,
        lower_back=back if one_cloth else cloth,
        lower_left=left if one_cloth or matching else cloth,
        lower_right=right if one_cloth or matching else cloth,
        side_stripes=dice.chance(0.5),
        sleeve=dice.choice((0.0, 0.27, 0.27, 0.5, 1.0, 1.0)),
        neckline=dice.choice(("round", "vee", "high")),
        hem_m=_hem_length(dice, lower),
        flare=dice.uniform(1.25, 1.6) if loose else dice.uniform(1.14, 1.3),
        loose_hem=loose,
        shoes=_colour(dice),
    )
