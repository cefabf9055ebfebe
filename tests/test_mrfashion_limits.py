"""What one source may ask of the machine, and whether its times are those of a clip."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from mrfashion.errors import ConfigError, ItemError
from mrfashion.limits import SourceLimits, check_header, limited
from mrfashion.steps import file_looks, hash_source
from mrfashion.timing import require_even, to_the_end


@dataclass(frozen=True)
class Picture:
    width: int = 4
    height: int = 6
    pts: int = 0


def code(error: pytest.ExceptionInfo[ItemError]) -> tuple[str, bool]:
    return error.value.code, error.value.retryable


@pytest.mark.parametrize("name", ["bytes", "pixels", "frames", "seconds"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        SourceLimits(**{name: 0})


def test_frames_pass_up_to_the_limit() -> None:
    limits = SourceLimits(frames=3)
    pictures = [Picture()] * 3
    assert list(limited(iter(pictures), limits)) == pictures
    with pytest.raises(ItemError) as error:
        list(limited(iter([Picture()] * 4), limits))
    assert code(error) == ("decode.too_long", True)


def test_frames_of_another_size_end_a_video() -> None:
    with pytest.raises(ItemError, match="4x6 to 8x6 at frame 1") as error:
        list(limited(iter([Picture(), Picture(width=8)]), SourceLimits()))
    assert code(error) == ("decode.size_changed", False)


def test_only_the_decoder_s_own_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("mrfashion.limits.time.perf_counter", lambda: clock.now)

    def decoder() -> Iterator[Picture]:
        for _ in range(5):
            clock.now += 2.0
            yield Picture()

    for _ in limited(decoder(), SourceLimits(seconds=11)):
        clock.now += 100.0  # what is done with a frame
    with pytest.raises(ItemError) as error:
        list(limited(decoder(), SourceLimits(seconds=7)))
    assert code(error) == ("decode.timeout", True)


def test_a_header_is_judged_before_anything_is_decoded() -> None:
    check_header(64, 64, 100, SourceLimits())
    for header, expected in (
        ((65535, 65535, 1), "probe.too_large"),
        ((64, 64, 10**9), "probe.too_long"),
    ):
        with pytest.raises(ItemError) as error:
            check_header(*header, SourceLimits())
        assert code(error) == (expected, True)


def test_a_file_that_grows_is_read_no_further_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(bytes(20))
    assert hash_source(path, 20)["sha256"].startswith("de47c9b2")
    with pytest.raises(ItemError) as error:
        hash_source(path, 19)
    assert code(error) == ("source.too_large", True)
    assert file_looks(tmp_path / "gone.mp4") == [0, 0]
    with pytest.raises(ItemError) as gone:
        hash_source(tmp_path / "gone.mp4", 9)
    assert code(gone) == ("source.unreadable", True)


def test_phones_jitter_and_a_hole_is_no_rate() -> None:
    steps = [33, 34, 33, 33, 34, 20, 46] * 8  # ms; every frame less than half a step off
    pts = [sum(steps[:i]) for i in range(len(steps))]
    require_even(pts, "1/1000", 30.0)
    require_even([0, 1, 2], "1/1", 1.0)  # pictures of a product, a second each
    require_even([7], "1/1000", 30.0)
    for wrong in (pts[:20] + [t + 5000 for t in pts[20:]], [i * i for i in range(30)]):
        with pytest.raises(ItemError) as error:
            require_even(wrong, "1/1000", 30.0)
        assert code(error) == ("probe.vfr", False)
    with pytest.raises(ItemError, match="frame 2 is not shown") as backwards:
        require_even([0, 5, 5, 9], "1/1000", 30.0)
    assert code(backwards) == ("decode.timestamps", False)


def container(duration_s: float | None, of_file_s: float | None) -> SimpleNamespace:
    ticks = None if duration_s is None else int(duration_s * 100)
    stream = SimpleNamespace(time_base=Fraction(1, 100), duration=ticks, start_time=0)
    whole = None if of_file_s is None else int(of_file_s * 1e6)
    return SimpleNamespace(streams=SimpleNamespace(video=[stream]), duration=whole)


def test_a_video_that_ends_early_is_truncated() -> None:
    frames = [Picture(pts=10 * i) for i in range(30)]  # 3 s at 10 fps
    for whole in (container(3.0, None), container(None, 3.4), container(None, None)):
        assert len(list(to_the_end(whole, frames, 10.0))) == 30
    for longer in (container(4.0, None), container(None, 9.0)):
        with pytest.raises(ItemError, match=r"end at 3\.0 of") as error:
            list(to_the_end(longer, frames, 10.0))
        assert error.value.code == "decode.truncated"
