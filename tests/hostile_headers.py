"""Videos whose headers lie, or whose streams are of a kind that fashion footage rarely is."""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.hostile_case import Case
from tests.hostile_videos import LOST, encode, footage, write_video

Make = Callable[[str], bytes]
DAMAGED = f"{LOST}|probe.too_large|probe.too_long|probe.corrupt"


def case(name: str, expected: str, make: Make, suffix: str = ".mp4") -> Case:
    """One video of its own making."""

    def write(folder: Path) -> None:
        write_video(folder, f"v{suffix}", make(folder.name))

    return Case(name, write, {f"v{suffix}": expected})


def box(kind: bytes, body: bytes) -> bytes:
    """A box of an mp4."""
    return struct.pack(">I4s", 8 + len(body), kind) + body


def patched(data: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    """The bytes with `value` at `offset` behind the first `mark`, of an mp4 behind its brands."""
    at = data.index(mark, 32) + offset
    return data[:at] + value + data[at + len(value) :]


def in_mp4(mark: bytes, offset: int, value: bytes) -> Make:
    """A sound mp4 with one field of one box changed."""
    return lambda seed: patched(encode(seed), mark, offset, value)


def sizes() -> Iterator[Case]:
    """Frames of absurd size, in the header or in fact."""
    huge = struct.pack(">HH", 65535, 65535)
    # The codec's own header says 48 x 64, and it is the one that counts.
    yield case("size-mp4-header-65535", f"probe.too_large|kept|{LOST}", in_mp4(b"avc1", 28, huge))
    yield case("size-mp4-header-0", f"kept|{LOST}", in_mp4(b"avc1", 28, bytes(4)))
    yield case(
        "size-png-65535",
        "probe.too_large|probe.corrupt|decode.truncated",
        _png(65535, 65535),
        ".mov",
    )
    yield case(
        "size-png-30000",
        "probe.too_large|probe.corrupt|decode.truncated",
        _png(30000, 30000),
        ".mov",
    )
    yield case("size-png-0", "probe.corrupt|decode.truncated|decode.no_frames", _png(0, 0), ".mov")
    yield case(
        "size-raw-65535",
        "probe.too_large|probe.corrupt|decode.truncated",
        _raw_avi(65535, 65535),
        ".avi",
    )
    yield case("size-raw-negative", DAMAGED, _raw_avi(-64, -64), ".avi")
    yield case(
        "size-jpeg-65500",
        "probe.too_large|decode.truncated|probe.corrupt",
        _jpeg(65500, 65500),
        ".avi",
    )
    yield case("size-mkv-header-65535", f"kept|probe.too_large|{LOST}", _mkv_size, ".mkv")
    for height, width in ((2, 2), (16, 2000), (2000, 16), (17, 33)):
        small = np.zeros((24, height, width, 3), np.uint8)
        yield case(
            f"size-{height}x{width}",
            "filter.resolution: too few pixels|probe.too_small",
            lambda seed, small=small: encode(seed, "mkv", "ffv1", "bgr0", small),  # type: ignore[misc]
            ".mkv",
        )
    yield case("size-changes", "decode.size_changed", _changing, ".mp4")


def _changing(seed: str) -> bytes:
    """MPEG-TS dressed as mp4: two videos of other sizes in one stream, as broadcasts have them."""
    parts = []
    for side in (64, 96):
        frames = np.full((16, side, side, 3), 90 + side, np.uint8)
        with tempfile.NamedTemporaryFile(suffix=".ts") as file:
            with av.open(file.name, "w", format="mpegts") as out:
                stream: Any = out.add_stream("mpeg2video", rate=25)
                stream.height = stream.width = side
                stream.pix_fmt = "yuv420p"
                for image in frames:
                    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                    out.mux(stream.encode(frame.reformat(format="yuv420p")))
                out.mux(stream.encode())
            parts.append(Path(file.name).read_bytes())
    return b"".join(parts)


def _png(width: int, height: int) -> Make:
    """A picture of a few bytes that says it is enormous, as the frame of a video."""
    import io

    from PIL import Image

    def make(seed: str) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (48, 64), (9, 200, 9)).save(buffer, "png")
        png = bytearray(buffer.getvalue())
        png[16:24] = struct.pack(">II", width, height)
        png[29:33] = struct.pack(">I", zlib.crc32(bytes(png[12:29])))
        return _muxed("mov", "png", [bytes(png)] * 24)

    return make


