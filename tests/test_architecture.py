"""Imports point one way, and importing anything does nothing but define names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# What each package may import of ours, beside itself.
ALLOWED = {
    "mrfashion": set[str](),
    "model": {"mrfashion"},
    "baselines": {"mrfashion"},
    "benchmark": {"mrfashion"},
    "leaderboard": {"mrfashion", "benchmark"},
}
COMPOSITION_ROOT = "mrfashion/__main__.py"  # may import forward, inside functions
ENTRANTS = "benchmark/entrants.py"  # alone knows model and baselines by name
SCRIPTS = "benchmark/perf/"  # run, never imported: they name what they time


def source_files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(tree: ast.AST, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """Every imported module, and whether the import stands inside a function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module, inside
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from imports(node, inside or function)


def offences(name: str, text: str) -> list[str]:
    """Imports of a file that its place does not allow."""
    package = name.split("/")[0]
    knows = name == ENTRANTS or name.startswith(SCRIPTS)
    allowed = ALLOWED[package] | ({"model", "baselines"} if knows else set())
    found = []
    for module, inside in imports(ast.parse(text)):
        top = module.split(".")[0]
        if package == "leaderboard" and top == "torch":
            found.append(f"{name} imports {module}; the leaderboard reads rows")
        if module.startswith("benchmark.perf") and not name.startswith(SCRIPTS):
            found.append(f"{name} imports {module}, a script")
        if top not in ALLOWED or top == package or top in allowed:
            continue
        if not (name == COMPOSITION_ROOT and inside):
            found.append(f"{name} imports {module}")
    return found


@pytest.mark.parametrize("package", list(ALLOWED))
def test_imports_point_one_way(package: str) -> None:
    files = source_files(package)
    assert files
    found = [
        offence
        for path in files
        for offence in offences(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mrfashion/x.py", "import benchmark.runner"),
        ("mrfashion/x.py", "def f():\n    from model.config import X"),
        ("mrfashion/x.py", "if TYPE_CHECKING:\n    from leaderboard import board"),
        ("mrfashion/__main__.py", "from benchmark import commands"),
        ("mrfashion/__main__.py", "class A:\n    import model"),
        ("model/x.py", "import baselines"),
        ("model/x.py", "def f():\n    import benchmark.fitting"),
        ("baselines/x.py", "from model.generator import G"),
        ("benchmark/x.py", "try:\n    import model.codec\nexcept ImportError:\n    pass"),
        ("benchmark/x.py", "from baselines import BASELINES"),
        ("benchmark/entrants.py", "import leaderboard"),
        ("benchmark/perf/x.py", "import leaderboard"),
        ("benchmark/x.py", "from benchmark.perf.profashion import training"),
        ("leaderboard/x.py", "def f():\n    import torch.nn"),
        ("leaderboard/x.py", "from model import config"),
    ],
)
def test_a_forbidden_import_is_found(name: str, text: str) -> None:
    assert offences(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mrfashion/__main__.py", "def f():\n    from leaderboard.commands import mount"),
        ("benchmark/entrants.py", "from baselines import BASELINES\nimport model.generator"),
        ("benchmark/perf/x.py", "from model.profashion import ProFashion"),
        ("leaderboard/x.py", "from benchmark.results import SCORES"),
        ("model/x.py", "import torch\nfrom mrfashion.generation import Request"),
        ("model/x.py", "import modelling, torch.model"),
    ],
)
def test_an_allowed_import_passes(name: str, text: str) -> None:
    assert not offences(name, text)


IMPORT_ALL = """
import importlib, logging, socket, sys, threading, warnings
from pathlib import Path

def refuse(*_, **__):
    raise AssertionError("importing reached for the network")

socket.socket.connect = refuse
socket.getaddrinfo = refuse
warnings.simplefilter("default")
for name in sys.argv[1:]:
    importlib.import_module(name)
    own = [n for n, l in logging.root.manager.loggerDict.items()
           if n.split(".")[0] in ("mrfashion", "model", "baselines", "benchmark", "leaderboard")
           and isinstance(l, logging.Logger) and (l.handlers or l.level)]
    assert not logging.root.handlers, f"{name} configured logging"
    assert not own, f"{name} configured {own}"
torch = sys.modules.get("torch")
assert torch is None or not torch.cuda.is_initialized(), "a GPU was probed"
assert threading.active_count() == 1, threading.enumerate()
"""


def test_importing_everything_has_no_side_effects(tmp_path: Path) -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in ALLOWED
        for path in source_files(package)
    ]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *names],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    ours = [line for line in done.stderr.splitlines() if str(ROOT) in line]
    assert not ours, done.stderr
    written = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    # torchmetrics imports matplotlib, which keeps a list of the machine's fonts.
    left = [name for name in written if not name.startswith("fontlist")]
    assert not left, f"importing wrote {left}"


LIGHT = ["mrfashion", "mrfashion.__main__", "mrfashion.generation", "benchmark.commands"]


@pytest.mark.parametrize("name", LIGHT)
def test_light_modules_stay_light(name: str) -> None:
    heavy = "{'torch', 'cv2', 'av', 'pyarrow', 'scipy', 'pandas', 'matplotlib'}"
    code = f"import sys, {name}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
