"""Keep one file of every table version: `python -m tests.historic.regenerate`.

A file that is here stays as it is for good: it stands for the datasets people have.
"""

import shutil
import tempfile
from pathlib import Path

from mrfashion import manifest, tables
from tests.conftest import write_dataset

HERE = Path(__file__).parent
FILES = {
    "clips": "clips.parquet",
    "references": "references.parquet",
    "keypoints": manifest.KEYPOINT_PART,
    "views": manifest.VIEW_PART,
    "masks": manifest.MASK_PART,
    "samples": "samples.parquet",
}


def main() -> None:
    """Add what is missing."""
    with tempfile.TemporaryDirectory() as folder:
        root = write_dataset(Path(folder), groups=1)
        reject = tables.Reject("clip", "source", "filter.duration", "too short", 1.0, 1.5, "")
        failure = tables.Failure("clip", "source", "survey", "probe.corrupt", False, "no video")
        tables.REJECTS.write(root / "rejects.parquet", [reject])
        tables.FAILURES.write(root / "failures.parquet", [failure])
        for table in (tables.REJECTS, tables.FAILURES):
            _keep(root / f"{table.name}.parquet", table.name, table.version)
        for name, path in FILES.items():
            _keep(root / path, name, getattr(tables, name.upper()).version)


def _keep(source: Path, name: str, version: int) -> None:
    target = HERE / f"{name}-v{version}.parquet"
    if not target.exists():
        shutil.copy(source, target)


if __name__ == "__main__":
    main()
