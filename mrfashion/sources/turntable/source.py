"""The turntable as a source: renders its clips to ordinary videos with sidecars, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mrfashion.artefacts import content_hash
from mrfashion.config import to_dict
from mrfashion.errors import ItemError
from mrfashion.media import write_clip
from mrfashion.poses.sidecar import Sidecar, read_sidecar, sidecar_path, write_sidecar
from mrfashion.progress import Progress
from mrfashion.scale import WHOLE, Shard
from mrfashion.sources.source import Source
from mrfashion.sources.turntable.clips import VERSION, ClipPlan, TurntableConfig, clip_plan
from mrfashion.tables import Reject

LICENCE = "CC0-1.0"  # nobody's picture: drawn by a program from a seed


@dataclass(frozen=True)
class TurntableSource:
    """Rendered clips of dressed figures that turn and walk."""

    config: TurntableConfig

    def read(
        self, out: Path, progress: Progress[object], shard: Shard = WHOLE
    ) -> Iterator[Source | Reject]:
        """Yield the clips of the plan; what `out` already holds whole is not drawn again."""
        plans = [plan for plan in clip_plan(self.config) if shard.holds(plan.name)]
        for plan in progress(plans, "render turntable", len(plans)):
            assert isinstance(plan, ClipPlan)
            yield self.clip(plan, out)

    def clip(self, plan: ClipPlan, out: Path) -> Source:
        """One clip of the plan, drawn unless `out` holds it whole."""
        path = out / f"{plan.name}.mp4"
        if not self._is_drawn(path, plan):
            self._draw(path, plan)
        return Source(
            source_id=f"turntable/{path.name}",
            path=path,
            licence=LICENCE,
            garment_group=plan.garment_group,
        )

    def _plan_hash(self, plan: ClipPlan) -> str:
        drawn = {"height", "width", "frames", "fps", "flow"}
        look = {key: value for key, value in to_dict(self.config).items() if key in drawn}
        return content_hash([VERSION, to_dict(plan), look])

    def _is_drawn(self, path: Path, plan: ClipPlan) -> bool:
        """The sidecar is written last, so a whole one of this plan means both files are there."""
        sidecar = sidecar_path(path)
        if not (path.is_file() and sidecar.is_file()):
            return False
        try:
            return read_sidecar(sidecar).meta.get("plan") == self._plan_hash(plan)
        except ItemError:
            return False  # of an older release, or damaged: draw it again

    def _draw(self, path: Path, plan: ClipPlan) -> None:
        from mrfashion.sources.turntable.clips import render_plan

        footage = render_plan(plan, self.config)
        sidecar_path(path).unlink(missing_ok=True)
        write_clip(path, footage.frames, self.config.fps)
        meta = {
            "plan": self._plan_hash(plan),
            "licence": LICENCE,
            "garment_group": plan.garment_group,
        }
        write_sidecar(
            sidecar_path(path),
            Sidecar(footage.keypoints, footage.yaw_deg, footage.mask, footage.flow, meta),
        )
