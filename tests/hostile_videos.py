"""Videos that are damaged, lie about themselves or are something else, made byte by byte."""

from __future__ import annotations

import random
import struct
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import av
import numpy as np

from mrfashion.poses.sidecar import Sidecar, sidecar_path, write_sidecar
from tests.footage import FPS, turning_clip
from tests.hostile_case import Case

CONTAINERS = {  # name => suffix, format, codec, options of the container
    "mp4": (".mp4", "mp4", "libx264", {"movflags": "+faststart"}),
    "mp4-index-last": (".mp4", "mp4", "libx264", {}),
    "mp4-fragments": (".mp4", "mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
    "mov": (".mov", "mov", "mpeg4", {}),
    "mkv": (".mkv", "matroska", "libx264", {}),
    "webm": (".webm", "webm", "libvpx-vp9", {}),
    "avi": (".avi", "avi", "mpeg4", {}),
}
# A video that lost bytes: it cannot be opened, breaks off, or has fewer frames than keypoints.
LOST = (
    "probe.corrupt|probe.no_video|probe.no_rate|decode.no_frames|decode.truncated|"
    "decode.timestamps|decode.size_changed|decode.codec_unsupported|sidecar.length|"
    "filter.duration: too short"
)


def number_of(name: str) -> int:
    """A number that differs between cases and not between runs: their pictures differ by it."""
    return sum(map(ord, name)) % 97


def write_video(folder: Path, name: str, data: bytes) -> None:
    """A video whose keypoints are known: what is readable ends as kept."""
    (folder / name).write_bytes(data)
    _, keypoints, yaw = turning_clip(number_of(folder.name), 0)
    write_sidecar(sidecar_path(folder / name), Sidecar(keypoints, yaw))


@lru_cache(maxsize=256)
def footage(seed: str) -> np.ndarray:
    """f h w 3: the turning block before a wall painted for the case: no two are duplicates."""
    frames = turning_clip(number_of(seed), number_of(seed))[0]
    rng = np.random.default_rng(crc32(seed.encode()))
    wall = np.kron(rng.integers(0, 256, (8, 6, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    return np.where(frames == 230, wall, frames)


def encode(
    seed: str,
    container: str = "mp4",
    codec: str | None = None,
    pixels: str = "yuv420p",
    frames: np.ndarray | None = None,
    pts: list[int] | None = None,
    codec_options: dict[str, str] | None = None,
    rate: int = int(FPS),
) -> bytes:
    """A small video => its bytes. `pts` in units of 1 / rate."""
    _, form, usual, options = CONTAINERS[container]
    images = footage(seed) if frames is None else frames
    with (
        tempfile.NamedTemporaryFile() as file,  # no buffer: faststart opens it a second time
        av.open(file.name, "w", format=form, options=options) as out,
    ):
        stream = out.add_stream(codec or usual, rate=rate, options=codec_options or {})
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = pixels
        stream.codec_context.thread_count = 1
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
            frame.pts = number if pts is None else pts[number]
            frame.time_base = 1 / stream.codec_context.framerate
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        out.close()
        return Path(file.name).read_bytes()


def truncated() -> Iterator[Case]:
    """Every container, cut at every kind of place."""
    for name, (suffix, *_) in CONTAINERS.items():
        for percent in (1, 8, 20, 40, 60, 80, 95, 99):

            def make(
                folder: Path, name: str = name, suffix: str = suffix, percent: int = percent
            ) -> None:
                data = encode(folder.name, name)
                write_video(folder, f"v{suffix}", data[: len(data) * percent // 100])

            # What is cut near the end may be an index nobody needs: kept, if all frames are there.
            tail = "|kept" if percent >= 80 else ""
            yield Case(f"cut-{name}-{percent}", make, {f"v{suffix}": LOST + tail})


def flipped() -> Iterator[Case]:
    """Bytes changed at random: whatever they hit, the outcome is one of a video's."""
    for name, (suffix, *_) in CONTAINERS.items():
        for seed in range(5):

            def make(
                folder: Path, name: str = name, suffix: str = suffix, seed: int = seed
            ) -> None:
                rng, data = random.Random(seed), bytearray(encode(folder.name, name))
                for _ in range(1 + 12 * seed):
                    data[rng.randrange(len(data))] = rng.randrange(256)
                write_video(folder, f"v{suffix}", bytes(data))

            yield Case(f"flip-{name}-{seed}", make, {f"v{suffix}": f"{LOST}|kept|probe.too_large"})


OTHERS = {  # what is no video by its bytes, whatever its name
    "empty": b"",
    "one-byte": b"\0",
    "zeros": bytes(5000),
    "noise": random.Random(1).randbytes(5000),
    "text": b"not a video at all\n" * 99,
    "html": b"<!doctype html><script>alert(1)</script>" * 20,
    "png": b"\x89PNG\r\n\x1a\n" + bytes(3000),
    "gif": b"GIF89a" + bytes(3000),
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(3000),
    "zip": b"PK\x03\x04" + bytes(3000),
    "gzip": b"\x1f\x8b\x08" + bytes(3000),
    "elf": b"\x7fELF" + bytes(3000),
    "pdf": b"%PDF-1.7\n" + bytes(3000),
    "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "ftyp-only": struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 0, b"isom"),
    "box-of-0": struct.pack(">I4s", 0, b"moov") * 50,
    "box-of-1": struct.pack(">I4sQ", 1, b"moov", 1 << 62) * 50,
    "box-too-long": struct.pack(">I4s", 0x7FFFFFFF, b"moov") + bytes(999),
    "boxes-in-boxes": b"".join(struct.pack(">I4s", 40000 - 8 * i, b"moov") for i in range(4999)),
    "ebml-only": b"\x1a\x45\xdf\xa3" + bytes(2000),
    "riff-only": b"RIFF\xff\xff\xff\xffAVI LIST\xff\xff\xff\xffhdrl" + bytes(2000),
    "wav": b"RIFF\x24\x10\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0"
    b"data\0\x10\0\0" + bytes(4096),
    "subtitles": b"1\n00:00:00,000 --> 00:00:02,000\n<b>hello</b>\n\n" * 20,
    # Lists that name other files: a decoder that follows them reads what it was not given.
    "hls-network": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n",
    "hls-local": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n"
    b"../../outside/secret.mp4\n#EXT-X-ENDLIST\n",
    "concat": b"ffconcat version 1.0\nfile ../../outside/secret.mp4\n",
    "concat-beside": b"ffconcat version 1.0\nfile secret.mp4\n",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    b"m=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "dash": b'<?xml version="1.0"?><MPD><Period><AdaptationSet><Representation>'
    b"<BaseURL>file:///etc/passwd</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "aviscript": b'AviSource("/etc/passwd")\n',
}


def others() -> Iterator[Case]:
    """What is no video, by each of three names."""
    for number, (name, data) in enumerate(OTHERS.items()):
        suffix = (".mp4", ".mkv", ".avi")[number % 3]

        def make(folder: Path, data: bytes = data, suffix: str = suffix) -> None:
            write_video(folder, f"v{suffix}", data)
            (folder / ".secret.mp4").write_bytes(encode("secret"))

        yield Case(f"no-video-{name}", make, {f"v{suffix}": "probe.corrupt|probe.no_video"})
