"""Workers: methods in processes of their own, and all that can go wrong with them."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import baselines.worker
from baselines.still import Still
from baselines.worker import MooreAnimateAnyone, Worker, WorkerSettings
from benchmark import entrants
from benchmark.attempts import attempt
from benchmark.results import GENERATIONS
from benchmark.runner import generate
from mrfashion.errors import ConfigError, ItemError, MissingRequirement, OutOfMemory
from mrfashion.generation import Reference, Request, Result, Unsupported
from mrfashion.poses.skeletons import draw_skeletons
from tests.interrupts import hear_interrupts

HERE = Path(__file__).parent
SHIPPED = HERE.parent / "baselines" / "workers"


def request(frames: int = 3, references: int = 1, **fields: Any) -> Request:
    rng = np.random.default_rng(0)
    keypoints = np.ones((frames, 133, 3), np.float32)
    keypoints[..., :2] = rng.uniform(4, 44, (frames, 133, 2))
    image = rng.integers(0, 256, (64, 48, 3), dtype=np.uint8)
    made = Request(
        sample_id="one",
        references=tuple(
            Reference(np.roll(image, n, 0), keypoints[0], 30.0 * n, "front")
            for n in range(references)
        ),
        keypoints=keypoints,
        yaw_deg=np.full(frames, 10, np.float32),
        frame_size=(64, 48),
        fps=12.0,
        size=(64, 48),
        seed=0,
    )
    return replace(made, **fields)


Make = Callable[..., Worker]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Workers of the faulty script, in a folder as a user lays it out."""
    for name in (HERE / "faulty_worker.py", SHIPPED / "serving.py"):
        shutil.copy(name, tmp_path)

    def make(faults: str = "", start: str = "", **fields: Any) -> Worker:
        options = {"faults": faults, "start": start}
        script = tmp_path / "faulty_worker.py"
        return Worker(WorkerSettings(script=script, options=options, **fields), "faulty")

    return make


def loaded(worker: Worker) -> Worker:
    worker.load("cpu", "float32")
    return worker


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Worker:
    """One worker that answers a sample as its id says."""
    folder = tmp_path_factory.mktemp("faulty")
    for name in (HERE / "faulty_worker.py", SHIPPED / "serving.py"):
        shutil.copy(name, folder)
    options = {"start": "noise"}
    where = WorkerSettings(script=folder / "faulty_worker.py", options=options, request_s=20.0)
    return loaded(Worker(where, "faulty"))


def pid(worker: Worker) -> int:
    assert worker._process
    return worker._process.pid


def test_one_process_answers_many_requests_like_the_generator_in_process() -> None:
    worker, asked = loaded(Worker()), request()
    assert worker.check() == []
    first = pid(worker)
    theirs, ours = attempt(worker, asked, "cpu").result, attempt(Still(), asked, "cpu").result
    for _ in range(20):
        worker.generate(asked)
    assert pid(worker) == first
    np.testing.assert_array_equal(theirs.frames, ours.frames)
    np.testing.assert_array_equal(theirs.reference_weights, ours.reference_weights)
    with pytest.raises(Unsupported, match="reference is"):
        worker.generate(request(size=(32, 24), keypoints=asked.keypoints))
    assert pid(worker) == first


