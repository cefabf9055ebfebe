"""What raters said of each entrant, against pandas; intervals that say when there is none."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.study.criteria import CRITERIA
from benchmark.study.ingest import ingest
from benchmark.study.key import load_key
from benchmark.study.ratings import RATINGS, Rating
from benchmark.study.summary import study_summary, two_way_interval
from mrfashion.errors import InputRefused
from tests.study_sheets import NAMES, fill_csv, fill_xlsx, write_study


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path) -> Path:
    folder = tmp_path_factory.mktemp("summary")
    study = write_study(folder, tiny_dataset)

    def skip(rows: list[dict[str, str]]) -> None:
        rows[0]["clothing_detail_1to5"] = ""

    sheets = study / "sheets"
    one = fill_xlsx(sheets / "rater-01.xlsx", folder / "one.xlsx")
    ingest(study, [one, fill_csv(sheets / "rater-02.csv", folder / "two.csv", skip)])
    return study


def test_means_and_counts_are_those_of_pandas(rated: Path) -> None:
    table = pd.read_parquet(rated / "ratings.parquet")
    entrant = {clip.blind_id: clip.entrant for clip in load_key(rated).clips}
    table["entrant"] = [entrant[blind_id] or "(real)" for blind_id in table["blind_id"]]
    summary = study_summary(rated)
    names = [*sorted(NAMES), None]
    assert [(s.entrant, s.criterion) for s in summary] == [
        (name, criterion.id) for name in names for criterion in CRITERIA
    ]
    for score in summary:
        mask = (table["entrant"] == (score.entrant or "(real)")) & (
            table["criterion"] == score.criterion
        )
        values = table[mask].dropna(subset="value")
        assert score.mean == pytest.approx(values["value"].mean())
        assert score.counts == tuple((values["value"] == n).sum() for n in range(1, 6))
        assert (score.ratings, sum(score.counts)) == (len(values), len(values))
        assert (score.raters, score.clips, score.groups) == (2, 4, 2)
        assert (score.planned, score.flagged_raters) == (8, 0)
        assert (score.low, score.high, score.method) == (None, None, None)
        assert score.reason == ("2 raters, 2 garment groups; needed: 3 raters and 5 garment groups")
    assert sum(score.ratings for score in summary) == 2 * 36 - 1


def test_nobody_answered_yet(rated: Path, tmp_path: Path) -> None:
    study = shutil.copytree(rated, tmp_path / "study")
    RATINGS.write(study / "ratings.parquet", [])
    for score in study_summary(study):
        assert (score.mean, score.ratings, score.reason) == (None, 0, "nothing rated")


@pytest.mark.parametrize(
    "change",
    [
        {"value": 7},
        {"video_sha256": "0" * 64},
        {"blind_id": "clip-000000000000"},
        {"scale_id": "other"},
        {"criterion": "beauty"},
        {"position": 99},  # beside the one it was copied from
    ],
)
def test_a_table_that_does_not_lead_back_to_the_plan_is_refused(
    rated: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    study = shutil.copytree(rated, tmp_path / "study")
    rows = RATINGS.read(study / "ratings.parquet")
    wrong: Rating = replace(rows[0], **change)
    RATINGS.write(study / "ratings.parquet", [*(rows if "position" in change else rows[1:]), wrong])
    with pytest.raises(InputRefused, match="is not of this study's plan"):
        study_summary(study)


def simulated(
    raters: int, groups: int, seed: int, spread: float = 1.0
) -> tuple[list[int], list[str], list[str]]:
    """Ratings with a lenience of each rater and a quality of each garment group."""
    rng = np.random.default_rng(seed)
    lenience, quality = rng.normal(0, 0.4, raters), rng.normal(0, 0.6, groups)
    noise = rng.normal(0, 0.6, (raters, groups))
    scale = 3 + spread * (lenience[:, None] + quality + noise)
    values = np.clip(np.rint(scale), 1, 5).astype(int)
    raters_of, groups_of = np.indices(values.shape)
    return (
        values.ravel().tolist(),
        [f"r{n}" for n in raters_of.ravel()],
        [f"g{n}" for n in groups_of.ravel()],
    )


def test_the_interval_is_seeded_and_ignores_the_order_of_rows() -> None:
    values, raters, groups = simulated(5, 12, seed=1)
    low, high, reason = two_way_interval(values, raters, groups, resamples=2000)
    assert reason is None
    assert low is not None
    assert high is not None
    assert 1 <= low < np.mean(values) < high <= 5
    order = np.random.default_rng(0).permutation(len(values))
    shuffled = [[column[n] for n in order] for column in (values, raters, groups)]
    assert two_way_interval(*shuffled, resamples=2000) == (low, high, None)
    other = two_way_interval(values, raters, groups, seed=1, resamples=2000)
    assert other != (low, high, None)


def test_the_interval_is_wider_than_one_over_single_votes() -> None:
    values, raters, groups = simulated(8, 30, seed=2)
    low, high, _ = two_way_interval(values, raters, groups, resamples=2000)
    assert low is not None
    assert high is not None
    single = 2 * 1.96 * np.std(values, ddof=1) / np.sqrt(len(values))
    assert high - low > 1.5 * single


def test_the_interval_covers_the_truth() -> None:
    """60 studies of 6 raters and 20 outfits; 95 % is asked, and chance alone goes down to 85 %."""
    truth = np.mean([np.mean(simulated(6, 20, seed=s)[0]) for s in range(1000, 3000)])
    held = 0
    for seed in range(60):
        low, high, _ = two_way_interval(*simulated(6, 20, seed=seed), resamples=500)
        assert low is not None
        assert high is not None
        held += low <= truth <= high
    assert held >= 52


def test_too_few_or_equal_ratings_have_no_interval() -> None:
    values, raters, groups = simulated(2, 20, seed=0)
    assert two_way_interval(values, raters, groups)[2] == (
        "2 raters, 20 garment groups; needed: 3 raters and 5 garment groups"
    )
    values, raters, groups = simulated(5, 20, seed=0, spread=0)
    assert two_way_interval(values, raters, groups)[2] == "all ratings are 3: nothing varies"
    assert two_way_interval([], [], []) == (None, None, "nothing rated")


def test_the_summary_needs_no_torch_and_no_video() -> None:
    code = (
        "import sys, benchmark.study.summary; "
        "print(sorted({'torch', 'av', 'cv2', 'openpyxl', 'xlsxwriter'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
