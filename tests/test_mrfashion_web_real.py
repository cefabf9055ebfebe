"""Real footage from a web server, with pictures of it as its product's: the whole way."""

import os
from pathlib import Path

import pytest

from mrfashion.manifest import Dataset
from mrfashion.media import read_frames
from mrfashion.pictures import write_png
from mrfashion.pipeline import CurateConfig, curate
from mrfashion.samples import SampleConfig
from mrfashion.sources.web.settings import WebConfig
from mrfashion.splits import SplitConfig
from mrfashion.verification import verify
from tests.file_server import VARIABLES
from tests.media_server import Page, serving_media

NAME = "tfjs_pose_squats.mp4"  # 65 frames of one person, half turned from the front


@pytest.mark.realdata
@pytest.mark.skipif(not os.environ.get("MRFASHION_FULL"), reason="15 s: MRFASHION_FULL=1")
def test_pictures_of_a_product_serve_its_video(
    realdata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    frames = read_frames(realdata / "videos" / NAME)
    rows = ["product_id,picture,licence"]
    for number in (5, 32, 60):
        write_png(tmp_path / f"{number}.png", frames[number])
        rows.append(f"p,{number}.png,Apache-2.0")
    (tmp_path / "pictures.csv").write_text("\n".join(rows))
    config = CurateConfig(
        web=WebConfig(private_addresses=True),
        splits=SplitConfig(0, 0, 1),
        samples=SampleConfig(frames=8),
    )
    lists = [f"url_list:{tmp_path}/videos.csv", f"product_pages:{tmp_path}/pictures.csv"]
    with serving_media() as server:
        server.pages["/v.mp4"] = Page((realdata / "videos" / NAME).read_bytes())
        (tmp_path / "videos.csv").write_text(f"url,product_id\n{server.url}/v.mp4,p\n")
        summary = curate(lists, tmp_path / "set", config)
    assert not summary.rejects
    assert not summary.failures
    dataset = Dataset(tmp_path / "set")
    (still,) = (clip for clip in dataset.clips.values() if clip.still)
    (video,) = (clip for clip in dataset.clips.values() if not clip.still)
    assert still.split_group == video.split_group
    assert set(dataset.frame_views(still.clip_id)) == {"front"}
    (sample,) = dataset.samples.values()
    assert sample.clip_id == video.clip_id
    assert {reference.split("/")[0] for reference in sample.reference_ids} == {still.clip_id}
    assert verify(tmp_path / "set").wrong == ()
