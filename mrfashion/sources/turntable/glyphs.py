"""Letters and shapes that garments have printed on them, as masks over metric coordinates."""

from collections.abc import Callable

import torch
from torch import Tensor

# Five columns by seven rows, one string per row, drawn by hand.
FONT = {
    "A": ".###. #...# #...# ##### #...# #...# #...#",
    "B": "####. #...# #...# ####. #...# #...# ####.",
    "C": ".#### #.... #.... #.... #.... #.... .####",
    "D": "####. #...# #...# #...# #...# #...# ####.",
    "E": "##### #.... #.... ####. #.... #.... #####",
    "F": "##### #.... #.... ####. #.... #.... #....",
    "G": ".#### #.... #.... #.### #...# #...# .####",
    "H": "#...# #...# #...# ##### #...# #...# #...#",
    "J": "..### ...#. ...#. ...#. ...#. #..#. .##..",
    "K": "#...# #..#. #.#.. ##... #.#.. #..#. #...#",
    "L": "#.... #.... #.... #.... #.... #.... #####",
    "M": "#...# ##.## #.#.# #.#.# #...# #...# #...#",
    "N": "#...# ##..# ##..# #.#.# #..## #..## #...#",
    "O": ".###. #...# #...# #...# #...# #...# .###.",
    "P": "####. #...# #...# ####. #.... #.... #....",
    "R": "####. #...# #...# ####. #.#.. #..#. #...#",
    "S": ".#### #.... #.... .###. ....# ....# ####.",
    "T": "##### ..#.. ..#.. ..#.. ..#.. ..#.. ..#..",
    "U": "#...# #...# #...# #...# #...# #...# .###.",
    "V": "#...# #...# #...# #...# .#.#. .#.#. ..#..",
    "X": "#...# #...# .#.#. ..#.. .#.#. #...# #...#",
    "Y": "#...# #...# .#.#. ..#.. ..#.. ..#.. ..#..",
    "Z": "##### ....# ...#. ..#.. .#... #.... #####",
    "2": ".###. #...# ....# ..##. .#... #.... #####",
    "4": "...#. ..##. .#.#. #..#. ##### ...#. ...#.",
    "7": "##### ....# ...#. ...#. ..#.. ..#.. ..#..",
}
LETTERS = "".join(FONT)


def text_bitmap(text: str) -> Tensor:
    """Cells of one line of text, one blank column between letters: bool (7, 6 * len - 1)."""
    rows = [FONT[letter].split() for letter in text]
    lines = [".".join(letter[i] for letter in rows) for i in range(7)]
    return torch.tensor([[cell == "#" for cell in line] for line in lines])


def text_mask(text: str, x: Tensor, y: Tensor, width: float, height: float) -> Tensor:
    """Text filling a width by height box about the origin; y points up."""
    bitmap = text_bitmap(text)
    rows, columns = bitmap.shape
    column = torch.floor((x / width + 0.5) * columns).long()
    row = torch.floor((0.5 - y / height) * rows).long()
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    return inside & bitmap[row.clamp(0, rows - 1), column.clamp(0, columns - 1)]


def _star(x: Tensor, y: Tensor) -> Tensor:
    angle = torch.atan2(x, y)
    wedge = torch.remainder(angle + torch.pi / 5, 2 * torch.pi / 5) - torch.pi / 5
    radius = torch.hypot(x, y)
    return radius * (torch.cos(wedge) + 1.15 * torch.sin(wedge.abs())) < 0.95


def _heart(x: Tensor, y: Tensor) -> Tensor:
    u, v = 1.2 * x, 1.2 * y + 0.1
    return (u * u + v * v - 0.8) ** 3 < 1.6 * u * u * v**3


# Each shape fills about [-1, 1] in both directions; y points up.
SHAPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "disc": lambda x, y: x * x + y * y < 0.85,
    "ring": lambda x, y: (x * x + y * y < 1.0) & (x * x + y * y > 0.36),
    "diamond": lambda x, y: x.abs() + y.abs() < 1.0,
    "square": lambda x, y: torch.maximum(x.abs(), y.abs()) < 0.8,
    "cross": lambda x, y: (
        (torch.minimum(x.abs(), y.abs()) < 0.3) & (torch.maximum(x.abs(), y.abs()) < 1.0)
    ),
    "triangle": lambda x, y: (y > -0.8) & (y + 1.9 * x.abs() < 1.0),
    "chevron": lambda x, y: ((y + x.abs() - 0.4).abs() < 0.4) & (x.abs() < 1.0),
    "bars": lambda x, y: (torch.remainder(y * 2.5, 1.0) < 0.5) & (torch.hypot(x, y) < 1.0),
    "star": _star,
    "heart": _heart,
}
