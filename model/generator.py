"""A network of the family behind the generation interface, wherever it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from model.config import NetworkConfig, load_network_config
from model.network_source import (
    NetworkSource,
    Rehearsed,
    file_hashes,
    missing_files,
    missing_packages,
)
from model.sampling_settings import Memory, SamplingChoices, SamplingSettings, sampling_record
from mrfashion.artefacts import content_hash
from mrfashion.config import to_dict
from mrfashion.errors import ConfigError
from mrfashion.generation import Explanation, GeneratorInfo, Request, Result, Unsupported

if TYPE_CHECKING:
    from model.answering import Answering

MAX_REFERENCES = 8  # SPEC 5: one checkpoint serves 1 to 8
REHEARSAL_STEPS = 4


class NetworkGenerator:
    """Loads when told to, samples one video or several, and explains itself."""

    def __init__(
        self,
        info: GeneratorInfo,
        source: NetworkSource,
        sampling: SamplingSettings,
        choices: SamplingChoices | None = None,
        memory: Memory | None = None,
    ) -> None:
        """`choices` change `sampling`; ConfigError where the network cannot sample like that."""
        config, choices = source.config, choices or SamplingChoices()
        most = 1 if config.aggregation == "single" else MAX_REFERENCES
        self.info = replace(info, max_references=most, size_multiple=config.size_multiple)
        self.source = source
        try:
            own = sampling.within(config.unet.motion_frames)
            self.sampling = choices.over(own).by(memory or Memory())
            self.sampling.check(config)
        except ValueError as error:
            raise ConfigError(f"{info.name}: sampling: {error}") from None
        self._answering: Answering | None = None

    def check(self) -> list[str]:
        """Packages and files that are not there, each with what mends it."""
        return missing_packages() or missing_files(self.source)

    def settings(self) -> dict[str, Any]:
        """The network, its weights, and how it samples."""
        return {
            "network": content_hash(to_dict(self.source.config)),
            "sampling": sampling_record(self.sampling),
            "weights_sha256": file_hashes(self.source),
        }

    def load(self, device: str, dtype: str) -> None:
        """Read the weights; errors as `NetworkSource.load`."""
        from model.answering import Answering

        self._answering = Answering(*self.source.load(), self.sampling).to(device, dtype)

    def generate(self, request: Request) -> Result:
        """One video; Unsupported where the request was not fitted to `info`."""
        return self.generate_batch([request])[0]

    def generate_batch(self, requests: Sequence[Request]) -> list[Result]:
        """Videos of equal size and frame count, each as it would be alone."""
        for request in requests:
            self._refuse(request)
        return self._loaded().videos(requests)

    def explain(self, request: Request) -> Explanation:
        """Which reference feeds which place of which frame: no noise has a part in it."""
        self._refuse(request)
        return self._loaded().explanation(request)

    def rehearsal(self, *, real_size: bool = False) -> NetworkGenerator:
        """The same on random weights, and small unless `real_size`."""
        if real_size:
            return NetworkGenerator(self.info, Rehearsed(self.source.config), self.sampling)
        few = replace(self.sampling, steps=REHEARSAL_STEPS)
        return NetworkGenerator(self.info, Rehearsed(_tiny(self.source.config)), few)

    def _loaded(self) -> Answering:
        if self._answering is None:
            raise RuntimeError(f"{self.info.name} is asked before load(device, dtype) was called")
        return self._answering

    def _refuse(self, request: Request) -> None:
        if (got := len(request.references)) > (most := self.info.max_references):
            raise Unsupported(f"{self.info.name} takes at most {most} references; got {got}")
        multiple = self.info.size_multiple
        if any(side % multiple for side in request.size):
            raise Unsupported(
                f"size is {request.size}; {self.info.name} needs multiples of {multiple}"
            )
        for reference in request.references:
            if reference.image.shape[:2] != request.size:
                raise Unsupported(
                    f"a reference is {reference.image.shape[:2]}, asked is {request.size}. "
                    "Fit the request first"
                )


def _tiny(config: NetworkConfig) -> NetworkConfig:
    """A network small enough for one core, with the same switches."""
    return replace(
        load_network_config("tiny"),
        aggregation=config.aggregation,
        similarity=config.similarity,
        alignment=config.alignment,
        flow=config.flow,
        diffusion=config.diffusion,
    )
