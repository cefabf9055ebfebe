"""Near-duplicates: copies are found however they were made, strangers are not, the better stays."""

from __future__ import annotations

from itertools import permutations

import cv2
import numpy as np
import pytest

from mrfashion import duplicates
from mrfashion.duplicates import Alike, DuplicateConfig, copies, near_duplicates, nearest
from mrfashion.errors import ConfigError
from mrfashion.fingerprints import fingerprint, frame_places
from mrfashion.media import decode

H, W = 120, 80
LEAST = DuplicateConfig().distance


def _clip(seed, still=False, frames=8):
    """A person-sized blot that wanders before one studio's backdrop: f h w."""
    rng = np.random.default_rng(seed)
    backdrop = np.linspace(210, 160, H)[:, None].repeat(W, 1)
    cloth = cv2.GaussianBlur(rng.normal(size=(60, 24)), (0, 0), 3)
    cloth = 110 + 60 * cloth / cloth.std()
    pictures = []
    for i in range(frames):
        picture = backdrop.copy()
        x, y = (28, 30) if still else rng.integers((8, 20), (48, 40))
        picture[y : y + 60, x : x + 24] = cloth if still else np.roll(cloth, 5 * i, axis=1)
        pictures.append(picture)
    return np.stack(pictures).clip(0, 255).astype(np.uint8)


def _brighter(clip):
    return np.clip(clip.astype(np.int16) + 25, 0, 255).astype(np.uint8)


def _reencoded(clip):
    jpeg = [cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 20])[1] for picture in clip]
    return np.stack([cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) for data in jpeg])


COPIES = {
    "re-encoded": _reencoded,
    "brighter": _brighter,
    "mirrored": lambda clip: clip[:, :, ::-1],
    "cropped": lambda clip: clip[:, 6:-6, 4:-4],
    "all of it": lambda clip: _reencoded(_brighter(clip[:, 6:-6, 4:-4][:, :, ::-1])),
}


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("still", [False, True])
def test_a_copy_is_found_among_strangers_in_one_studio(name, still):
    prints = {f"s{seed:02d}": fingerprint(_clip(seed, still)) for seed in range(12)}
    copy = fingerprint(COPIES[name](_clip(5, still)))
    pairs = near_duplicates({**prints, "copy": copy}, LEAST)
    assert [(pair.one, pair.other) for pair in pairs] == [("copy", "s05")]
    assert pairs[0].mirrored == (name in ("mirrored", "all of it"))
    found = nearest({"copy": copy}, prints, flipped=pairs[0].mirrored)["copy"]
    assert (found.other, found.distance) == ("s05", pytest.approx(pairs[0].distance, abs=1e-3))


def test_blocks_change_nothing(monkeypatch):
    prints = {f"s{seed}": fingerprint(_clip(seed)) for seed in range(5)}
    prints |= {f"c{seed}": fingerprint(_reencoded(_clip(seed))) for seed in range(5)}
    whole = near_duplicates(prints, LEAST)
    monkeypatch.setattr(duplicates, "BLOCK", 3)
    assert near_duplicates(dict(reversed(prints.items())), LEAST) == whole
    assert len(whole) == 5


def test_no_clip_and_one_clip_have_no_duplicate():
    assert near_duplicates({}, LEAST) == []
    one = {"a": fingerprint(_clip(0))}
    assert near_duplicates(one, LEAST) == []
    assert nearest(one, {}) == {}


def test_the_best_copy_stays_and_a_chain_is_not_eaten_up():
    chain = [Alike("a", "b", 0.1, False), Alike("b", "c", 0.2, True), Alike("c", "d", 0.1, False)]
    for pairs in permutations(chain):
        gone = copies(pairs, better=lambda name: name)
        assert gone == {"b": chain[0], "d": chain[2]}
    assert set(copies(chain, better=lambda name: (name != "c", name))) == {"b", "d"}
    assert set(copies(chain, better=lambda name: "dcba".index(name))) == {"c", "a"}


def test_a_threshold_that_takes_in_strangers_is_refused():
    with pytest.raises(ConfigError, match=r"distance is 0\.5"):
        DuplicateConfig(distance=0.5)


@pytest.mark.realdata
def test_copies_of_real_footage_are_found(realdata):
    prints, copied = {}, {}
    for name in ("tfjs_pose_squats", "tfjs_pose_1"):
        path = realdata / "videos" / f"{name}.mp4"
        frames = [frame.image for frame in decode(path)]
        small = [cv2.resize(frames[i], (180, 240)) for i in frame_places(len(frames))]
        luma = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in small])
        prints[name] = fingerprint(luma)
        copy = luma[:, 12:-12, 9:-9][:, :, ::-1]
        copied[name] = fingerprint(_reencoded(_brighter(copy)))
    pairs = near_duplicates(prints | {f"{n}_copy": p for n, p in copied.items()}, LEAST)
    found = {(pair.one, pair.other, pair.mirrored) for pair in pairs}
    assert found == {(name, f"{name}_copy", True) for name in prints}
