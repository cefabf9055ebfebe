"""Hundreds of damaged or hostile inputs, and whether a curation of them ended as it must.

`python -m tests.hostile_inputs ROOT` curates them all and tells what it took, as JSON.
"""

from __future__ import annotations

import hashlib
import json
import logging
import resource
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from mrfashion.errors import InputRefused
from mrfashion.executors import ExecutorConfig
from mrfashion.filters import FilterConfig
from mrfashion.filters.technical import Blank, Camera, Compression, Motion, Resolution, Sharpness
from mrfashion.limits import SourceLimits
from mrfashion.manifest import Dataset
from mrfashion.pipeline import CurateConfig, curate
from mrfashion.posing import PoseConfig
from mrfashion.progress import silent
from mrfashion.samples import SampleConfig
from mrfashion.shots import ShotConfig
from mrfashion.shots.content import ContentCuts
from mrfashion.sources import open_source
from mrfashion.verification import verify
from tests import (
    hostile_datasets,
    hostile_headers,
    hostile_lists,
    hostile_names,
    hostile_streams,
    hostile_tars,
    hostile_videos,
)
from tests.hostile_case import Case
from tests.hostile_videos import encode

# A case is about reading, so that these say the same: a filter, or another clip, judged what was
# read to its end.
READ = {"kept", "poses: no keypoints"}
CONFIG = CurateConfig(
    limits=SourceLimits(bytes=1 << 30, frames=500),
    executor=ExecutorConfig(item_timeout_s=60),
    shots=ShotConfig(content=ContentCuts(threshold=60.0)),
    filters=FilterConfig(
        resolution=Resolution(min_side_px=48),
        blank=Blank(1.0),
        sharpness=Sharpness(1.0),
        compression=Compression(1e9),
        motion=Motion(1.0),
        camera=Camera(1e9),
    ),
    poses=PoseConfig(use="sidecar"),
    samples=SampleConfig(frames=8),
)
Outcomes = dict[str, set[str]]  # id => kept, "<stage>: <reason>" or the class of a failure


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case, in a fixed order."""
    return (
        *hostile_videos.truncated(),
        *hostile_videos.flipped(),
        *hostile_videos.others(),
        *hostile_headers.sizes(),
        *hostile_headers.times(),
        *hostile_headers.tables(),
        *hostile_headers.endless(),
        *hostile_streams.streams(),
        *hostile_streams.pixels(),
        *hostile_streams.turned(),
        *hostile_streams.bright(),
        *hostile_names.names(),
        *hostile_names.links(),
        *hostile_names.folder_tables(),
        *hostile_names.sidecars(),
        *hostile_tars.tars(),
        *hostile_tars.damaged_tars(),
        *hostile_datasets.parquets(),
        *hostile_datasets.hub_folders(),
        *hostile_lists.lists(),
    )


def write_cases(cases: Iterable[Case], root: Path) -> dict[str, str]:
    """Write all inputs below `root` => case's name -> its source. Links point to `outside`."""
    (root / "outside").mkdir(parents=True)
    (root / "outside" / "secret.mp4").write_bytes(encode("secret"))
    sources = {}
    for case in cases:
        folder = root / "in" / case.name
        folder.mkdir(parents=True)
        case.make(folder)
        sources[case.name] = case.source.format(folder)
    return sources


def refused(sources: Mapping[str, str], out: Path) -> set[str]:
    """Names of the cases whose source is refused as a whole."""
    names = set()
    for name, source in sources.items():
        try:
            for _ in open_source(source, CONFIG).read(out, silent):
                pass
        except InputRefused:
            names.add(name)
    return names


def run(cases: Iterable[Case], root: Path, config: CurateConfig = CONFIG) -> dict[str, list[str]]:
    """Curate cases into `root`/out => the refused ones, and files that came, went or changed."""
    sources = write_cases(cases, root)
    before = _contents(root)
    no = refused(sources, root / "out" / "tried")
    curate([source for name, source in sources.items() if name not in no], root / "out", config)
    after = _contents(root)
    changed = {name for name, _ in before.items() ^ after.items()}
    return {"refused": sorted(no), "changed": sorted(changed)}


def _contents(root: Path) -> dict[str, str]:
    """Name => what is in it, of all below a folder but the dataset."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root)
        if name.parts[0] != "out":
            found[str(name)] = "" if not path.is_file() else _digest(path)
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(1 << 20)).hexdigest()


def outcomes(root: Path) -> Outcomes:
    """How every input of a dataset ended; a copy ends as what it is a copy of."""
    dataset = Dataset(root)
    found: Outcomes = defaultdict(set)
    copies = {}
    for clip in dataset.clips.values():
        found[clip.source_id].add("kept")
    for failure in dataset.failures:
        found[failure.source_id].add(failure.error)
    for reject in dataset.rejects:
        if reject.stage == "duplicates" and reject.reason == "exact copy":
            copies[reject.source_id] = reject.detail.removeprefix("of ")
        else:
            found[reject.source_id].add(f"{reject.stage}: {reject.reason}")
    for copy, original in copies.items():
        found[copy] = found[original] | {"duplicates: exact copy"}
    return found


def wrong(case: Case, found: Outcomes) -> Iterator[str]:
    """What did not end as the case says, in words."""
    parts = {
        source_id[len(case.name) + 1 :]: words
        for source_id, words in found.items()
        if source_id == case.name or source_id.startswith(f"{case.name}/")
    }
    for part in sorted(set(parts) | {key for key in case.expected if not key.endswith("*")}):
        words = parts.get(part, set())
        right = set(_expected(case, part).split("|"))
        if right & READ:
            right |= {word for word in words if word.startswith(("filter.", "near-"))}
        if not words & right or not words <= right | {"duplicates: exact copy"}:
            yield f"{case.name}: {part!r} is {sorted(words)}; right: {sorted(right)}"


def _expected(case: Case, part: str) -> str:
    if part in case.expected:
        return case.expected[part]
    found = [v for k, v in case.expected.items() if k.endswith("*") and part.startswith(k[:-1])]
    return found[0] if found else "nothing at all"


def again(cases: Iterable[Case], root: Path, no: Iterable[str]) -> dict[str, list[str]]:
    """Curate once more => tables and clips that differ now, what was done anew, what is wrong."""
    before = _tables(root / "out")
    sources = [case.source.format(root / "in" / case.name) for case in cases if case.name not in no]
    summary = curate(sources, root / "out", CONFIG)
    differ = {name for name, _ in before.items() ^ _tables(root / "out").items()}
    anew = {
        f"{stage}: {why}"
        for stage, notes in summary.notes.items()
        for why in notes
        if not why.startswith(("reused", "tried again", "clips without"))
    }
    found = verify(root / "out")
    return {"differ": sorted(differ), "anew": sorted(anew), "wrong": list(found.wrong)}


def _tables(out: Path) -> dict[str, str]:
    files = (path for path in out.rglob("*") if path.suffix in (".parquet", ".mp4"))
    return {str(path.relative_to(out)): _digest(path) for path in files}


def main(root: Path) -> None:
    """Curate all cases, twice; what it took goes to stdout."""
    logging.disable(logging.CRITICAL)
    told: dict[str, object] = {}
    first = run(all_cases(), root)
    told |= first | again(all_cases(), root, first["refused"])
    for who, name in ((resource.RUSAGE_SELF, "self_mb"), (resource.RUSAGE_CHILDREN, "worker_mb")):
        told[name] = resource.getrusage(who).ru_maxrss >> 10
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
