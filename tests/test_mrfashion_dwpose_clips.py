"""DWPose and RTMW on turntable footage, with networks that find the joints drawn on it."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mrfashion import tables
from mrfashion.__main__ import run
from mrfashion.artefacts import canonical_json
from mrfashion.errors import ConfigError, ExitCode, MissingRequirement
from mrfashion.manifest import KEYPOINT_PARTS, Dataset
from mrfashion.media import write_clip
from mrfashion.pipeline import CurateConfig, curate
from mrfashion.poses import ESTIMATORS
from mrfashion.poses.dwpose import TopDown, TopDownConfig
from mrfashion.poses.estimator import PoseTrack
from mrfashion.poses.following import FollowConfig
from mrfashion.poses.onnx_session import OnnxConfig
from mrfashion.posing import PoseConfig
from mrfashion.samples import SampleConfig
from mrfashion.sources.turntable.clips import TurntableConfig, clip_plan, render_plan
from mrfashion.splits import SplitConfig
from tests.onnx_graphs import BODY, coloured_person, detector_graph, dimmed, simcc_graph

pytest.importorskip("onnxruntime")
FPS, FRAMES = 12, 20
Files = tuple[Path, Path]
CPU = OnnxConfig(device="cpu", threads=1)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("graphs")
    return detector_graph(folder / "detector.onnx"), simcc_graph(folder / "keypoints.onnx")


@pytest.fixture(scope="session")
def clips() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """A turn and a walk: frames, true keypoints and boxes."""
    config = TurntableConfig(
        groups=1, clips_per_group=2, frames=FRAMES, fps=FPS, height=384, width=288, flow=False,
        motions=("turn", "walk"),
    )  # fmt: skip
    made = []
    for plan in clip_plan(config):
        recording = render_plan(plan, config)
        frames = dimmed(recording.frames)
        boxes = coloured_person(frames, recording.keypoints)
        made.append((frames, recording.keypoints, boxes))
    return made


def estimator(files: Files, every_s: float = 0.4, **config: object) -> TopDown:
    follow = FollowConfig(detect_every_s=every_s)
    return TopDown("dwpose", TopDownConfig(**{"session": CPU, "follow": follow, **config}), files)


def track_bytes(track: PoseTrack) -> bytes:
    arrays = (track.keypoints, track.boxes_xyxy_px, track.detector_scores, track.people)
    return b"".join(array.tobytes() for array in arrays)


def errors(track: PoseTrack, truth: np.ndarray) -> np.ndarray:
    """Distances to the truth of the joints that are plainly seen."""
    sure = track.keypoints[:, :BODY, 2] > 0.9
    return np.linalg.norm(track.keypoints[:, :BODY, :2] - truth[:, :BODY, :2], axis=-1)[sure]


@pytest.mark.parametrize("every_s", [0.0, 0.4])
def test_keypoints_are_the_truth_however_often_the_detector_looks(
    files: Files, clips: list[tuple[np.ndarray, ...]], every_s: float
) -> None:
    for frames, truth, boxes in clips if every_s else clips[:1]:
        track = estimator(files, every_s).track(frames, FPS)
        error = errors(track, truth)
        assert len(error) > 0.7 * FRAMES * BODY
        assert np.median(error) < 0.5
        assert np.percentile(error, 95) < 1.5
        seen = track.people >= 0
        assert seen.sum() == (FRAMES if every_s == 0 else 5)
        np.testing.assert_allclose(track.boxes_xyxy_px[seen], boxes[seen], atol=1.5)
        assert (track.people[seen] == 1).all()
        np.testing.assert_allclose(track.detector_scores[seen], 0.81, rtol=1e-5)


@pytest.mark.parametrize(
    ("batch", "session"),
    [
        ("batch", replace(CPU, largest_batch=1)),
        ("batch", replace(CPU, largest_batch=5)),
        ("batch", replace(CPU, threads=2)),
        (1, CPU),
        (3, CPU),
    ],
)
def test_the_cpu_gives_the_same_bytes_in_any_batch_on_any_thread(
    files: Files,
    clips: list[tuple[np.ndarray, ...]],
    tmp_path: Path,
    batch: int | str,
    session: OnnxConfig,
) -> None:
    frames = clips[0][0][:6]
    expected = track_bytes(estimator(files).track(frames, FPS))
    other = (
        detector_graph(tmp_path / "detector.onnx", batch),
        simcc_graph(tmp_path / "keypoints.onnx", batch),
    )
    assert track_bytes(estimator(other, session=session).track(frames, FPS)) == expected


def test_threads_share_an_instance_and_get_what_one_alone_gets(
    files: Files, clips: list[tuple[np.ndarray, ...]]
) -> None:
    parts = [frames[i : i + 5] for frames, _, _ in clips for i in (0, 5)]
    alone = [track_bytes(estimator(files).track(part, FPS)) for part in parts]
    for merge, shares in (("auto", False), ("always", True)):
        shared = estimator(files, merge=merge)
        assert shared.shared
        assert shared.settings()["clips_share_batches"] is shares
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda p, s=shared: track_bytes(s.track(p, FPS)), parts))
        assert together == alone


def test_who_leaves_is_missing_and_is_found_again(
    files: Files, clips: list[tuple[np.ndarray, ...]]
) -> None:
    frames, truth, _ = (array.copy() for array in clips[0])
    frames[5:9] = 128
    track = estimator(files).track(frames, FPS)
    here = ~np.isin(np.arange(FRAMES), range(5, 9))
    np.testing.assert_array_equal(np.isfinite(track.boxes_xyxy_px[:, 0]), here)
    assert (track.keypoints[~here, :, 2] == 0).all()
    assert np.percentile(errors(track, truth), 95) < 1.5


def test_of_two_people_one_is_followed_and_both_are_counted(
    files: Files, clips: list[tuple[np.ndarray, ...]]
) -> None:
    truth = clips[1][1]
    frames = np.full((6, 384, 576, 3), 128, np.uint8)
    people = []
    for person, (left, scale) in enumerate(((0, 1.0), (300, 0.7))):
        points = truth[:6].copy()
        points[..., :2] = points[..., :2] * scale + (left, 384 * (1 - scale) / 2)
        people.append(points)
        coloured_person(frames, points, person)
    track = estimator(files).track(frames, FPS)
    assert set(track.people.tolist()) <= {2, -1}
    assert np.percentile(errors(track, people[0]), 95) < 1.5


def test_rtmw_reads_a_detector_with_suppression_built_in(
    files: Files, clips: list[tuple[np.ndarray, ...]], tmp_path: Path
) -> None:
    frames, truth, _ = clips[0]
    detector = detector_graph(tmp_path / "end2end.onnx", end2end=True)
    track = TopDown("rtmw", TopDownConfig(session=CPU), (detector, files[1])).track(frames, FPS)
    assert np.percentile(errors(track, truth), 95) < 1.5


def test_settings_say_what_decides_the_keypoints(files: Files) -> None:
    plain = estimator(files).settings()
    assert plain == json.loads(canonical_json(plain))
    assert plain["provider"] == "CPUExecutionProvider"
    assert set(plain["weights_sha256"]) == {"dwpose-detection", "dwpose-pose"}
    assert estimator(files, session=replace(CPU, threads=2)).settings() == plain
    assert estimator(files, every_s=0.0).settings() != plain
    assert estimator(files).check() == []  # files of one's own need no weights


@pytest.mark.parametrize("name", ["dwpose", "rtmw"])
def test_missing_weights_are_named_with_what_brings_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path))
    missing = ESTIMATORS[name](PoseConfig()).check()
    assert len(missing) == 2
    assert all(f"mrfashion weights fetch {name}" in text for text in missing)


def test_a_device_that_is_not_there_is_an_error_unless_allowed(files: Files) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime offers CUDA")
    with pytest.raises(MissingRequirement, match="cuda"):
        estimator(files, session=OnnxConfig(device="cuda")).settings()
    allowed = OnnxConfig(device="cuda", allow_fallback=True)
    assert estimator(files, session=allowed).settings()["provider"] == "CPUExecutionProvider"


# The whole way, from videos to tables.


@pytest.fixture
def dwpose(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ESTIMATORS, "dwpose", lambda config: TopDown("dwpose", config.onnx, files))


@pytest.fixture
def videos(clips: list[tuple[np.ndarray, ...]], tmp_path: Path) -> Path:
    for name, (frames, _, _) in zip(("turn", "walk"), clips, strict=True):
        write_clip(tmp_path / "in" / f"{name}.mp4", frames, FPS)
    return tmp_path / "in"


def curation() -> CurateConfig:
    return CurateConfig(
        poses=PoseConfig(estimator="dwpose", onnx=TopDownConfig(session=CPU)),
        splits=SplitConfig(0.0, 0.0, 1.0),
        samples=SampleConfig(frames=6),
    )


def test_videos_are_curated_with_dwpose_and_the_tables_say_how(
    dwpose: None, videos: Path, clips: list[tuple[np.ndarray, ...]], tmp_path: Path
) -> None:
    heard: list[str] = []
    config = curation()
    summary = curate([str(videos)], tmp_path / "out", config, workers=2, tell=heard.append)
    assert (summary.kept, summary.rejects, summary.failures) == (2, [], [])
    assert heard == ["poses by dwpose on CPUExecutionProvider"]
    part = tmp_path / "out" / KEYPOINT_PARTS / "part-000.parquet"
    made = tables.KEYPOINTS.metadata(part)["estimators"]["dwpose"]
    assert made["provider"] == "CPUExecutionProvider"
    assert made["keypoints"]["colour_order"] == "rgb"
    assert made["follow"]["detect_every_s"] == 0.4
    recorded = json.loads((tmp_path / "out/run.json").read_text())["runs"][0]
    assert recorded["estimators"] == {"dwpose": made}
    dataset = Dataset(tmp_path / "out")
    for clip in dataset.clips.values():
        truth = clips["walk" in clip.source_id][1]
        keypoints = dataset.keypoints(clip.clip_id)
        sure = keypoints[:, :BODY, 2] > 0.9
        apart = np.linalg.norm(keypoints[:, :BODY, :2] - truth[:, :BODY, :2], axis=-1)[sure]
        assert np.percentile(apart, 95) < 1.5
    curate([str(videos)], tmp_path / "alone", config, workers=1)
    assert (tmp_path / "alone" / KEYPOINT_PARTS / part.name).read_bytes() == part.read_bytes()
    again = curate([str(videos)], tmp_path / "out", config)
    assert again.notes["poses"] == {"reused: same inputs and settings": 2}


def test_a_device_that_is_not_there_stops_before_any_encoding(
    dwpose: None, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "dwpose.toml"
    config.write_text("[poses]\nestimator = 'dwpose'\n[poses.onnx.session]\nthreads = 1\n")
    out = tmp_path / "out"
    arguments = ["curate", str(videos), "--out", str(out), "--config", str(config)]
    assert run([*arguments, "--device", "coreml"]) == ExitCode.MISSING
    assert "device 'coreml' is not there" in capsys.readouterr().err
    assert not list(out.glob("clips/*"))
    assert run([*arguments, "--device", "cpu", "--limit", "1"]) == ExitCode.COMPLETE
    assert "poses by dwpose on CPUExecutionProvider" in capsys.readouterr().err


def test_an_estimator_without_a_choice_of_device_says_so() -> None:
    with pytest.raises(ConfigError, match="blazepose knows none"):
        PoseConfig().on("cuda")
