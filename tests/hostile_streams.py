"""Videos with other streams than one of 8-bit video: sound alone, many, pictures, HDR, rotated."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.hostile_case import Case
from tests.hostile_headers import case, patched
from tests.hostile_videos import encode, footage


def streams() -> Iterator[Case]:
    """How many streams there are, and of what."""
    yield case(
        "stream-sound-only", "probe.no_video", lambda seed: _streams(seed, videos=0, sounds=1)
    )
    yield case("stream-many-sounds", "kept", lambda seed: _streams(seed, videos=1, sounds=40))
    yield case(
        "stream-video-last", "kept", lambda seed: _streams(seed, videos=1, sounds=3, first="sound")
    )
    yield case("stream-two-videos", "kept", lambda seed: _streams(seed, videos=2, sounds=0))
    yield case(
        "stream-no-frames",
        "decode.no_frames|probe.corrupt",
        lambda seed: _streams(seed, 1, 0, frames=0),
    )
    yield case(
        "stream-subtitles", "kept", lambda seed: _streams(seed, 1, 1, form="matroska"), ".mkv"
    )


def _streams(
    seed: str,
    videos: int,
    sounds: int,
    first: str = "video",
    frames: int = 24,
    form: str = "mp4",
) -> bytes:
    with tempfile.NamedTemporaryFile() as file:
        with av.open(
            file.name, "w", format=form, options={"movflags": "empty_moov"} if not frames else {}
        ) as out:
            kinds = ["video"] * videos + ["sound"] * sounds
            made: list[Any] = []
            for kind in sorted(kinds, key=lambda kind: kind != first):
                if kind == "video":
                    stream: Any = out.add_stream("libx264", rate=12)
                    stream.height, stream.width, stream.pix_fmt = 64, 48, "yuv420p"
                else:
                    stream = out.add_stream("aac", rate=16000)
                    stream.layout = "mono"
                made.append((kind, stream))
            out.start_encoding()
            for number in range(frames):
                for kind, stream in made:
                    if kind == "video":
                        image = footage(seed)[number]
                        frame: Any = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                            format="yuv420p"
                        )
                        frame.pts, frame.time_base = number, Fraction(1, 12)
                    else:
                        frame = av.AudioFrame.from_ndarray(
                            np.zeros((1, 1024), np.float32), "fltp", "mono"
                        )
                        frame.sample_rate, frame.pts = 16000, number * 1024
                    out.mux(stream.encode(frame))
            for _, stream in made:
                if frames:
                    out.mux(stream.encode())
        return Path(file.name).read_bytes()


PIXELS = {  # codec => its container, and layouts that 8-bit RGB comes from
    "ffv1": ("mkv", ("gray", "yuv420p10le", "yuv444p16le", "bgra", "gbrp16le", "ya8")),
    "libx264": ("mp4", ("yuv422p", "yuv444p", "yuv420p10le", "gray", "yuvj420p", "nv12")),
    "libvpx-vp9": ("webm", ("yuv420p", "yuv444p", "yuva420p")),
    "libsvtav1": ("mkv", ("yuv420p10le",)),
    "mjpeg": ("avi", ("yuvj420p", "yuvj444p")),
    "huffyuv": ("avi", ("rgb24", "bgra")),
    "rawvideo": ("avi", ("bgr24", "yuyv422", "gray")),
    "prores_ks": ("mov", ("yuv422p10le", "yuva444p10le")),
    "png": ("mov", ("rgb24", "rgba", "monob", "rgb48be")),
    "gif": ("mov", ("rgb8",)),
    "qtrle": ("mov", ("rgb24", "argb")),
    "mpeg2video": ("mkv", ("yuv420p",)),
    "h263": ("mov", ()),
}
SUFFIXES = {"mkv": ".mkv", "mp4": ".mp4", "webm": ".webm", "avi": ".avi", "mov": ".mov"}


def pixels() -> Iterator[Case]:
    """Every codec and layout is either read or named as what cannot be."""
    for codec, (container, layouts) in PIXELS.items():
        for layout in layouts:
            yield case(
                f"pixels-{codec}-{layout}",
                "kept",
                lambda seed, c=codec, b=container, p=layout: encode(seed, b, c, p),  # type: ignore[misc]
                SUFFIXES[container],
            )


def turned() -> Iterator[Case]:
    """Rotation and mirroring in the header, of every kind."""
    one = 1 << 16
    matrices = {
        "90": (0, one, -one, 0), "180": (-one, 0, 0, -one), "270": (0, -one, one, 0),
        "45": (46341, 46341, -46341, 46341), "mirrored": (-one, 0, 0, one), "zero": (0, 0, 0, 0),
        "huge": (2**31 - 1, -(2**31), 2**31 - 1, 2**31 - 1),
    }  # fmt: skip
    for name, (a, b, c, d) in matrices.items():
        matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)

        def make(seed: str, matrix: bytes = matrix) -> bytes:
            return patched(encode(seed), b"tkhd", 44, matrix)

        yield case(f"turned-{name}", "kept|filter.resolution: too few pixels", make)


def bright() -> Iterator[Case]:
    """High dynamic range: its colours are no BT.709 and would all be wrong."""
    for name, transfer in (("pq", 16), ("hlg", 18)):
        for codec, container in (("libsvtav1", "mp4"), ("libvpx-vp9", "webm"), ("libx264", "mkv")):
            options = {"color_trc": str(transfer), "color_primaries": "9", "colorspace": "9"}
            yield case(
                f"hdr-{name}-{codec}",
                "probe.hdr",
                lambda seed, c=codec, b=container, o=options: encode(seed, b, c, codec_options=o),  # type: ignore[misc]
                SUFFIXES[container],
            )
    yield case(
        "hdr-not-wide-primaries",
        "kept",
        lambda seed: encode(seed, codec_options={"color_primaries": "9"}),
    )
