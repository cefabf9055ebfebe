"""Curation from sources to a dataset: `mrfashion curate SOURCE... --out DATASET`.

Each stage is one function from one artefact to the next, restartable by its own journal:
sources -> survey (shots, measurements) -> filters -> clips -> poses -> references -> tables.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from mrfashion import dataset_writer
from mrfashion.artefacts import sweep_temporaries, write_json
from mrfashion.clip_stages import encode_all, posable_all, pose_all, reference_all, view_all
from mrfashion.config import to_dict
from mrfashion.curation import CurateConfig, Run, Summary
from mrfashion.environment import RunLog, environment, now_utc
from mrfashion.errors import ConfigError, InputRefused
from mrfashion.grouping import read_frozen
from mrfashion.placing import place
from mrfashion.progress import Progress, silent
from mrfashion.scale import WHOLE, Shard, held, own_folder
from mrfashion.shot_stages import filter_all, hash_all, survey_all
from mrfashion.sources import open_source
from mrfashion.sources.source import Source
from mrfashion.tables import Failure, Reject

logger = logging.getLogger(__name__)


def curate(
    sources: Sequence[str],
    out: str | Path,
    config: CurateConfig | None = None,
    *,
    workers: int | None = None,
    limit: int | None = None,
    force: bool = False,
    shard: Shard = WHOLE,
    progress: Progress[Any] = silent,
    tell: Callable[[str], None] = logger.info,
) -> Summary:
    """Curate `sources` (folders, videos, `turntable`) into the dataset folder `out`.

    Every input ends as kept, rejected or failed, in exactly one of the tables. Killed at any
    moment, the same call goes on where it was. A shard does its share of the work and writes no
    table: the run of all does. `tell` hears which estimator runs, and where.
    Raises ConfigError or InputRefused before any work where a source or setting is wrong.
    """
    config = config or CurateConfig()
    root = Path(out)
    if limit and not shard.whole:
        raise ConfigError("a limit and a shard were asked for; a limit is for trials of the whole")
    readers = [open_source(text, config) for text in sources]
    if not readers:
        raise InputRefused("no source; name a folder of videos, one video, or `turntable`")
    with held(root, shard):
        if shard.whole:
            sweep_temporaries(root)
        own = own_folder(root, shard)
        log = RunLog(own, environment=environment(), sources=list(sources))
        write_json(own / "config.json", to_dict(config))
        reads = (reader.read(root / "sources", progress, shard) for reader in readers)
        found = list(islice(chain.from_iterable(reads), limit))
        workers = workers or os.cpu_count() or 1
        with config.executor.open(workers, _files(found)) as executor:
            run = Run(root, config, shard, executor, workers, force, progress, tell)
            summary = _build(run, found)
        done = {"kept": summary.kept, "notes": summary.notes, "estimators": summary.estimators}
        log.write(status="finished", ended=now_utc(), **done)
    return summary


def _files(found: Sequence[Source | Reject | Failure]) -> list[Path]:
    return [entry.path for entry in found if isinstance(entry, Source)]


def _build(run: Run, found: Sequence[Source | Reject | Failure]) -> Summary:
    frozen = read_frozen(run.config.splits.frozen)  # refused before any work
    sources = [entry for entry in found if isinstance(entry, Source)]
    run.summary.sources = len(found)
    run.summary.rejects += [entry for entry in found if isinstance(entry, Reject)]
    run.summary.failures += [entry for entry in found if isinstance(entry, Failure)]
    found_shots, surveys = survey_all(run, hash_all(run, sources))
    shots = posable_all(run, filter_all(run, found_shots))
    clips = encode_all(run, [shot for shot, _ in shots])
    posed = view_all(run, pose_all(run, shots, clips), clips)
    references = reference_all(run, posed)
    origins = {clip.origin for clip in posed}
    estimators = {origin: run.poser.settings(origin) for origin in sorted(origins)}
    run.summary.estimators = estimators
    if run.shard.whole:
        placed = place(posed, surveys, references, frozen, run)
        run.summary.rejects += placed.rejects
        run.summary.notes |= {"splits": placed.notes} if placed.notes else {}
        dataset_writer.write(run.root, run.config, placed, references, run.summary)
    else:
        run.summary.kept, run.summary.shard = len(posed), str(run.shard)
    return run.summary
