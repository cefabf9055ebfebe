"""The only video and image decoder and encoder. Frames are uint8 RGB `f h w c` everywhere.

PyAV is imported inside functions: reading tables and training on rendered data need none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import atomic_path
from mrfashion.errors import ItemError, MissingRequirement
from mrfashion.generation import Frames
from mrfashion.limits import LIMITS, SourceLimits, check_header, check_side, limited
from mrfashion.timing import to_the_end

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

# Formats whose first three planes are 8-bit luma and chroma; others are converted first.
PLANAR = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p")
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
MAX_FPS = 1000
# Containers that hold all they show: a playlist would make us read what nobody named.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf"
HDR = {16: "PQ", 18: "HLG"}  # transfer functions of ITU-T H.273 whose values are no BT.709's


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a container says of its first video stream."""

    width: int  # as shown, rotation applied
    height: int
    fps: float
    time_base: str  # "1/12800"
    codec: str
    rotation: int  # degrees, counter-clockwise: 0, 90, 180 or 270


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded frame."""

    image: NDArray[np.uint8]  # h w 3, RGB
    pts: int


@dataclass(frozen=True, eq=False)
class Planes:
    """A decoded frame as the codec holds it: views of its memory, `rotation` not yet applied."""

    y: NDArray[np.uint8]  # h w
    u: NDArray[np.uint8]  # half of it along one side, both, or neither
    v: NDArray[np.uint8]
    pts: int
    rotation: int  # degrees, counter-clockwise: 0, 90, 180 or 270
    full_range: bool  # luma is 0 to 255, else 16 to 235
    bt709: bool  # else BT.601


def probe(path: Path) -> VideoInfo:
    """Describe a video from its header and first frame; ItemError if it has none."""
    with _open(path) as container:
        return _info(container, next(_decoded(container, path), None))


def _info(container: InputContainer, first: Any) -> VideoInfo:
    if first is None:
        raise ItemError("decode.no_frames", "the video stream holds no frame")
    stream = container.streams.video[0]
    if transfer := HDR.get(stream.codec_context.color_trc):
        raise ItemError("probe.hdr", f"its colours are HDR ({transfer}); map them to BT.709 first")
    rate = stream.average_rate or stream.base_rate or stream.guessed_rate
    if not rate or not 0 < rate <= MAX_FPS:
        raise ItemError("probe.no_rate", f"frame rate {rate}; allowed: above 0 to {MAX_FPS}")
    turns = _turns(first)
    return VideoInfo(
        width=first.height if turns % 2 else first.width,
        height=first.width if turns % 2 else first.height,
        fps=float(rate),
        time_base=str(stream.time_base),
        codec=stream.codec_context.name,
        rotation=90 * turns,
    )


@contextmanager
def open_planes(
    path: Path, limits: SourceLimits = LIMITS
) -> Iterator[tuple[VideoInfo, Iterator[Planes]]]:
    """What a video is, and its frames without the cost of RGB; raises as `probe` and `decode`.

    Its frames end with ItemError decode.truncated where they do so long before the header says.
    """
    with _open(path, limits) as container:
        frames = _decoded(container, path, limits)
        first = next(frames, None)
        info = _info(container, first)
        check_side(info.width, info.height)
        yield info, map(_planes, to_the_end(container, chain([first], frames), info.fps))


def decode(path: Path) -> Iterator[Frame]:
    """Yield every frame in order; ItemError where the file breaks off or a frame is damaged."""
    with _open(path) as container:
        for frame in _decoded(container, path):
            yield Frame(_upright(frame), int(frame.pts or 0))


def read_frames(path: Path, indices: Sequence[int] | None = None) -> Frames:
    """Frames of a video, all or those at `indices` (in that order) => f h w 3, uint8.

    Decodes up to the last one asked for, which beats seeking per frame unless keyframes are
    nearer to each other than the frames asked for; only frames asked for become RGB.
    """
    wanted = None if indices is None else set(indices)
    found: dict[int, NDArray[np.uint8]] = {}
    with _open(path) as container:
        for number, frame in enumerate(_decoded(container, path)):
            if wanted is None or number in wanted:
                found[number] = _upright(frame)
            if wanted is not None and len(found) == len(wanted):
                break
    order = range(len(found)) if indices is None else indices
    missing = [i for i in order if i not in found]
    if missing or not found:
        raise ItemError("decode.truncated", f"{path.name} has no frame {missing[:3] or 0}")
    return np.stack([found[i] for i in order])


def write_clip(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float, crf: int = 12) -> int:
    """Encode H.264 (yuv420p, BT.709, a keyframe a second, one thread) => frames written.

    Equal frames give equal bytes. Odd sizes lose their last row or column: 4:2:0 has none.
    """
    options = {
        "crf": str(crf),
        "preset": "medium",
        "g": str(max(1, round(fps))),
        # Without it 1 to 10 % of encodes differ when several run at once (x264's mbtree).
        "x264-params": "cpu-independent=1",
    }
    return _encode(path, frames, fps, _Encoding("libx264", "yuv420p", options))


def write_lossless(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float) -> int:
    """Encode FFV1 in Matroska, which gives back every value => frames written."""
    return _encode(path, frames, fps, _Encoding("ffv1", "bgr0", {"level": "3", "slicecrc": "1"}))


@dataclass(frozen=True)
class _Encoding:
    """How frames are encoded; the one with 4:2:0 chroma is the one in BT.709."""

    codec: str
    pixels: str
    options: dict[str, str]

    @property
    def subsampled(self) -> bool:
        return self.pixels == "yuv420p"

    @property
    def muxing(self) -> dict[str, str]:
        faststart = {"movflags": "+faststart"} if self.subsampled else {}
        return {"fflags": "+bitexact"} | faststart


def _encode(
    path: Path, frames: Iterable[NDArray[np.uint8]], fps: float, encoding: _Encoding
) -> int:
    av = _av()
    with atomic_path(path) as temporary:
        try:
            with av.open(str(temporary), "w", options=encoding.muxing) as container:
                return _mux(container, frames, fps, encoding)
        except av.FFmpegError as error:
            text = f"{path.name}: {encoding.codec} could not write it: {error.strerror}"
            raise ItemError("encode.failed", text) from None


def _mux(
    container: OutputContainer,
    frames: Iterable[NDArray[np.uint8]],
    fps: float,
    encoding: _Encoding,
) -> int:
    av = _av()
    bt709 = {"dst_colorspace": "ITU709"} if encoding.subsampled else {}
    stream: Any = None
    count = 0
    for image in frames:
        if stream is None:
            stream = _stream(container, image, fps, encoding)
        image = np.ascontiguousarray(image[: stream.height, : stream.width])
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame = frame.reformat(format=encoding.pixels, **bt709)
        # Without these the rate control reads timestamps nobody set, and bytes differ by run.
        frame.pts, frame.time_base = count, 1 / stream.codec_context.framerate
        container.mux(stream.encode(frame))
        count += 1
    if stream is None:
        raise ItemError("encode.no_frames", "there is no frame to write")
    container.mux(stream.encode())
    return count


def _stream(
    container: OutputContainer, image: NDArray[np.uint8], fps: float, encoding: _Encoding
) -> Any:
    rate = Fraction(fps).limit_denominator(1001)
    stream: Any = container.add_stream(encoding.codec, rate=rate, options=encoding.options)
    even = 2 if encoding.subsampled else 1
    stream.height, stream.width = (side // even * even for side in image.shape[:2])
    stream.pix_fmt = encoding.pixels
    stream.codec_context.thread_count = 1
    if encoding.subsampled:
        from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

        stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.color_range = ColorRange.MPEG
        stream.codec_context.color_primaries = ColorPrimaries.BT709
        stream.codec_context.color_trc = ColorTrc.BT709
    return stream


@contextmanager
def _open(path: Path, limits: SourceLimits = LIMITS) -> Iterator[InputContainer]:
    av = _av()
    if not path.is_file():
        raise ItemError("probe.missing", f"{path.name} does not exist")
    # Neither the network nor another file; and a decoder asks before it allocates.
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    most = {"max_pixels": str(limits.pixels)}
    try:
        container = av.open(str(path), "r", options=options | most, metadata_errors="replace")
    except av.FFmpegError as error:
        raise ItemError("probe.corrupt", f"{path.name} is no video: {error.strerror}") from None
    with container:
        if not container.streams.video:
            raise ItemError("probe.no_video", f"{path.name} has no video stream")
        stream = container.streams.video[0]
        context = stream.codec_context
        if context is None:
            raise ItemError("decode.codec_unsupported", f"{path.name} is in a codec unknown here")
        check_header(context.width, context.height, stream.frames, limits)
        context.options = most
        context.thread_count = 1  # many clips at once beat many threads on one
        yield container


def _decoded(container: InputContainer, path: Path, limits: SourceLimits = LIMITS) -> Iterator[Any]:
    av = _av()
    try:
        yield from limited(container.decode(video=0), limits)
    except av.FFmpegError as error:
        raise ItemError("decode.truncated", f"{path.name}: {error.strerror}") from None


def _planes(frame: Any) -> Planes:
    from av.video.reformatter import ColorRange, Colorspace

    pts, rotation = int(frame.pts or 0), 90 * _turns(frame)
    if frame.format.name not in PLANAR:
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG")
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    )
    full_range = frame.color_range == ColorRange.JPEG or "yuvj" in frame.format.name
    return Planes(y, u, v, pts, rotation, full_range, frame.colorspace == Colorspace.ITU709)


def _turns(frame: Any) -> int:
    """Quarter turns, counter-clockwise; of a slanted picture, the nearest."""
    return round(int(frame.rotation) / 90) % 4


def _upright(frame: Any) -> NDArray[np.uint8]:
    """RGB as shown: phones store what they film sideways."""
    image: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    turns = _turns(frame)
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise MissingRequirement("reading and writing video needs PyAV: pip install av") from None
    return av
