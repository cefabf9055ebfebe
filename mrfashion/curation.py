"""What a curation is asked for, one run of it, and what that run did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mrfashion.artefacts import (
    content_hash,
)
from mrfashion.config import to_dict
from mrfashion.crops import BarConfig
from mrfashion.duplicates import DuplicateConfig
from mrfashion.errors import ConfigError
from mrfashion.executors import Executor, ExecutorConfig, Threads
from mrfashion.filters import FilterConfig
from mrfashion.garments import GarmentConfig
from mrfashion.limits import SourceLimits
from mrfashion.posing import PoseConfig, Poser
from mrfashion.progress import Progress
from mrfashion.references import ReferenceConfig
from mrfashion.samples import SampleConfig
from mrfashion.scale import Shard
from mrfashion.shots import ShotConfig
from mrfashion.sources.source import Source
from mrfashion.sources.turntable.clips import TurntableConfig
from mrfashion.sources.web.settings import WebConfig
from mrfashion.splits import SplitConfig
from mrfashion.stages import Item, Stage, Values
from mrfashion.tables import Failure, Reject


@dataclass(frozen=True)
class CurateConfig:
    """Settings of every stage; a TOML table of the same name each."""

    turntable: TurntableConfig = field(default_factory=TurntableConfig)
    web: WebConfig = field(default_factory=WebConfig)
    limits: SourceLimits = field(default_factory=SourceLimits)
    shots: ShotConfig = field(default_factory=ShotConfig)
    bars: BarConfig = field(default_factory=BarConfig)
    filters: FilterConfig = field(default_factory=FilterConfig)
    poses: PoseConfig = field(default_factory=PoseConfig)
    references: ReferenceConfig = field(default_factory=ReferenceConfig)
    duplicates: DuplicateConfig = field(default_factory=DuplicateConfig)
    garments: GarmentConfig = field(default_factory=GarmentConfig)
    splits: SplitConfig = field(default_factory=SplitConfig)
    samples: SampleConfig = field(default_factory=SampleConfig)
    executor: ExecutorConfig = field(default_factory=ExecutorConfig)  # changes no byte
    crf: int = 12  # of the stored clips, x264's scale; the metrics see what this loses

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= 15:
            raise ConfigError(f"crf is {self.crf}; allowed: 0 to 15, or the clips lose detail")

    def hash(self) -> str:
        """Hash of what decides the dataset's bytes: of all, but where it is worked on.

        A frozen table counts by its own hash, in the headers, not by where it lies; of downloads
        counts which file was asked for, not how patiently.
        """
        splits = replace(self.splits, frozen=None)
        web = WebConfig(short_side_px=self.web.short_side_px)
        deciding = replace(self, executor=ExecutorConfig(), splits=splits, web=web)
        return content_hash(to_dict(deciding))


@dataclass
class Summary:
    """What a run of `curate` did, for its closing lines."""

    sources: int = 0
    shard: str = ""  # "3/16" where it was one
    kept: int = 0
    samples: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: dict[str, dict[str, int]] = field(default_factory=dict)  # stage -> why -> how many
    estimators: dict[str, Any] = field(default_factory=dict)  # origin of keypoints -> its settings


class Run:
    """One run of the stages over one dataset folder."""

    def __init__(
        self,
        root: Path,
        config: CurateConfig,
        shard: Shard,
        executor: Executor,
        workers: int,
        force: bool,
        progress: Progress[Any],
        tell: Callable[[str], None],
    ) -> None:
        self.root = root
        self.config = config
        self.shard = shard
        self.tell = tell
        self.poser = Poser(root, config.poses)
        self.summary = Summary()
        self.executor = executor
        self.threads = Threads(workers)
        self.options: dict[str, Any] = {"force": force, "progress": progress}

    def stage(
        self,
        name: str,
        version: int,
        settings: Any,
        work: Callable[[Any], Any],
        items: Sequence[Item[Any]],
        executor: Executor | None = None,
    ) -> Values:
        """Values of the items that are done; what failed is in the summary."""
        stage = Stage(self.root, name, version, settings, work, self.shard)
        outcome = stage.run(items, executor=executor or self.executor, **self.options)
        self.summary.failures += outcome.failures
        self.summary.notes[name] = dict(sorted(outcome.notes.items()))
        return outcome.values

    def reject(
        self,
        item_id: str,
        source: Source,
        stage: str,
        reason: str,
        measured: float | None = None,
        threshold: float | None = None,
        detail: str = "",
    ) -> None:
        """Note an item that a rule dropped."""
        self.summary.rejects.append(
            Reject(item_id, source.source_id, stage, reason, measured, threshold, detail)
        )
