import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.soak.curation import soak
from mrfashion.audit import audit
from mrfashion.duplicates import DuplicateConfig
from mrfashion.errors import ConfigError, InputRefused
from mrfashion.filters import FilterConfig
from mrfashion.filters.technical import Resolution, Sharpness
from mrfashion.garments import GarmentConfig
from mrfashion.manifest import Dataset
from mrfashion.media import write_clip
from mrfashion.pipeline import CurateConfig, Summary, curate
from mrfashion.poses.sidecar import SUFFIX, Sidecar, read_sidecar, sidecar_path, write_sidecar
from mrfashion.posing import PoseConfig
from mrfashion.samples import SampleConfig
from mrfashion.shots import ShotConfig
from mrfashion.shots.content import ContentCuts
from mrfashion.splits import SplitConfig
from mrfashion.verification import verify
from tests.footage import FRAMES, turning_clip, write_footage

CONFIG = CurateConfig(
    shots=ShotConfig(
        content=ContentCuts(threshold=60.0)
    ),  # the block changes its colour with its view
    filters=FilterConfig(resolution=Resolution(min_side_px=48), sharpness=Sharpness(1.0)),
    poses=PoseConfig(use="sidecar"),
    duplicates=DuplicateConfig(distance=0.0),  # all of them are one block that turns
    garments=GarmentConfig(by_appearance=False),
    splits=SplitConfig(0.4, 0.2, 0.4),
    samples=SampleConfig(frames=8),
)
TABLES = (
    "clips.parquet", "references.parquet", "rejects.parquet", "failures.parquet",
    "keypoints/part-000.parquet", "views/part-000.parquet", "masks/part-000.parquet",
    "splits.parquet", "ties.parquet", "samples.parquet",
)  # fmt: skip


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten clips of five garment groups, and one of each fault a folder can have."""
    root = tmp_path_factory.mktemp("footage") / "shop"
    for number in range(10):
        write_footage(root, f"clip{number}", number, group=f"dress{number // 2}")
    write_footage(root, "no_sidecar", 11, sidecar=False)
    (root / "copy.mp4").write_bytes((root / "clip0.mp4").read_bytes())
    (root / "broken.mp4").write_bytes(b"no video" * 99)
    (root / "notes.txt").write_text("a text")
    write_footage(root, "short_sidecar", 12)
    frames, keypoints, yaw = turning_clip(0, 90)
    write_sidecar(root / f"short_sidecar{SUFFIX}", Sidecar(keypoints[:5], yaw[:5]))
    write_clip(root / "nobody.mp4", frames[:, :, ::-1], 12.0)
    write_sidecar(root / f"nobody{SUFFIX}", Sidecar(np.full_like(keypoints, np.nan)))
    write_clip(root / "short.mp4", frames[:6], 12.0)
    return root


@pytest.fixture(scope="module")
def curated(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    out = tmp_path_factory.mktemp("curated") / "dataset"
    return out, curate([str(footage)], out, CONFIG)


def tables_of(root: Path) -> dict[str, bytes]:
    files = [root / name for name in TABLES] + sorted((root / "clips").iterdir())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_every_input_ends_in_exactly_one_table(
    footage: Path, curated: tuple[Path, Summary]
) -> None:
    dataset = Dataset(curated[0])
    kept = [clip.source_id for clip in dataset.clips.values()]
    rejected = {row.source_id: (row.stage, row.reason) for row in dataset.rejects}
    failed = {row.source_id: row.error for row in dataset.failures}
    inputs = {f"shop/{p.name}" for p in footage.iterdir() if not p.name.endswith(SUFFIX)}
    assert sorted([*kept, *rejected, *failed]) == sorted(inputs)
    assert rejected == {
        "shop/copy.mp4": ("duplicates", "exact copy"),
        "shop/no_sidecar.mp4": ("poses", "no keypoints"),
        "shop/nobody.mp4": ("filter.present", "no person found"),
        "shop/notes.txt": ("sources", "not a video"),
        "shop/short.mp4": ("filter.duration", "too short"),
    }
    assert failed == {
        "shop/broken.mp4": "probe.corrupt",
        "shop/short_sidecar.mp4": "sidecar.length",
    }
    (short,) = [row for row in dataset.rejects if row.stage == "filter.duration"]
    assert (short.measured, short.threshold) == (0.5, 1.5)


def test_the_dataset_is_what_the_footage_was(footage: Path, curated: tuple[Path, Summary]) -> None:
    dataset = Dataset(curated[0])
    assert verify(dataset.root).wrong == ()
    for clip_id, clip in dataset.clips.items():
        truth = read_sidecar(sidecar_path(footage / clip.source_id.split("/")[1]))
        assert clip.frames == FRAMES
        assert clip.licence == "CC0-1.0"
        assert np.nanmax(np.abs(dataset.keypoints(clip_id) - truth.keypoints)) <= 1 / 16
        assert np.array_equal(dataset.yaw_deg(clip_id), truth.yaw_deg)
        assert np.array_equal(dataset.mask(clip_id), truth.mask)
        assert set(clip.views) == {"front", "back", "facing-left", "facing-right"}
        assert dataset.frames(clip_id).shape == (FRAMES, 64, 48, 3)


def test_frozen_splits_outlive_another_seed_and_other_shares(
    footage: Path, curated: tuple[Path, Summary], tmp_path: Path
) -> None:
    out = Path(shutil.copytree(curated[0], tmp_path / "dataset"))
    before = {clip.clip_id: clip.split for clip in Dataset(out).clips.values()}
    other = SplitConfig(1.0, 0.0, 0.0, seed=9)
    curate([str(footage)], out, replace(CONFIG, splits=other))
    assert {clip.split for clip in Dataset(out).clips.values()} == {"train"}
    frozen = replace(other, frozen=curated[0] / "splits.parquet")
    curate([str(footage)], out, replace(CONFIG, splits=frozen))
    assert {clip.clip_id: clip.split for clip in Dataset(out).clips.values()} == before
    assert audit(Dataset(out)).leaks == ()
    missing = replace(other, frozen=tmp_path / "splits.parquet")
    with pytest.raises(InputRefused, match="does not exist"):
        curate([str(footage)], out, replace(CONFIG, splits=missing))


def test_splits_share_no_garment_and_samples_no_frames(curated: tuple[Path, Summary]) -> None:
    dataset = Dataset(curated[0])
    split_of: dict[str, set[str]] = {}
    for clip in dataset.clips.values():
        split_of.setdefault(clip.garment_group, set()).add(clip.split)
    assert all(len(splits) == 1 for splits in split_of.values())
    assert dataset.samples
    for sample in dataset.samples.values():
        assert dataset.clip(sample.clip_id).split in ("val", "test")
        clips = {reference.split("/")[0] for reference in sample.reference_ids}
        groups = {dataset.clip(clip).garment_group for clip in clips}
        assert groups == {sample.garment_group}
        assert (sample.clip_id in clips) == (sample.reference_source == "same_clip")


def test_a_second_run_does_nothing_and_changes_no_byte(
    footage: Path, curated: tuple[Path, Summary]
) -> None:
    out, first = curated
    before = tables_of(out)
    again = curate([str(footage)], out, CONFIG)
    assert tables_of(out) == before
    assert (again.kept, again.rejects, again.failures) == (
        first.kept,
        first.rejects,
        first.failures,
    )
    for notes in again.notes.values():
        assert all(why.startswith("reused") for why in notes), notes


def test_workers_and_folder_names_change_no_byte(
    footage: Path, curated: tuple[Path, Summary], tmp_path: Path
) -> None:
    curate([str(footage)], tmp_path / "one", CONFIG, workers=1)
    assert tables_of(tmp_path / "one") == tables_of(curated[0])


def test_a_changed_threshold_runs_filters_and_no_decoding(
    footage: Path, curated: tuple[Path, Summary]
) -> None:
    out, first = curated
    strict = replace(CONFIG, filters=replace(CONFIG.filters, resolution=Resolution(256)))
    summary = curate([str(footage)], out, strict)
    assert summary.kept == 0
    assert {row.reason for row in summary.rejects} >= {"too few pixels"}
    assert all(why.startswith("reused") for why in summary.notes["survey"])
    back = curate([str(footage)], out, CONFIG)
    assert back.kept == first.kept
    assert all(why.startswith("reused") for notes in back.notes.values() for why in notes)


def test_one_shot_of_a_spliced_video_keeps_its_part_of_the_sidecar(tmp_path: Path) -> None:
    parts = [turning_clip(0, 40), turning_clip(90, 200)]
    frames = np.concatenate([parts[0][0], 255 - parts[1][0]])
    write_clip(tmp_path / "in" / "two.mp4", frames, 12.0)
    points, yaw = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    write_sidecar(tmp_path / "in" / f"two{SUFFIX}", Sidecar(points, yaw))
    curate([str(tmp_path / "in")], tmp_path / "out", CONFIG)
    dataset = Dataset(tmp_path / "out")
    clips = sorted(dataset.clips.values(), key=lambda clip: clip.start_pts)
    assert [clip.frames for clip in clips] == [FRAMES, FRAMES]
    for clip, part in zip(clips, parts, strict=True):
        assert np.array_equal(dataset.yaw_deg(clip.clip_id), part[2])
    assert len({clip.split_group for clip in clips}) == 1
    assert dataset.mask(clips[0].clip_id) is None


def test_wrong_calls_are_refused_before_any_work(footage: Path, tmp_path: Path) -> None:
    for sources, error in (
        ([], InputRefused),
        ([str(tmp_path / "missing")], InputRefused),
        ([str(footage), str(footage)], ConfigError),
    ):
        with pytest.raises(error):
            curate(sources, tmp_path / "out", CONFIG)
        assert not (tmp_path / "out" / "samples.parquet").exists()


def test_an_unfinished_dataset_is_refused_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="mrfashion curate"):
        Dataset(tmp_path)


def test_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    """`python -m benchmark.soak.curation` is the long version, which kills workers too."""
    soaked = soak(tmp_path, kills=3, seed=0, quick=True)
    assert soaked.commands_killed >= 2
    assert not soaked.differing
    assert not soaked.left_over
    assert not soaked.repeated
