"""Generators of another package, joined by entry points, so that spawned processes find them too.

`join(folder)` writes the package; with the folder on sys.path its names work everywhere.
"""

from __future__ import annotations

from pathlib import Path

MODULE = '''
"""Still, in several moods."""
import os, signal, time
from dataclasses import replace
from pathlib import Path

from baselines.still import Still
from mrfashion.errors import ItemError, MissingRequirement
from mrfashion.generation import Unsupported


class Moody(Still):
    """Ends its process, or hangs, at some samples."""

    info = replace(Still.info, name="toy-moody")

    def generate(self, request):
        mood = {
            "sample-clip00": lambda: os.kill(os.getpid(), signal.SIGKILL),
            "sample-clip01": lambda: os._exit(7),
            "sample-clip02": lambda: time.sleep(600),
        }.get(request.sample_id)
        if mood:
            mood()
        return super().generate(request)


class Unloadable(Still):
    """Ends its process while it loads."""

    info = replace(Still.info, name="toy-unloadable")

    def load(self, device, dtype):
        os._exit(3)


class Breaking(Still):
    """Breaks CUDA's context at one sample, as a kernel's assertion does: nothing works after."""

    info = replace(Still.info, name="toy-breaking")

    def load(self, device, dtype):
        self.broken = False

    def generate(self, request):
        self.broken = self.broken or request.sample_id == "sample-clip01"
        if self.broken:
            raise RuntimeError("CUDA error: device-side assert triggered")
        return super().generate(request)

    def generate_batch(self, requests):
        return [self.generate(request) for request in requests]


class Shifting(Still):
    """Is configured otherwise in every process."""

    info = replace(Still.info, name="toy-shifting")

    def settings(self):
        return {"process": os.getpid()}


class Lacking(Still):
    """Finds out late that it lacks something."""

    info = replace(Still.info, name="toy-lacking")

    def generate(self, request):
        print("on stdout")
        raise MissingRequirement("pip install something")


class Batched(Still):
    """Makes batches; TOY_MOST is how many fit the memory, TOY_BAD a sample that fails alone."""

    info = replace(Still.info, name="toy-batched")
    calls = []

    def generate(self, request):
        return self.generate_batch([request])[0]

    def generate_batch(self, requests):
        type(self).calls.append([r.sample_id for r in requests])
        if len(requests) > int(os.environ.get("TOY_MOST", "99")):
            import torch
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        for request in requests:
            if request.sample_id == os.environ.get("TOY_BAD"):
                raise Unsupported("too short a skirt")
            if request.sample_id == os.environ.get("TOY_HUGE"):
                os.kill(os.getpid(), signal.SIGKILL)
        return [super(Batched, self).generate(r) for r in requests]
'''
NAMES = {
    "toy-moody": "Moody",
    "toy-unloadable": "Unloadable",
    "toy-breaking": "Breaking",
    "toy-lacking": "Lacking",
    "toy-shifting": "Shifting",
    "toy-batched": "Batched",
}


def join(folder: Path) -> Path:
    """Write the package below `folder` => what must be on sys.path."""
    (folder / "mrfashion_toys.py").write_text(MODULE)
    info = folder / "mrfashion_toys-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mrfashion-toys\nVersion: 1.0\n")
    points = "".join(f"{name} = mrfashion_toys:{cls}\n" for name, cls in NAMES.items())
    (info / "entry_points.txt").write_text(f"[mrfashion.generators]\n{points}")
    return folder
