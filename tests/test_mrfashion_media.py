from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.errors import ItemError
from mrfashion.media import decode, probe, read_frames, write_clip, write_lossless

RAMP = np.linspace(0, 255, 96, dtype=np.uint8)


def pictures(count: int = 10, height: int = 64, width: int = 96) -> np.ndarray:
    """Smooth grey pictures that move: 4:2:0 loses nothing but rounding."""
    base = np.broadcast_to(RAMP[None, :width, None], (height, width, 3))
    return np.stack([np.roll(base, 3 * i, axis=1) for i in range(count)])


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(8, 40),
    width=st.integers(8, 40),
    count=st.integers(1, 5),
    seed=st.integers(0),
)
def test_lossless_gives_back_every_value_at_any_size(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, count: int, seed: int
) -> None:
    path = tmp_path_factory.mktemp("v") / "v.mkv"
    frames = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)
    assert write_lossless(path, frames, 16.0) == count
    assert np.array_equal(read_frames(path), frames)


def test_what_the_encoder_cannot_do_is_an_item_error(tmp_path: Path) -> None:
    with pytest.raises(ItemError, match="ffv1 could not write it"):
        write_lossless(tmp_path / "tiny.mkv", pictures(1, 2, 1), 25.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [(48, 36), (64, 96), (62, 46)])
def test_clips_encode_to_the_same_bytes_side_by_side(tmp_path: Path, size: tuple[int, int]) -> None:
    """Frames without timestamps, or x264's fast mbtree, gave several files from one input."""
    frames = pictures(16, *size) // 2 + np.arange(16, dtype=np.uint8)[:, None, None, None]

    def encode(number: int) -> bytes:
        path = tmp_path / f"{number}.mp4"
        write_clip(path, frames, 16.0)
        return path.read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(encode, range(80)))) == 1


def test_clips_keep_nearly_the_same_pixels(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", pictures(), 25.0)
    error = np.abs(read_frames(tmp_path / "a.mp4").astype(int) - pictures())
    assert error.mean() < 2.0


@pytest.mark.parametrize("colour", [(200, 30, 30), (30, 200, 30), (30, 60, 200), (250, 250, 250)])
def test_colours_survive_bt709(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    """A mismatch of BT.601 and BT.709 moves these colours by 5 to 30 levels."""
    flat = np.broadcast_to(np.array(colour, np.uint8), (3, 32, 32, 3)).copy()
    write_clip(tmp_path / "flat.mp4", flat, 25.0)
    assert np.abs(read_frames(tmp_path / "flat.mp4").astype(int) - flat).max() <= 2


def test_clips_carry_keyframes_every_second_and_bt709(tmp_path: Path) -> None:
    write_clip(tmp_path / "c.mp4", pictures(30), 10.0)
    with av.open(str(tmp_path / "c.mp4")) as container:
        stream = container.streams.video[0]
        keys = [i for i, frame in enumerate(container.decode(stream)) if frame.key_frame]
        assert max(np.diff([*keys, 30])) <= 10
        assert stream.codec_context.colorspace == 1
        assert stream.codec_context.pix_fmt == "yuv420p"


def test_odd_sizes_lose_one_line(tmp_path: Path) -> None:
    write_clip(tmp_path / "odd.mp4", pictures(3, 63, 47), 25.0)
    info = probe(tmp_path / "odd.mp4")
    assert (info.height, info.width) == (62, 46)


def test_probe_tells_rate_size_and_codec(tmp_path: Path) -> None:
    write_clip(tmp_path / "c.mp4", pictures(5), 30000 / 1001)
    info = probe(tmp_path / "c.mp4")
    assert (info.width, info.height, info.codec) == (96, 64, "h264")
    assert info.fps == pytest.approx(29.97, abs=1e-3)
    assert info.time_base.startswith("1/")


def test_frames_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    write_lossless(tmp_path / "c.mkv", pictures(8), 25.0)
    assert np.array_equal(read_frames(tmp_path / "c.mkv", [5, 2, 5]), pictures(8)[[5, 2, 5]])
    with pytest.raises(ItemError, match="has no frame"):
        read_frames(tmp_path / "c.mkv", [8])


def test_timestamps_grow(tmp_path: Path) -> None:
    write_clip(tmp_path / "c.mp4", pictures(12), 25.0)
    pts = [frame.pts for frame in decode(tmp_path / "c.mp4")]
    assert pts == sorted(set(pts))


def test_no_frames_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ItemError, match="no frame to write"):
        write_clip(tmp_path / "empty.mp4", [], 25.0)
    assert not list(tmp_path.iterdir())


def hostile_files(folder: Path) -> dict[str, Path]:
    """Name of the error each should give => a file that no player likes."""
    files = {}
    write_clip(folder / "good.mp4", pictures(30), 25.0)
    good = (folder / "good.mp4").read_bytes()
    for name, data in {
        "probe.corrupt": b"not a video at all" * 50,
        "probe.corrupt ": b"",
        "decode.truncated": good[: len(good) // 3],
        "probe.corrupt   ": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n",
    }.items():
        files[name] = folder / f"{len(files)}.mp4"
        files[name].write_bytes(data)
    with av.open(str(folder / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    files["probe.no_video"] = folder / "sound.mp4"
    files["probe.missing"] = folder / "missing.mp4"
    return files


def test_hostile_files_give_a_named_error(tmp_path: Path) -> None:
    for code, path in hostile_files(tmp_path).items():
        with pytest.raises(ItemError) as error:
            list(decode(path))
        assert error.value.code == code.strip()
        assert str(tmp_path) not in error.value.text


def test_a_video_without_frames_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    with av.open(str(path), "w", options={"movflags": "empty_moov+frag_keyframe"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        container.start_encoding()
    with pytest.raises(ItemError) as error:
        probe(path)
    assert error.value.code in ("decode.no_frames", "probe.corrupt")


@pytest.mark.realdata
def test_every_real_video_decodes(realdata: Path) -> None:
    paths = sorted(realdata.glob("videos/*")) + sorted(realdata.glob("nc/videos/*"))
    assert len(paths) >= 12
    for path in paths:
        info = probe(path)
        first = next(decode(path))
        assert first.image.shape == (info.height, info.width, 3)