def test_a_worker_sees_all_of_the_request_and_little_of_our_environment(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MRFASHION_SECRET", "MRFASHION_PASSED", "PYTHONPATH"):
        monkeypatch.setenv(name, "here")
    worker = loaded(make("one=see", environment=("MRFASHION_PASSED",)))
    worker._declared = replace(worker._declared, draw="dwpose-133")
    asked = request(references=2, steps=7)
    result = worker.generate(asked)
    drawn = draw_skeletons(asked.keypoints, (64, 48), (64, 48)).mean()
    assert (result.frames == asked.references[0].image[0, 0]).all()
    seen = result.effective
    assert seen.pop("worker")["python"].startswith("3.")
    assert seen == {
        "steps": 7,
        "guidance": None,
        "yaw_deg": [0.0, 10.0],
        "joint": [float(v) for v in asked.keypoints[0, 0]],
        "skeletons": pytest.approx(drawn),
        "pythonpath": None,
        "secret": None,
        "passed": "here",
    }
    assert drawn > 1


@pytest.mark.parametrize(
    ("fault", "cause", "text"),
    [
        ("crash", "worker.died", "exit status 7"),
        ("segfault", "worker.died", "signal 11 (SIGSEGV)"),
        ("rubbish", "worker.invalid", "Loading checkpoint shards"),
        ("shape", "worker.invalid", "asked: uint8 (3, 64, 48, 3)"),
        ("dtype", "worker.invalid", "frames are float32 (3, 64, 48, 3)"),
        ("huge", "worker.invalid", "result.npz is no file, or has"),
        ("weights-nan", "worker.invalid", "reference weights"),
        ("effective-nan", "worker.invalid", "NaN"),
        ("fps", "worker.invalid", "fps is 99.0"),
        ("nothing", "worker.invalid", "result.json cannot be read: No such file"),
        ("link", "worker.invalid", "result.npz cannot be read"),
        ("pipe", "worker.invalid", "result.npz is no file"),
        ("no-archive", "worker.invalid", "no archive"),
        ("bomb", "worker.invalid", "unpacks to more than"),
        ("liar", "worker.invalid", "says float64 (1099511627776,)"),
        ("pickled", "worker.invalid", "plain numbers are needed"),
        ("long-file", "worker.invalid", "1099511627776 bytes"),
        ("bad-json", "worker.invalid", "no JSON object"),
    ],
)
def test_what_breaks_a_worker_is_told_and_the_next_request_has_a_new_one(
    faulty: Worker, fault: str, cause: str, text: str
) -> None:
    assert faulty.generate(request()).frames.shape == (3, 64, 48, 3)
    first = pid(faulty)
    with pytest.raises(ItemError) as caught:
        faulty.generate(request(sample_id=fault))
    assert caught.value.code == cause
    assert text in caught.value.text
    assert "/tmp" not in caught.value.text
    assert not psutil.pid_exists(first)


@pytest.mark.parametrize(
    ("fault", "error", "code", "text"),
    [
        ("memory", OutOfMemory, "generate.out-of-memory", "MemoryError: tried to allocate 9 TiB"),
        ("torch-memory", OutOfMemory, "generate.out-of-memory", "CUDA out of memory at 0x..."),
        ("unsupported", Unsupported, "generate.unsupported", "too long a skirt"),
        ("bug", ItemError, "worker.failed", "KeyError: 'config.yaml'"),
        ("exit", ItemError, "worker.failed", "SystemExit: usage: infer.py"),
    ],
)
def test_what_costs_one_request_leaves_the_worker_as_it_was(
    faulty: Worker, fault: str, error: type[ItemError], code: str, text: str
) -> None:
    faulty.generate(request())
    first = pid(faulty)
    with pytest.raises(error) as caught:
        faulty.generate(request(sample_id=fault))
    assert caught.value.code == code
    assert text in caught.value.text
    faulty.generate(request())
    assert pid(faulty) == first


def test_a_worker_that_died_while_idle_costs_nothing(faulty: Worker) -> None:
    faulty.generate(request())
    first = pid(faulty)
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert faulty.generate(request()).frames.shape == (3, 64, 48, 3)
    assert pid(faulty) != first


def test_a_hung_worker_is_killed_with_its_children(make: Make, tmp_path: Path) -> None:
    worker = loaded(make("one=hang-with-child", request_s=0.7))
    first = pid(worker)
    with pytest.raises(ItemError, match=r"worker.timeout: no answer within 0.7 s") as caught:
        worker.generate(request())
    assert caught.value.retryable
    child = int((tmp_path / "child").read_text())
    assert not any(psutil.pid_exists(one) and _alive(one) for one in (first, child))


def _alive(pid: int) -> bool:
    return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_prints_and_floods_reach_the_log_alone(faulty: Worker) -> None:
    assert faulty.generate(request(sample_id="flood")).frames.shape == (3, 64, 48, 3)
    said = r"exit status 7; its last words: x{200} \| from below python \| and from python$"
    with pytest.raises(ItemError, match=said):
        faulty.generate(request(sample_id="crash"))


@pytest.mark.parametrize(
    ("start", "text"),
    [
        ("die", "exit status 9; its last words: no such device"),
        ("weights", "weights are missing: FileNotFoundError: net.bin is not there"),
        ("memory", "generate.out-of-memory: MemoryError"),
        ("slow", r"no answer within 0.7 s"),
    ],
)
def test_a_worker_that_does_not_start_stops_the_run(make: Make, start: str, text: str) -> None:
    with pytest.raises(MissingRequirement, match=text):
        make(start=start, start_s=0.7 if start == "slow" else 60.0).load("cpu", "float32")


def test_it_gives_up_after_three_starts_in_a_row(make: Make) -> None:
    worker = loaded(make("one=crash", start="once"))
    causes = []
    for _ in range(3):
        with pytest.raises(ItemError) as caught:
            worker.generate(request())
        causes.append(caught.value.text.split(";")[0])
    assert causes == ["exit status 7", "exit status 9", "exit status 9"]
    with pytest.raises(MissingRequirement, match="did not start 3 times in a row"):
        worker.generate(request())


def test_every_cause_is_one_row_and_the_rest_is_made(
    make: Make, tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = "sample-clip00=crash,sample-clip01=hang,sample-clip02=shape"
    monkeypatch.setitem(entrants.ENTRANTS, "faulty", lambda: make(faults, request_s=2.0))
    summary = generate(tiny_dataset, tmp_path / "runs", ["faulty"])
    assert (summary.entrants["faulty"].ok, summary.failed) == (1, 3)
    rows = GENERATIONS.read(tmp_path / "runs" / "generations.parquet")
    assert [row.error for row in rows] == [
        "worker.died",
        "worker.timeout",
        "worker.invalid",
        None,
    ]


def test_a_peak_that_the_generator_tells_is_the_one_recorded() -> None:
    class Elsewhere(Still):
        def generate(self, request: Request) -> Result:
            return replace(super().generate(request), peak_memory_bytes=7)

    assert attempt(Elsewhere(), request(), "cpu").peak_memory_bytes == 7


ORPHAN = """
import sys
from pathlib import Path
import numpy as np
from baselines.worker import Worker, WorkerSettings
from mrfashion.generation import Reference, Request
poses, image = np.ones((1, 133, 3), np.float32), np.zeros((8, 8, 3), np.uint8)
references = (Reference(image, poses[0], None, None),)
request = Request("one", references, poses, poses[:, 0, 0], (8, 8), 1.0, (8, 8), 0)
options = {"faults": sys.argv[2]}
worker = Worker(WorkerSettings(script=Path(sys.argv[1]), options=options), "faulty")
worker.load("cpu", "float32")
print(worker._process.pid, flush=True)
worker.generate(request)
"""


@pytest.mark.parametrize("end", ["exit", signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_us(make: Make, tmp_path: Path, end: Any) -> None:
    faults = "" if end == "exit" else "one=hang"
    command = [sys.executable, "-c", ORPHAN, str(tmp_path / "faulty_worker.py"), faults]
    root = str(HERE.parent)
    ours = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=root,
        text=True,
        preexec_fn=hear_interrupts,
    )
    assert ours.stdout
    theirs = int(ours.stdout.readline())
    if end != "exit":
        time.sleep(0.3)  # busy with the request
        ours.send_signal(end)
    ours.wait(30)
    ours.stdout.close()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(theirs) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not psutil.pid_exists(theirs)


def test_settings_tell_weights_script_checkout_and_options_apart(
    make: Make, tmp_path: Path
) -> None:
    weights, checkout = tmp_path / "weights", tmp_path / "checkout"
    weights.mkdir()
    (checkout / "src").mkdir(parents=True)
    (checkout / "src" / "net.py").write_text("a = 1")
    worker = make(weights=weights, checkout=checkout)
    assert worker.check() == [f"settings.weights: {weights} lacks net.bin"]
    assert worker.settings()["weights"] == {"net.bin": None}
    seen = []
    for path, text in (
        (weights / "net.bin", "one"),
        (weights / "net.bin", "two"),
        (checkout / "src" / "net.py", "a = 2"),
        (tmp_path / "faulty_worker.py", (HERE / "faulty_worker.py").read_text() + "\n# other"),
        (checkout / "README.md", "decides nothing"),
    ):
        path.write_text(text)
        seen.append(make(weights=weights, checkout=checkout).settings())
    seen.append(make("one=see", weights=weights, checkout=checkout).settings())
    texts = [json.dumps(settings, sort_keys=True) for settings in seen]
    assert len(set(texts)) == 5
    assert texts[3] == texts[4]
    assert str(tmp_path) not in "".join(texts)
    slow = make("one=see", weights=weights, checkout=checkout, request_s=1.0).settings()
    assert slow == seen[-1]


def test_a_script_that_names_no_weight_files_has_all_of_them_hashed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "net.bin").write_text("one")
    assert list(Worker(WorkerSettings(weights=tmp_path)).settings()["weights"]) == ["deep/net.bin"]


def test_check_says_what_is_not_set_or_not_there(tmp_path: Path) -> None:
    assert MooreAnimateAnyone().check() == [
        f"settings.{name} is not set: name it in an entrant file"
        for name in ("python", "checkout", "weights")
    ]
    python, folder = tmp_path / "python", tmp_path / "checkout"
    python.touch()
    assert Worker(WorkerSettings(python=python, checkout=folder)).check() == [
        f"settings.python: {python} is no program",
        f"settings.checkout: {folder} is no folder",
    ]


def test_an_entrant_file_configures_a_worker(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    lines = ['generator = "worker"', "[settings]", 'script = "faulty_worker.py"']
    file.write_text("\n".join([*lines, "[settings.options]", "level = 1"]))
    generator = entrants.make_entrant(str(file))
    assert generator.info.name == "mine"
    assert generator.info.max_references == 8
    assert generator.settings()["options"]["level"] == 1
    assert entrants.make_entrant("worker").info.name == "worker"
    whole = file.read_text()
    for line, text in {"speed = 2": "got 'speed'", "faults = 3": "options.faults is 3"}.items():
        file.write_text(f"{whole}\n{line}")
        with pytest.raises(ConfigError, match=text):
            entrants.make_entrant(str(file))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no INFO"),
        ("INFO = dict(kind='copy')", "INFO is no literal"),
        ("INFO = {", "INFO is no literal"),
        ("INFO = {'name': 'x'}", r"INFO sets \['name'\]"),
        ("INFO = {'kind': 'copy', 'speed': 1}", "unknown key 'speed'"),
        ("INFO = {'kind': 'copy', 'needs': ['gpu']}", "needed and not given"),
    ],
)
def test_a_script_without_sound_info_is_refused(tmp_path: Path, text: str, said: str) -> None:
    script = tmp_path / "worker.py"
    script.write_text(text)
    with pytest.raises(ConfigError, match=said):
        Worker(WorkerSettings(script=script))
    with pytest.raises(ConfigError, match="No such file"):
        Worker(WorkerSettings(script=tmp_path / "other.py"))


def test_a_script_of_another_protocol_is_refused(make: Make, tmp_path: Path) -> None:
    serving = tmp_path / "serving.py"
    serving.write_text(serving.read_text().replace("PROTOCOL = 1", "PROTOCOL = 2"))
    with pytest.raises(MissingRequirement, match="needed: a start of protocol 2"):
        make().load("cpu", "float32")


def test_an_info_that_the_process_does_not_confirm_is_refused(make: Make, tmp_path: Path) -> None:
    worker = make()
    script = tmp_path / "faulty_worker.py"
    script.write_text(script.read_text().replace('"max_references": 8', '"max_references": 9'))
    with pytest.raises(MissingRequirement, match="runs with another INFO"):
        worker.load("cpu", "float32")


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.py")), ids=lambda path: path.name)
def test_what_workers_run_is_python_3_8_and_imports_nothing_of_ours(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    modules = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    modules += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    tops = {module.split(".")[0] for module in modules}
    assert not tops & {"mrfashion", "baselines", "benchmark", "model", "leaderboard"}
    if path.name in ("serving.py", "template.py"):
        assert tops <= {"__future__", "numpy", "serving", *sys.stdlib_module_names}


@pytest.fixture(scope="module")
def moore() -> MooreAnimateAnyone:
    """The repository's own code on narrow random networks, where a machine has it."""
    python, checkout = (os.environ.get(f"MRFASHION_MOORE_{n}") for n in ("PYTHON", "CHECKOUT"))
    if not python or not checkout:
        pytest.skip("MRFASHION_MOORE_PYTHON and MRFASHION_MOORE_CHECKOUT are not set")
    where = WorkerSettings(python=Path(python), checkout=Path(checkout))
    worker = MooreAnimateAnyone(where).rehearsal()
    assert worker.check() == []
    worker.load("cpu", "float32")
    return worker


def test_moore_follows_pose_reference_and_seed(moore: MooreAnimateAnyone) -> None:
    asked = request(5, steps=2)
    first = moore.generate(asked).frames
    np.testing.assert_array_equal(first, moore.generate(asked).frames)
    other = request(5, references=2, steps=2).references[1]
    for changed in (
        replace(asked, seed=1),
        replace(asked, keypoints=asked.keypoints[::-1].copy()),
        replace(asked, references=(other,)),
        replace(asked, guidance=2.0),
    ):
        assert (moore.generate(changed).frames != first).any()


def test_moore_cuts_long_videos_into_clamped_windows(moore: MooreAnimateAnyone) -> None:
    assert moore.generate(request(30, steps=1)).frames.shape == (30, 64, 48, 3)
    with pytest.raises(Unsupported, match="at most 24 frames"):
        moore.generate(request(30, steps=1, guidance=1.0))


def test_moore_options_decide_the_pixels_of_long_videos(moore: MooreAnimateAnyone) -> None:
    asked = request(26, steps=2)
    usual = moore.generate(asked).frames
    for options in ({"windows": "closed"}, {"beta_schedule": "linear"}):
        other = MooreAnimateAnyone(replace(moore.where, options=options)).rehearsal()
        assert (loaded(other).generate(asked).frames != usual).any()
        other.close()
    wrong = MooreAnimateAnyone(replace(moore.where, options={"windows": "open"})).rehearsal()
    with pytest.raises(MissingRequirement, match=r"options.windows is 'open'"):
        wrong.load("cpu", "float32")


def test_moore_loads_the_layout_of_its_readme(moore: MooreAnimateAnyone, tmp_path: Path) -> None:
    script, out = str(HERE / "moore_weights.py"), tmp_path / "weights"
    out.mkdir()
    command = [str(moore.where.python), script, str(SHIPPED), str(moore.where.checkout), str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    published = MooreAnimateAnyone(replace(moore.where, weights=out))
    assert published.check() == []
    asked = request(3, steps=2)
    frames = loaded(published).generate(asked).frames
    np.testing.assert_array_equal(frames, moore.generate(asked).frames)
    assert len(published.settings()["weights"]) == 10
    shutil.copy(out / "denoising_unet.pth", out / "motion_module.pth")
    with pytest.raises(MissingRequirement, match=r"motion_module.pth lacks \d+ parameters"):
        published.load("cpu", "float32")
    (out / "motion_module.pth").unlink()
    with pytest.raises(MissingRequirement, match=r"weights are missing: .*motion_module.pth"):
        published.load("cpu", "float32")


def test_clamped_windows_cover_every_frame_and_end_at_the_last() -> None:
    from baselines.workers.moore_animate_anyone import clamped_windows

    assert clamped_windows(0, 30, 5, 24, 1, 4) == [[0, 1, 2, 3, 4]]
    for frames in range(1, 130):
        windows = clamped_windows(0, 30, frames, 24, 1, 4)
        assert sorted({place for window in windows for place in window}) == list(range(frames))
        assert all(window == list(range(window[0], window[-1] + 1)) for window in windows)
        assert len({len(window) for window in windows}) == 1
    assert [w[0] for w in clamped_windows(0, 30, 64, 24, 1, 4)] == [0, 20, 40]


def test_the_shipped_scripts_are_in_the_package() -> None:
    assert baselines.worker.SHIPPED == SHIPPED
