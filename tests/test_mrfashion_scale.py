"""Several processes build one dataset; the bytes are those of one process."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mrfashion.errors import ConfigError, InputRefused
from mrfashion.executors import ExecutorConfig
from mrfashion.pipeline import CurateConfig, curate
from mrfashion.poses.sidecar import SUFFIX
from mrfashion.scale import WHOLE, Shard, held, open_journal, read_shard
from tests.footage import write_footage
from tests.test_mrfashion_curate import CONFIG


def parquet(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*.parquet")}


def test_shards_together_hold_everything_once() -> None:
    names = [f"shop/{n}.mp4" for n in range(500)]
    for of in (1, 2, 7):
        holders = [[Shard(i, of).holds(name) for i in range(1, of + 1)] for name in names]
        assert all(sum(row) == 1 for row in holders)
        assert all(sum(column) > 250 / of for column in zip(*holders, strict=True))


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "1/0", "-1/4", "1/99999", "a/b", "1/2/3"])
def test_other_shards_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="shard is"):
        read_shard(text)


def test_a_shard_is_read_as_written() -> None:
    assert read_shard("3/16") == Shard(3, 16)
    assert str(Shard(3, 16)) == "3/16"
    assert read_shard(None) is WHOLE


def test_shards_at_once_then_one_run_give_the_bytes_of_one_process(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    for number in range(6):
        write_footage(root, f"clip{number}", number, group=f"dress{number // 2}")
    (root / "copy.mp4").write_bytes((root / "clip0.mp4").read_bytes())
    (root / f"copy{SUFFIX}").write_bytes((root / f"clip0{SUFFIX}").read_bytes())
    (root / "broken.mp4").write_bytes(b"no video" * 99)
    alone, out = tmp_path / "alone", tmp_path / "sharded"
    in_processes = replace(CONFIG, executor=ExecutorConfig("process"))
    curate([str(root)], alone, in_processes, workers=1)
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(curate, [str(root)], out, CONFIG, shard=Shard(i, 3)) for i in (1, 2, 3)]
        parts = [run.result() for run in runs]
    assert not parquet(out)
    assert sum(part.sources for part in parts) == 8
    whole = curate([str(root)], out, CONFIG)
    assert parquet(out) == parquet(alone)
    redone = {
        why for notes in whole.notes.values() for why in notes if not why.startswith("reused")
    }
    assert not redone
    clips = {path.name: path.read_bytes() for path in (alone / "clips").iterdir()}
    assert clips == {path.name: path.read_bytes() for path in (out / "clips").iterdir()}


def test_a_shard_runs_once_and_not_beside_the_whole(tmp_path: Path) -> None:
    with held(tmp_path, Shard(1, 2)), held(tmp_path, Shard(2, 2)):
        for other in (Shard(1, 2), WHOLE):
            with pytest.raises(InputRefused, match="another"), held(tmp_path, other):
                pass
    with held(tmp_path, WHOLE), pytest.raises(InputRefused), held(tmp_path, Shard(1, 2)):
        pass


def test_journals_of_shards_are_read_as_one_and_written_apart(tmp_path: Path) -> None:
    first, second = (open_journal(tmp_path, "work", Shard(i, 2)) for i in (1, 2))
    first.append("a", "failed")
    second.append("b", "ok")
    with second.path.open("a") as file:
        file.write('{"key": "torn"')  # another process is in mid-write, and is left alone
    torn = second.path.read_bytes()
    whole = open_journal(tmp_path, "work", WHOLE)
    assert whole.append("a", "ok")["attempt"] == 2
    assert {row["key"]: row["status"] for row in whole.rows()} == {"a": "ok", "b": "ok"}
    assert second.path.read_bytes() == torn
    assert open_journal(tmp_path, "work", Shard(1, 2)).ok("a")


def test_a_limit_is_for_trials_of_the_whole(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="limit"):
        curate(["turntable"], tmp_path, CurateConfig(), limit=1, shard=Shard(1, 2))