def _jpeg(width: int, height: int) -> Make:
    import io

    from PIL import Image

    def make(seed: str) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (48, 64), (9, 200, 9)).save(buffer, "jpeg")
        data = patched(buffer.getvalue(), b"\xff\xc0", 5, struct.pack(">HH", height, width))
        return _muxed("avi", "mjpeg", [data] * 24)

    return make


def _muxed(form: str, codec: str, packets: list[bytes], **stream_fields: int) -> bytes:
    """Packets as they are, in a container."""
    with tempfile.NamedTemporaryFile() as file:
        with av.open(file.name, "w", format=form) as out:
            stream: Any = out.add_stream(codec, rate=12)
            stream.width, stream.height = 48, 64
            stream.pix_fmt = {"png": "rgb24", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
            stream.codec_context.time_base = Fraction(1, 12)
            out.start_encoding()
            for number, data in enumerate(packets):
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, Fraction(1, 12)
                packet.pts = packet.dts = number
                packet.is_keyframe = True
                out.mux(packet)
        return Path(file.name).read_bytes()


def _raw_avi(width: int, height: int) -> Make:
    """Uncompressed video: the header alone says how much memory a frame takes."""

    def make(seed: str) -> bytes:
        data = encode(seed, "avi", "rawvideo", "bgr24", footage(seed)[:3])
        at = data.index(b"strf") + 12
        return data[:at] + struct.pack("<ii", width, height) + data[at + 8 :]

    return make


def _mkv_size(seed: str) -> bytes:
    """PixelWidth (B0) and PixelHeight (BA) of one byte each become what they are not."""
    data = encode(seed, "mkv")
    at = data.index(b"\xe0", data.index(b"\x16\x54\xae\x6b"))
    return data[:at] + data[at:].replace(b"\xb0\x81\x30", b"\xb0\x81\xff", 1)


def times() -> Iterator[Case]:
    """Rates, durations and timestamps that cannot be."""
    rates = (
        "kept|probe.no_rate|probe.too_long|decode.timestamps|filter.duration: too short|probe.vfr"
    )
    for name, value in (("0", 0), ("1", 1), ("max", 0xFFFFFFFF), ("2e9", 2_000_000_000)):
        word = struct.pack(">I", value)
        yield case(f"time-scale-{name}", f"{rates}|{DAMAGED}", in_mp4(b"mdhd", 16, word))
    for name, value in (("0", 0), ("1", 1), ("max", 0xFFFFFFFF), ("negative", 0x80000000)):
        word = struct.pack(">I", value)
        yield case(f"time-delta-{name}", f"{rates}|{DAMAGED}", in_mp4(b"stts", 16, word))
    for name, value in (("0", 0), ("max", 0xFFFFFFFF)):
        word = struct.pack(">I", value)
        yield case(f"time-duration-{name}", f"{rates}|{DAMAGED}", in_mp4(b"mdhd", 20, word))
        yield case(f"time-movie-duration-{name}", f"{rates}|{DAMAGED}", in_mp4(b"mvhd", 20, word))
    for name, (rate, scale) in {
        "0-0": (0, 0), "0-1": (0, 1), "max-1": (0xFFFFFFFF, 1), "1-max": (1, 0xFFFFFFFF),
        "1e6-1": (1_000_000, 1),
    }.items():  # fmt: skip

        def make(seed: str, rate: int = rate, scale: int = scale) -> bytes:
            data = encode(seed, "avi")
            return patched(data, b"strh", 28, struct.pack("<II", scale, rate))

        yield case(f"time-avi-rate-{name}", f"{rates}|{DAMAGED}", make, ".avi")
    count = 24
    for name, pts in {
        "gap": [*range(12), *range(120_000, 120_012)],
        "jitter": [2 * i + (i % 3 == 1) for i in range(count)],
        "start-late": list(range(90_000, 90_000 + count)),
        "start-negative": list(range(-50, count - 50)),
        "slowing": [i * i for i in range(count)],
    }.items():
        for container, suffix in (("mp4", ".mp4"), ("mkv", ".mkv")):
            yield case(
                f"time-pts-{name}-{container}",
                "kept|decode.timestamps|probe.no_rate|probe.too_long|filter.duration: too short"
                "|probe.vfr|sidecar.length|decode.no_frames",
                lambda seed, pts=pts, container=container: encode(seed, container, pts=pts),  # type: ignore[misc]
                suffix,
            )
    yield case(
        "time-one-frame",
        "filter.duration: too short",
        lambda seed: encode(seed, frames=footage(seed)[:1]),
    )
    yield case(
        "time-two-frames",
        "filter.duration: too short",
        lambda seed: encode(seed, frames=footage(seed)[:2]),
    )


def tables() -> Iterator[Case]:
    """Sample tables of an mp4 that promise more than any file holds: memory, not disk, pays."""
    most = struct.pack(">I", 0xFFFFFFFF)
    for name, mark, offset in (
        ("stsz-count", b"stsz", 12), ("stts-count", b"stts", 8), ("stts-run", b"stts", 12),
        ("stsc-count", b"stsc", 8), ("stsc-run", b"stsc", 16), ("stco-count", b"stco", 8),
        ("stss-count", b"stss", 8), ("ctts-count", b"ctts", 8), ("stsd-count", b"stsd", 8),
    ):  # fmt: skip
        yield case(f"table-{name}", f"{DAMAGED}|kept", in_mp4(mark, offset, most))
    yield case("table-index-bomb", DAMAGED, _index_bomb)
    for name in (b"avc1", b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mdat", b"avcC"):
        yield case(
            f"box-renamed-{name.decode()}",
            f"{DAMAGED}|decode.codec_unsupported|kept",
            in_mp4(name, 0, b"evil"),
        )
    yield case("codec-unknown", "decode.codec_unsupported", in_mp4(b"avc1", 0, b"zzzz"))
    yield case(
        "codec-encrypted",
        "decode.codec_unsupported|decode.truncated|decode.no_frames",
        in_mp4(b"avc1", 0, b"encv"),
    )
    yield case("codec-other", f"{DAMAGED}|decode.codec_unsupported", in_mp4(b"avc1", 0, b"av01"))


def _index_bomb(seed: str) -> bytes:
    """150 million samples of one byte in one chunk: a few bytes that ask for 4 GB of index."""
    data = patched(encode(seed), b"stsz", 8, struct.pack(">II", 1, 150_000_000))
    return patched(data, b"stsc", 16, struct.pack(">I", 150_000_000))


def endless() -> Iterator[Case]:
    """What has no end, or none within reason."""

    def fifo(folder: Path) -> None:
        os.mkfifo(folder / "v.mp4")

    def sparse(folder: Path) -> None:
        for name, head in (
            ("a.mp4", encode("sparse")),
            ("b.mkv", encode("sparse", "mkv")),
            ("c.avi", b""),
        ):
            with (folder / name).open("wb") as file:
                file.write(head)
                file.truncate(1 << 40)

    def device(folder: Path) -> None:
        (folder / "v.mp4").symlink_to("/dev/zero")

    yield Case("endless-fifo", fifo, {"v.mp4": "sources: not a file"})
    names = ("a.mp4", "b.mkv", "c.avi")
    yield Case("endless-sparse", sparse, dict.fromkeys(names, "sources: too large"))
    yield Case("endless-device", device, {"v.mp4": "sources: links out of its folder"})
    yield case("endless-frames", "probe.too_long|decode.too_long", _many_frames, ".mkv")
    yield case("endless-live", "kept", _live, ".mkv")


def _many_frames(seed: str) -> bytes:
    """More frames than the limits of the test's settings allow."""
    return encode(seed, "mkv", "ffv1", "gray", np.zeros((700, 64, 48, 3), np.uint8))


def _live(seed: str) -> bytes:
    """Matroska as a live stream writes it: a segment of unknown size, no duration, no index."""
    data = encode(seed, "mkv")
    at = data.index(b"\x18\x53\x80\x67")
    return data[: at + 4] + b"\x01" + b"\xff" * 7 + data[at + 12 :]
