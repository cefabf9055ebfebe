"""Whether a downloaded video is one, and whole: what its container promises is there.

Packets are counted, not decoded: a file that breaks off in its media data opens without complaint
and simply ends early.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mrfashion.errors import ItemError
from mrfashion.media import probe
from mrfashion.sources.web.refusal import Refusal

SUFFIXES = {"mp4": ".mp4", "webm": ".webm", "matroska": ".mkv", "avi": ".avi"}  # else .mp4
SHORT_S = 1.0  # less than promised is rounding, or sound that outlasts the picture
SHORT_SHARE = 0.05


def video_suffix(path: Path) -> str:
    """The suffix of a whole video; ItemError source.unreadable or source.truncated otherwise."""
    import av

    try:
        probe(path)
        with av.open(str(path), "r", options={"protocol_whitelist": "file"}) as container:
            _require_whole(container)
            formats = container.format.name.split(",")
    except Refusal:
        raise
    except av.FFmpegError as error:
        raise Refusal("truncated", f"its packets end: {error.strerror}") from None
    except ItemError as error:
        raise Refusal("unreadable", error.text.replace(path.name, "it")) from None
    with path.open("rb") as file:
        if b"webm" in file.read(256):
            return ".webm"
    return next((SUFFIXES[name] for name in formats if name in SUFFIXES), ".mp4")


def _require_whole(container: Any) -> None:
    stream = container.streams.video[0]
    packets, end = 0, 0.0
    for packet in container.demux(stream):
        if packet.size:
            packets += 1
            if packet.pts is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * stream.time_base))
    if packets < stream.frames:
        raise Refusal("truncated", f"{packets} of {stream.frames} frames are there")
    if stream.duration:
        promised = float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    else:
        promised = (container.duration or 0) / 1e6
    if promised - end > max(SHORT_S, SHORT_SHARE * promised):
        raise Refusal("truncated", f"{end:.1f} of {promised:.1f} s are there")
