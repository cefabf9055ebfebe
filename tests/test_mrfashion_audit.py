"""The audit finds what a build missed: by keys, by pictures, by looks; its page shows it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pytest

from mrfashion.appearance import CELLS, FEATURES
from mrfashion.audit import GLIMPSE, LOOK, MIRROR, PICTURES, audit, just_beyond
from mrfashion.audit_page import write_audit
from mrfashion.errors import InputRefused
from mrfashion.fingerprints import fingerprint
from mrfashion.manifest import Dataset
from mrfashion.tables import CLIPS, SPLITS, TIES, TieRow
from tests.conftest import write_dataset

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two clips in train, two in test, all of other sources."""
    root = write_dataset(tmp_path_factory.mktemp("audited"), groups=2)
    rows = SPLITS.read(root / "splits.parquet")
    SPLITS.write(root / "splits.parquet", [_row(i, row) for i, row in enumerate(rows)])
    clips = CLIPS.read(root / "clips.parquet")
    CLIPS.write(root / "clips.parquet", [replace(clip, source_id=HOSTILE) for clip in clips])
    return root


def _row(i, row):
    split = "train" if i < 2 else "test"
    group = f"{split}-group"
    own = {"source_sha256": f"{i}", "fingerprint": _print(i), "garment_group": f"g{i}"}
    return replace(row, split=split, split_group=group, appearance=_look(i), **own)


def _clip(seed):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (8, 6, 4), np.uint8)
    return coarse.repeat(12, axis=1).repeat(12, axis=2)


def _print(seed, mirror=False):
    clip = _clip(seed)
    return fingerprint(clip[:, :, ::-1] if mirror else clip)


def _look(seed):
    values = np.random.default_rng(seed).integers(-60, 60, CELLS * FEATURES).astype(np.int8)
    return base64.b64encode(values.tobytes() + bytes([8]) * CELLS).decode()


@pytest.fixture
def changed(whole):
    """A function that changes the placement of the last test clip; undone afterwards."""
    path = whole / "splits.parquet"
    before = path.read_bytes()

    def change(**values):
        rows = SPLITS.read(path)
        SPLITS.write(path, [*rows[:-1], replace(rows[-1], **values)])
        return audit(Dataset(whole))

    yield change
    path.write_bytes(before)


def test_a_clean_dataset_has_no_leak_and_every_test_clip_its_neighbours(whole):
    found = audit(Dataset(whole))
    assert found.leaks == ()
    assert found.clips == {"test": 2, "train": 2}
    assert (found.groups, found.largest_group) == (2, 2)
    assert {clip.split for clip in found.checked} == {"test"}
    for clip in found.checked:
        assert [n.signal for n in clip.neighbours] == [PICTURES, MIRROR, LOOK, GLIMPSE]
        assert not any(n.tied for n in clip.neighbours)
    nearness = [clip.nearness for clip in found.checked]
    assert nearness == sorted(nearness)
    assert len(just_beyond(found.checked, LOOK)) == 2


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"source_sha256": "0"}, "source"),
        ({"garment_group": "g1"}, "garment group"),
        ({"product_id": "p"}, None),
        ({"split_group": "train-group"}, "split group"),
        ({"fingerprint": _print(0)}, PICTURES),
        ({"fingerprint": _print(1, mirror=True)}, MIRROR),
        ({"appearance": _look(1)}, LOOK),
        ({"fingerprint": None, "appearance": None}, None),
    ],
)
def test_whatever_a_test_clip_shares_with_train_is_a_leak(changed, change, kind):
    assert {leak.kind for leak in changed(**change).leaks} == ({kind} if kind else set())


def test_a_recorded_tie_across_splits_is_a_leak(whole):
    tie = TieRow("source", "clip00", "clip03", "0", None, None, None)
    TIES.write(whole / "ties.parquet", [tie])
    (leak,) = audit(Dataset(whole)).leaks
    assert (leak.what, leak.splits, leak.clips) == (
        "ties.parquet", ("test", "train"), ("clip00", "clip03")
    )  # fmt: skip
    TIES.write(whole / "ties.parquet", [replace(tie, other="gone")])
    with pytest.raises(InputRefused, match="gone"):
        audit(Dataset(whole))
    TIES.write(whole / "ties.parquet", [])


def test_the_page_shows_every_test_clip_and_escapes_names(whole, changed, tmp_path):
    changed(fingerprint=_print(0))
    site = write_audit(whole, tmp_path / "site")
    page = site.page.read_text()
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert "Splits leak" in page
    pictures = sorted(path.stem for path in (tmp_path / "site" / "clips").iterdir())
    assert {"clip02", "clip03"} <= set(pictures)
    assert all(f"clips/{name}.png" in page for name in pictures)
    values = json.loads(site.json_path.read_text())
    assert [leak["kind"] for leak in values["leaks"]] == [PICTURES]
    again = write_audit(whole, tmp_path / "site", clips=0)
    assert again.audit == site.audit
    assert "The nearest 0 of 2 clips" in again.page.read_text()
