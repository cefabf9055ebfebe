"""Scores of a run folder: strata, masks, resumption, and items that cannot be scored."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.clip_scores import BACK_GAP, NO_MASK, score_clip
from benchmark.metrics import BUNDLES, DEFAULT, METRICS
from benchmark.metrics.frames import FrameScore, frame_metric
from benchmark.metrics.l1 import l1
from benchmark.metrics.spec import ClipContext, FramePair, Metric, Values
from benchmark.results import SCORES, Generation, Score
from benchmark.scoring import score
from benchmark.targets import fit_masks
from mrfashion import tables
from mrfashion.errors import InputRefused, ItemError, UnknownNameError
from mrfashion.letterbox import letterbox
from mrfashion.manifest import MASK_PARTS, VIEW_PART, Dataset
from tests.conftest import write_dataset
from tests.run_folders import Change, exact, noisy, write_runs


def able() -> list[Metric]:
    """The default metrics that need no weights that are not here."""
    return [METRICS[name] for name in DEFAULT if METRICS[name].missing() is None]


def rows_of(runs: Path, **wanted: object) -> list[Score]:
    rows = SCORES.read(runs / "scores.parquet")
    return [r for r in rows if all(getattr(r, k) == v for k, v in wanted.items())]


def test_exact_videos_have_the_best_scores(tiny_dataset: Path, tmp_path: Path) -> None:
    runs = write_runs(tmp_path, tiny_dataset, {"twin": exact})
    best = {"psnr": 100.0, "ssim": 1.0, "l1": 0.0, "tof": 0.0, "flicker": 0.0}
    summary = score(runs, metrics=list(best))
    assert (summary.scored, summary.reused, summary.failed, summary.missing) == (4, 0, {}, 0)
    for row in rows_of(runs):
        if row.n == 0:
            continue
        assert row.value == (0 if row.stratum == BACK_GAP else best[row.metric])
        if row.stratum == BACK_GAP:
            continue
        assert row.capped == (row.n if row.metric == "psnr" else 0)
        assert row.task_hash == summary.task_hash


def test_strata_are_the_views_of_the_target_frames(tiny_dataset: Path, tmp_path: Path) -> None:
    runs = write_runs(tmp_path, tiny_dataset, {"noisy": noisy})
    score(runs, metrics=["l1"])
    dataset = Dataset(tiny_dataset)
    for sample in dataset.samples.values():
        views = dataset.frame_views(sample.clip_id)[sample.start : sample.start + sample.frames]
        rows = rows_of(runs, sample_id=sample.sample_id, region="whole")
        counts = {row.stratum: row.n for row in rows}
        counts.pop(BACK_GAP, None)
        assert counts.pop("all") == sample.frames
        assert counts == {view: views.count(view) for view in set(views)}
        parts = sum((row.value or 0) * row.n for row in rows if row.stratum in counts)
        whole = next(row.value for row in rows if row.stratum == "all")
        assert whole == pytest.approx(parts / sample.frames, abs=1e-12)


def test_an_abstained_view_is_its_own_stratum(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", groups=1)
    views = tables.VIEWS.read(root / VIEW_PART)
    blind = [replace(v, yaw_deg=(None,) * len(v.yaw_deg)) for v in views]
    tables.VIEWS.write(root / VIEW_PART, blind)
    runs = write_runs(tmp_path / "runs", root, {"twin": exact})
    score(runs, metrics=["l1"])
    assert {row.stratum for row in rows_of(runs)} == {"all", "undetermined"}


def test_a_target_without_mask_has_no_foreground_score(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", groups=1)
    masks = tables.MASKS.read(root / MASK_PARTS / "part-000.parquet")
    tables.MASKS.write(root / MASK_PARTS / "part-000.parquet", masks[1:])
    runs = write_runs(tmp_path / "runs", root, {"noisy": noisy})
    score(runs)
    without = rows_of(runs, region="foreground", sample_id=f"sample-{masks[0].clip_id}")
    assert without
    assert {(r.value, r.n, r.note) for r in without} == {(None, 0, NO_MASK)}
    for row in rows_of(runs, region="foreground", sample_id=f"sample-{masks[1].clip_id}"):
        assert row.value is not None


def test_neither_workers_nor_order_change_a_byte(tiny_dataset: Path, tmp_path: Path) -> None:
    changes = {"a": noisy, "b": exact}
    one = write_runs(tmp_path / "one", tiny_dataset, changes)
    two = write_runs(tmp_path / "two", tiny_dataset, changes, edit=lambda rows: rows.reverse())
    score(one, workers=1)
    score(two, workers=4)
    assert (one / "scores.parquet").read_bytes() == (two / "scores.parquet").read_bytes()


def test_a_second_run_reuses_all_and_writes_the_same_bytes(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    runs = write_runs(tmp_path, tiny_dataset, {"noisy": noisy})
    score(runs)
    before = (runs / "scores.parquet").read_bytes(), (runs / "scores.jsonl").read_bytes()
    summary = score(runs)
    assert (summary.scored, summary.reused) == (0, 4)
    after = (runs / "scores.parquet").read_bytes(), (runs / "scores.jsonl").read_bytes()
    assert before == after


def test_an_interrupted_run_goes_on_where_it_stopped(tiny_dataset: Path, tmp_path: Path) -> None:
    whole = write_runs(tmp_path / "whole", tiny_dataset, {"noisy": noisy})
    score(whole, workers=1)  # so that the lines of a clip are adjacent
    runs = write_runs(tmp_path / "runs", tiny_dataset, {"noisy": noisy})
    lines = (whole / "scores.jsonl").read_bytes().splitlines(keepends=True)
    whole_clip = b"".join(lines[: len(able())])
    (runs / "scores.jsonl").write_bytes(whole_clip + lines[-1][:40])  # killed in mid-write
    summary = score(runs)
    assert (summary.scored, summary.reused) == (3, 1)
    assert (runs / "scores.parquet").read_bytes() == (whole / "scores.parquet").read_bytes()


def test_new_views_are_scored_again(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", groups=1)
    runs = write_runs(tmp_path / "runs", root, {"noisy": noisy})
    score(runs)
    views = tables.VIEWS.read(root / VIEW_PART)
    tables.VIEWS.write(root / VIEW_PART, [replace(v, yaw_deg=(0.0,) * 24) for v in views])
    assert score(runs).scored == 2
    assert {row.stratum for row in rows_of(runs)} == {"all", "front"}


def test_a_new_mask_is_scored_again(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", groups=1)
    runs = write_runs(tmp_path / "runs", root, {"noisy": noisy})
    score(runs)
    before = rows_of(runs, region="foreground")
    masks = tables.MASKS.read(root / MASK_PARTS / "part-000.parquet")
    tables.MASKS.write(
        root / MASK_PARTS / "part-000.parquet",
        [replace(masks[0], bits=masks[0].bits[::-1]), *masks[1:]],
    )
    assert score(runs).scored == 1
    assert rows_of(runs, region="foreground") != before


def test_equal_videos_of_two_entrants_are_measured_once(tiny_dataset: Path, tmp_path: Path) -> None:
    runs = write_runs(tmp_path, tiny_dataset, {"a": noisy, "b": noisy})
    assert score(runs).scored == 8
    assert len((runs / "scores.jsonl").read_text().splitlines()) == 4 * len(able())
    one, two = (rows_of(runs, entrant=name) for name in "ab")
    assert [replace(r, entrant="b") for r in one] == two


def break_items(rows: list[Generation]) -> None:
    rows[0] = replace(rows[0], status="failed", path=None, video_sha256=None, error="gpu.memory")
    rows[1] = replace(rows[1], video_sha256="0" * 64)
    rows[2] = replace(rows[2], path="../../elsewhere.mkv")


def test_bad_items_are_recorded_and_the_rest_goes_on(tiny_dataset: Path, tmp_path: Path) -> None:
    runs = write_runs(tmp_path, tiny_dataset, {"noisy": noisy}, edit=break_items)
    summary = score(runs, metrics=["psnr", "ssim", "l1"])
    assert (summary.scored, summary.missing, len(summary.failed)) == (1, 1, 2)
    notes = {row.sample_id[-1]: row.note or "" for row in rows_of(runs, region="whole")}
    assert notes["0"] == "not generated: gpu.memory"
    assert notes["1"].startswith("not scored: score.hash_mismatch")
    assert notes["2"].startswith("not scored: score.unsafe_path")
    assert notes["3"] == ""
    for row in rows_of(runs):
        assert (row.value is None) == bool(row.note)
        assert str(tmp_path) not in (row.note or "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f[:-1], "score.length: the video has 11 frames; asked: 12"),
        (lambda f: np.concatenate([f, f]), "score.length: the video has more than 12 frames"),
        (lambda f: f[:, :-2], "score.size: frame 0 is 48x62; the target is 48x64"),
    ],
)
def test_a_video_that_does_not_match_is_refused(
    tiny_dataset: Path, tmp_path: Path, change: Change, reason: str
) -> None:
    runs = write_runs(tmp_path, tiny_dataset, {"wrong": change})
    summary = score(runs)
    assert summary.scored == 0
    assert all(text.startswith(reason) for text in summary.failed.values())
    assert len(summary.failed) == 4


def test_a_damaged_video_is_refused_and_scored_once_it_is_whole(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    runs = write_runs(tmp_path, tiny_dataset, {"noisy": noisy})
    path = runs / "videos/noisy/sample-clip00.mkv"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert list(score(runs).failed) == ["noisy/sample-clip00"]
    path.write_bytes(data)
    summary = score(runs)
    assert (summary.scored, summary.reused, summary.failed) == (1, 3, {})


def test_a_changed_target_clip_is_refused(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", groups=1)
    runs = write_runs(tmp_path / "runs", root, {"twin": exact})
    path = root / "clips/clip00.mp4"
    path.write_bytes(path.read_bytes() + b"x")
    assert "clip00.mp4 is not the file" in score(runs).failed["twin/sample-clip00"]


def test_targets_of_another_size_are_letterboxed(tiny_dataset: Path, tmp_path: Path) -> None:
    size = (96, 96)
    boxed = {"twin": lambda frames: np.stack([letterbox(f, size) for f in frames])}
    runs = write_runs(tmp_path, tiny_dataset, boxed, size=size)
    assert score(runs).failed == {}
    assert {row.value for row in rows_of(runs, metric="l1")} == {0.0}


def test_masks_go_where_the_targets_pixels_go() -> None:
    mask = np.zeros((1, 8, 4), bool)
    mask[0, 2:4, 1:3] = True
    fitted = fit_masks(mask, (16, 16))[0]
    painted = letterbox(np.repeat(mask[0, ..., None] * np.uint8(255), 3, 2), (16, 16))[..., 0]
    assert (fitted == (painted > 127)).mean() > 0.97
    assert fitted.sum() == 4 * mask.sum()
    assert not fitted[:, :4].any()


def test_permuting_frames_of_both_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 6, 20, 20, 3)).astype(np.uint8)
    masks = rng.random((6, 20, 20)) < 0.5
    views = ["front", "back", None, "front", "back", "facing-left"]
    order = rng.permutation(6)
    metrics = [metric for metric in METRICS.values() if metric.family == "image"]
    straight = score_clip(ClipContext(views, masks=masks), a, b, metrics)
    turned = ClipContext([views[i] for i in order], masks=masks[order])
    mixed = score_clip(turned, a[order], b[order], metrics)
    assert straight == mixed


def test_one_exact_frame_is_capped_and_counted() -> None:
    a = np.full((2, 16, 16, 3), 100, np.uint8)
    b = a.copy()
    b[1] += 10
    rows = score_clip(ClipContext(["front", "front"]), a, b, [METRICS["psnr"]])
    all_frames = next(r for r in rows if r.stratum == "all" and r.region == "whole")
    assert all_frames.value == pytest.approx((100 + 20 * math.log10(25.5)) / 2, abs=1e-9)
    assert (all_frames.n, all_frames.capped) == (2, 1)


def test_a_mask_without_foreground_is_not_measured() -> None:
    a = np.zeros((2, 16, 16, 3), np.uint8)
    context = ClipContext(["front"] * 2, masks=np.zeros((2, 16, 16), bool))
    rows = score_clip(context, a, a, able())
    foreground = [row for row in rows if row.region == "foreground"]
    assert {(row.value, row.n) for row in foreground} == {(None, 0)}
    assert all(row.note == "no frame has foreground to measure" for row in foreground)


def test_a_metric_that_gives_nan_fails_the_item() -> None:
    broken = frame_metric(METRICS["l1"].spec, lambda *_: FrameScore(math.nan), "L1", 4)
    a = np.zeros((1, 16, 16, 3), np.uint8)
    with pytest.raises(ItemError, match="no number"):
        score_clip(ClipContext(["front"]), a, a, [broken])


def choosy(target: np.ndarray, generated: np.ndarray, _: np.ndarray | None) -> FrameScore:
    """A metric whose window is 32 pixels."""
    if min(target.shape[:2]) < 32:
        raise ItemError("score.too_small", f"{len(target)} rows; needed: 32")
    return l1(target, generated)


def test_a_crop_too_small_for_one_metric_stops_neither_its_frame_nor_another() -> None:
    a, b = (np.full((2, 40, 40, 3), value, np.uint8) for value in (100, 110))
    keypoints = np.zeros((2, 17, 3), np.float32)
    keypoints[:, [5, 6, 11, 12]] = ((12, 10, 1), (24, 10, 1), (12, 24, 1), (24, 24, 1))
    context = ClipContext(["front"] * 2, keypoints=keypoints)
    metric = frame_metric(replace(METRICS["l1"].spec, name="choosy"), choosy, "choosy", 4)
    rows = score_clip(context, a, b, [metric, METRICS["l1"]])
    found = {(r.metric, r.region): r for r in rows if r.stratum == "all"}
    for measured in (("choosy", "whole"), ("l1", "whole"), ("l1", "garment")):
        assert found[measured].value == pytest.approx(10 / 255)
    assert found["choosy", "garment"].value is None
    assert found["choosy", "garment"].note == "21 rows; needed: 32"


class Unable:
    """A measure that gives up at the step it is told to."""

    def __init__(self, step: str) -> None:
        self.step = step

    def update(self, _: FramePair) -> None:
        self.give_up("update")

    def result(self) -> Values:
        self.give_up("result")
        raise AssertionError("not reached")

    def give_up(self, step: str) -> None:
        if step == self.step:
            raise ItemError("score.unable", f"no {step} of this clip")


@pytest.mark.parametrize("step", ["start", "update", "result"])
def test_a_metric_that_cannot_measure_a_clip_says_why_and_stops_no_other(step: str) -> None:
    def start(_: ClipContext) -> Unable:
        measure = Unable(step)
        measure.give_up("start")
        return measure

    a = np.zeros((2, 16, 16, 3), np.uint8)
    unable = replace(METRICS["psnr"], start=start)
    rows = score_clip(ClipContext(["front"] * 2), a, a, [unable, METRICS["l1"]])
    assert {(r.value, r.note) for r in rows if r.metric == "psnr"} == {
        (None, f"no {step} of this clip")
    }
    assert next(r.value for r in rows if r.metric == "l1") == 0


def test_the_back_gap_is_positive_where_the_back_is_worse() -> None:
    a = np.full((4, 16, 16, 3), 100, np.uint8)
    b = a.copy()
    b[2:] += 51  # the back alone is wrong
    context = ClipContext(["front", "front", "back", "back"])
    rows = score_clip(context, a, b, [METRICS["l1"], METRICS["psnr"]])
    gaps = {(r.metric, r.region): r for r in rows if r.stratum == BACK_GAP}
    assert gaps["l1", "whole"].value == pytest.approx(0.2)
    assert gaps["psnr", "whole"].value == pytest.approx(100 - 20 * math.log10(5))
    assert set(gaps) == {("l1", "whole"), ("psnr", "whole")}  # no mask, no pose: nothing more
    one_view = score_clip(ClipContext(["back"] * 4), a, b, [METRICS["l1"]])
    assert BACK_GAP not in {row.stratum for row in one_view}


def test_legacy_metrics_are_measured_only_where_a_bundle_names_them(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    runs = write_runs(tmp_path, tiny_dataset, {"noisy": noisy})
    score(runs)
    assert {METRICS[row.metric].spec.status for row in rows_of(runs)} == {"standard"}
    score(runs, metrics=["disco-2024", "l1"])
    assert {row.metric for row in rows_of(runs)} == {*BUNDLES["disco-2024"], "l1"}
    refused = rows_of(runs, metric="l1-disco-256x256")
    assert {row.value for row in refused} == {None}
    assert "frames are 48x64" in (refused[0].note or "")
    repaired = rows_of(runs, metric="psnr-disco-2024", stratum="all")
    assert all(row.value is not None for row in repaired)
    assert score(runs, metrics=["default"]).scored == 0
    assert {row.metric for row in rows_of(runs)} == set(DEFAULT)


def test_every_bundle_names_metrics() -> None:
    for name, metrics in BUNDLES.items():
        assert metrics
        assert set(metrics) <= set(METRICS)
        assert name not in METRICS
    assert "psnr-disco-2023" in BUNDLES["disco-2023"]


def test_an_unknown_metric_lists_the_near_ones(tiny_dataset: Path, tmp_path: Path) -> None:
    runs = write_runs(tmp_path, tiny_dataset, {"twin": exact})
    with pytest.raises(UnknownNameError, match="did you mean psnr"):
        score(runs, metrics=["pnsr"])


def test_an_edited_journal_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    runs = write_runs(tmp_path, tiny_dataset, {"twin": exact})
    score(runs)
    rows = [json.loads(line) for line in (runs / "scores.jsonl").read_text().splitlines()]
    rows[0]["scores"][0]["value"] = math.nan
    (runs / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputRefused, match="was edited"):
        score(runs)


def test_the_dataset_may_lie_elsewhere(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", groups=1)
    runs = write_runs(tmp_path / "runs", root, {"twin": exact})
    root.rename(tmp_path / "moved")
    with pytest.raises(InputRefused, match="no finished dataset"):
        score(runs)
    assert score(runs, dataset_root=tmp_path / "moved").scored == 2


def test_opencv_keeps_its_threads(tiny_dataset: Path, tmp_path: Path) -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        score(write_runs(tmp_path, tiny_dataset, {"twin": exact}), metrics=["l1"])
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
