"""What a turntable person wears: opposite panels differ, options show, seeds decide."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.sources.turntable.body import CHART
from mrfashion.sources.turntable.glyphs import FONT, LETTERS, SHAPES, text_bitmap
from mrfashion.sources.turntable.identity import HEMMED, Identity
from mrfashion.sources.turntable.texture import (
    FRONT_BACK_LEAST,
    LEFT_RIGHT_LEAST,
    PANEL,
    paint_atlas,
    panel_distance,
    sample_identity,
    torso_panels,
)


@pytest.fixture(scope="module")
def identities() -> list[Identity]:
    return [sample_identity(seed) for seed in range(50)]


def test_opposite_panels_differ_by_the_stated_least(identities: list[Identity]) -> None:
    distances = [panel_distance(identity) for identity in identities]
    assert min(d.front_back for d in distances) >= FRONT_BACK_LEAST
    assert min(d.left_right for d in distances) >= LEFT_RIGHT_LEAST


def test_neighbouring_panels_differ_too(identities: list[Identity]) -> None:
    for identity in identities:
        front, right, back, left = torso_panels(identity)
        for side in (left, right):
            for face in (front, back):
                assert (side.mean((0, 1)) - face.mean((0, 1))).abs().mean() > 4


def test_a_seed_gives_one_identity() -> None:
    assert sample_identity(7) == sample_identity(7)
    assert sample_identity(7) != sample_identity(8)


def test_identities_vary(identities: list[Identity]) -> None:
    assert len({identity.lower for identity in identities}) >= 4
    assert len({identity.hair_length for identity in identities}) == 3
    assert len({identity.front.ground for identity in identities}) == 50


@pytest.mark.parametrize("lettering", [True, False])
def test_lettering_is_on_exactly_when_asked(lettering: bool) -> None:
    for seed in range(8):
        identity = sample_identity(seed, lettering=lettering)
        assert bool(identity.front_print.text) is lettering
        assert bool(identity.back_print.text) is lettering


@pytest.mark.parametrize("loose", [True, False])
def test_a_loose_hem_comes_with_cloth_to_swing(loose: bool) -> None:
    for seed in range(8):
        identity = sample_identity(seed, loose_hem=loose)
        assert identity.loose_hem is loose
        if loose:
            assert identity.lower in HEMMED
            assert identity.hem_m > 0.3


def test_letters_stand_in_their_own_colour_on_the_chest() -> None:
    identity = sample_identity(3, lettering=True)
    front = paint_atlas(identity)[CHART["torso"], PANEL["front"]].float()
    ink = (front - torch.tensor(identity.front_print.colour)).abs().sum(-1) < 3
    cells = text_bitmap(identity.front_print.text)
    assert 0.5 < ink.any(1).sum() / 27 < 1.5  # 125 mm of letters at 4.5 mm a row
    assert ink.any(0).sum() > 20
    assert 0 < cells.float().mean() < 1


def test_every_letter_is_five_by_seven_and_its_own() -> None:
    assert all(text_bitmap(letter).shape == (7, 5) for letter in LETTERS)
    assert len(set(FONT.values())) == len(FONT)


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_fills_some_of_its_square(name: str) -> None:
    line = torch.linspace(-1.5, 1.5, 61)
    x, y = torch.meshgrid(line, line, indexing="xy")
    inside = (x.abs() <= 1.05) & (y.abs() <= 1.05)
    mask = SHAPES[name](x, y)
    assert 0.15 < mask[inside].float().mean() < 0.95
    assert not mask[~inside].any()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**62))
def test_any_seed_keeps_the_distances(seed: int) -> None:
    distance = panel_distance(sample_identity(seed))
    assert distance.front_back >= FRONT_BACK_LEAST
    assert distance.left_right >= LEFT_RIGHT_LEAST
