"""mrfashion: multi-reference fashion video, from footage to a leaderboard.

The public names below load on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "CurateConfig": "mrfashion.pipeline",
    "Dataset": "mrfashion.manifest",
    "Generator": "mrfashion.generation",
    "GeneratorInfo": "mrfashion.generation",
    "MRFashionError": "mrfashion.errors",
    "Reference": "mrfashion.generation",
    "Request": "mrfashion.generation",
    "Result": "mrfashion.generation",
    "Unsupported": "mrfashion.generation",
    "curate": "mrfashion.pipeline",
    "load_config": "mrfashion.config",
}
__version__ = "0.1.0"
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mrfashion' has no attribute {name!r}; public: {__all__}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
