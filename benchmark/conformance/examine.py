"""Run a generator through everything it owes: `mrfashion generators check NAME_OR_FILE`."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmark.conformance import behaviour, declared, pictures
from benchmark.conformance.behaviour import describe
from benchmark.conformance.findings import Failed, Finding, NotApplicable, Ran, Report
from benchmark.conformance.subject import Subject, Take
from benchmark.entrants import make_entrant
from mrfashion.errors import ConfigError, MRFashionError
from mrfashion.generation import Generator, Rehearsable

CHECKS: dict[str, Callable[[Subject], str]] = {
    "import light": declared.check_import_light,
    "info": declared.check_info,
    "licences": declared.check_licences,
    "settings": declared.check_settings,
    "configurable": declared.check_configurable,
    "lacks in words": declared.check_lacks_in_words,
    "rehearsal": declared.check_rehearsal,
    "loads": behaviour.check_loads,
    "answers": behaviour.check_answers,
    "same seed": behaviour.check_same_seed,
    "order of requests": behaviour.check_order,
    "other seed": behaviour.check_other_seed,
    "uses its inputs": behaviour.check_uses_inputs,
    "odd requests": behaviour.check_odd_requests,
    "long requests": behaviour.check_long_requests,
    "too many references": behaviour.check_too_many_references,
    "batches": behaviour.check_batches,
    "request untouched": behaviour.check_request_untouched,
    "frames stay": behaviour.check_frames_stay,
    "reference weights": behaviour.check_reference_weights,
    "effective": behaviour.check_effective,
    "values": pictures.check_values,
    "value range": pictures.check_value_range,
    "colour order": pictures.check_colour_order,
    "random states": behaviour.check_random_states,
    "settings steady": declared.check_settings_steady,
    "quiet": behaviour.check_quiet,
    "offline": behaviour.check_offline,
    "tidy": behaviour.check_tidy,
}


def examine(
    which: str,
    *,
    rehearse: bool = False,
    real_size: bool = False,
    device: str = "cpu",
    dtype: str = "float32",
    checks: Sequence[str] = tuple(CHECKS),
    tell: Callable[[Finding], None] = lambda finding: None,
) -> Report:
    """Examine an entrant, or its rehearsal where asked or where its weights are missing.

    `tell` hears each finding as it is made.

    ConfigError for a name or a file that is wrong; whatever the generator does is a finding.
    """
    try:
        made = make_entrant(which)
    except MRFashionError:
        raise
    except Exception as error:
        return _unmade(which, device, dtype, error)
    missing = _missing(made)
    rehearsed = rehearse or (bool(missing) and isinstance(made, Rehearsable))
    start: Callable[[], Generator] | None = None if missing else (lambda: made)
    if rehearsed:
        if not isinstance(made, Rehearsable):
            raise ConfigError(f"{which} has no rehearsal; leave out --rehearse")
        start = partial(made.rehearsal, real_size=real_size)
    subject = Subject(which, make_entrant(which), start, rehearsed, device, dtype)
    findings = []
    for name in checks:
        findings.append(finding(name, subject))
        tell(findings[-1])
    ran: Ran = "rehearsal" if rehearsed else "itself"
    first = subject.answers.get("first")
    return Report(
        entrant=made.info.name,
        kind=made.info.kind,
        ran=ran if subject.running else "not at all",
        device=device,
        dtype=dtype,
        missing=tuple(missing),
        seconds=first.seconds if isinstance(first, Take) else None,
        peak_memory_bytes=first.peak_memory_bytes if isinstance(first, Take) else None,
        findings=tuple(findings),
    )


def _unmade(which: str, device: str, dtype: str, error: Exception) -> Report:
    found = Finding("is made", "fail", describe(error))
    return Report(which, "unknown", "not at all", device, dtype, (), None, None, (found,))


def finding(name: str, subject: Subject) -> Finding:
    """What one check says; an exception nobody foresaw is a failure with its place."""
    try:
        return Finding(name, "pass", CHECKS[name](subject))
    except NotApplicable as reason:
        return Finding(name, "n/a", str(reason))
    except (Failed, MRFashionError) as reason:
        return Finding(name, "fail", str(reason))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return Finding(name, "fail", f"{describe(error)} (at {where})")


def _missing(generator: Generator) -> list[str]:
    """What check() says; where it does not say it in words, that is a finding of its own."""
    try:
        missing = generator.check()
    except Exception:
        return ["check() failed"]
    return missing if isinstance(missing, list) else ["check() gave no list"]
