"""Plans of turntable clips: stable as they grow, strict about what they are given."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.sources.turntable.clips import (
    MOTIONS,
    TurntableConfig,
    clip_plan,
    render_plan,
    stage_clip,
)
from mrfashion.sources.turntable.contact_sheet import contact_sheet

SMALL = TurntableConfig(groups=2, clips_per_group=2, frames=3, height=48, width=36)


@settings(max_examples=30, deadline=None)
@given(groups=st.integers(1, 6), clips=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_growing_a_release_keeps_the_clips_it_had(groups: int, clips: int, seed: int) -> None:
    before = TurntableConfig(groups=groups, clips_per_group=clips, seed=seed)
    after = replace(before, groups=groups + 3, clips_per_group=clips + 2)
    assert set(clip_plan(before)) <= set(clip_plan(after))


def test_names_are_unique_and_seeds_differ() -> None:
    plans = clip_plan(TurntableConfig(groups=20, clips_per_group=3))
    assert len({plan.name for plan in plans}) == 60
    assert len({plan.motion_seed for plan in plans}) == 60
    assert len({plan.identity_seed for plan in plans}) == 20
    assert plans[0].name == "g0000_c0"


def test_clips_of_a_group_share_the_person_but_not_the_movement() -> None:
    one, other = (stage_clip(plan, SMALL) for plan in clip_plan(SMALL)[:2])
    assert one[0] == other[0]
    assert one[1].kind != other[1].kind
    assert one[1].backdrop != other[1].backdrop


def test_shares_are_kept() -> None:
    plans = clip_plan(TurntableConfig(groups=400, clips_per_group=1, lettering=0.25, loose_hem=1))
    assert 0.18 < np.mean([plan.lettering for plan in plans]) < 0.32
    assert all(plan.loose_hem for plan in plans)


def test_every_motion_is_dealt() -> None:
    plans = clip_plan(TurntableConfig(groups=1, clips_per_group=len(MOTIONS)))
    assert {plan.motion for plan in plans} == set(MOTIONS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"groups": 0}, "groups is 0; give at least 1"),
        ({"fps": 0}, "fps is 0"),
        ({"height": 4}, "height is 4; give at least 8"),
        ({"lettering": 1.5}, "lettering is 1.5; give a share from 0 to 1"),
        ({"motions": ("fly",)}, "name at least one of turn"),
        ({"motions": ()}, "name at least one of turn"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TurntableConfig(**change)


def test_a_planned_clip_renders_to_arrays() -> None:
    recording = render_plan(clip_plan(SMALL)[0], SMALL)
    assert recording.frames.shape == (3, 48, 36, 3)
    assert recording.flow is not None
    assert render_plan(clip_plan(SMALL)[0], replace(SMALL, flow=False)).flow is None


@pytest.mark.parametrize("keypoints", [False, True])
def test_a_contact_sheet_has_a_row_per_clip(keypoints: bool) -> None:
    recordings = [render_plan(plan, SMALL) for plan in clip_plan(SMALL)]
    assert contact_sheet(recordings, 5, keypoints=keypoints).size == (5 * 36, 4 * 48)
    with pytest.raises(ValueError, match="no sheet"):
        contact_sheet([], 5)


def test_a_config_loads_without_torch() -> None:
    code = (
        "import sys; import mrfashion.sources.turntable.clips as c; "
        "c.clip_plan(c.TurntableConfig()); print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
