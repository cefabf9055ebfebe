"""The turntable's release: held-out people, none of whom is trained on."""

from __future__ import annotations

from model.training_config import load_training_config
from model.turntable_data import held_out_name
from mrfashion.config import load_config
from mrfashion.pipeline import CurateConfig
from mrfashion.sources.turntable.clips import clip_plan, group_plan

RELEASE = load_config(CurateConfig, "turntable-v1")
PLAN = clip_plan(RELEASE.turntable)


def test_it_has_two_hundred_samples_to_test_on() -> None:
    assert RELEASE.splits.train == 0
    assert RELEASE.samples.splits == ("test",)
    assert RELEASE.splits.test * len(PLAN) * RELEASE.samples.per_clip >= 200
    assert RELEASE.samples.span <= RELEASE.turntable.frames


def test_each_subset_is_large_enough_for_an_interval() -> None:
    groups = {plan.garment_group: plan for plan in PLAN}
    for subset in ("lettering", "loose_hem"):
        share = sum(getattr(plan, subset) for plan in groups.values())
        assert 40 <= share <= len(groups) - 40


def test_every_clip_turns_and_has_another_of_its_group_to_lend_references() -> None:
    assert {plan.motion for plan in PLAN} == {"turn", "walk_turn"}
    groups = [plan.garment_group for plan in PLAN]
    assert all(groups.count(group) == 2 for group in set(groups))


def test_nobody_in_it_is_trained_or_validated_on() -> None:
    released = {plan.identity_seed for plan in PLAN}
    for preset in ("turntable-v1", "turntable-v1-motion"):
        turntable = load_training_config(preset)[0].turntable
        assert turntable is not None
        trained = [f"train/g{number:07d}" for number in range(turntable.groups)]
        validated = [held_out_name(number) for number in range(turntable.validation_groups)]
        footage = turntable.footage()
        seen = {group_plan(footage, name)[0].identity_seed for name in (*trained, *validated)}
        assert len(seen) == len(trained) + len(validated)
        assert not seen & released
        assert turntable.size == (RELEASE.turntable.height, RELEASE.turntable.width)
