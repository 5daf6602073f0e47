"""An hour in a minute: time and clips shrunk together, memory and disk to what the kernel needs anyway plus a share."""

import shutil
from dataclasses import dataclass, replace

from kernel_src.errors import KernelError
from kernel_src.limits import KernelLimits
from simulator.rehearse import rehearse
from simulator.run_folder import folder_beside
from simulator.settings import Rehearsal
from simulator.submission_check import read_table

PROBE_CLIPS = 2
PROBE_PASSES = 1


@dataclass(frozen=True)
class Base:
    """What a kernel uses however few the clips are: interpreter, imports, weights, one small batch."""

    memory_bytes: int
    """Its memory."""
    disk_bytes: int
    """Its disk."""


def parse_scale(text: str) -> float:
    """A share from "1/60" or "0.1".

    Raises:
        KernelError: it is no number above 0 and at most 1.
    """
    above, _, below = text.partition("/")
    try:
        scale = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError) as error:
        raise KernelError(f'--scale {text}: expected a share such as "1/60" or "0.1"') from error
    if not 0 < scale <= 1:
        raise KernelError(f"--scale {text}: expected a share above 0 and at most 1")
    return scale


def scaled(rehearsal: Rehearsal, scale: float, base: Base) -> Rehearsal:
    """The same rehearsal, smaller."""
    return replace(
        rehearsal, limits=scaled_limits(rehearsal.limits, scale, base), clips=_scaled_clips(rehearsal, scale)
    )


def scaled_limits(limits: KernelLimits, scale: float, base: Base) -> KernelLimits:
    """Time by the scale; of memory and disk only what clips can fill, for the base and the reserves do not shrink."""
    fixed_memory_bytes = base.memory_bytes + limits.memory_reserve_bytes
    fixed_disk_bytes = base.disk_bytes + limits.disk_reserve_bytes
    return replace(
        limits,
        time_s=limits.time_s * scale,
        memory_bytes=_scaled_above(fixed_memory_bytes, limits.memory_bytes, scale),
        disk_bytes=_scaled_above(fixed_disk_bytes, limits.disk_bytes, scale),
    )


def measure_base(rehearsal: Rehearsal) -> Base:
    """Runs the kernel on a few clips and measures what it uses.

    Raises:
        KernelError: it does not get through even these.
    """
    probe = replace(
        rehearsal,
        out=folder_beside(rehearsal.out, "base"),
        clips=PROBE_CLIPS if rehearsal.data else None,
        overrides={**rehearsal.overrides, "passes": PROBE_PASSES},
        faults=(),
        live=False,
    )
    result = rehearse(probe)
    shutil.rmtree(probe.out, ignore_errors=True)
    if not result.verdict.good:
        raise KernelError(f"--scale: the kernel fails on {PROBE_CLIPS} clips already: {result.verdict.text}")
    return Base(result.peak_memory_bytes, result.peak_disk_bytes)


def _scaled_above(fixed: int, whole: int, scale: float) -> int:
    return min(whole, fixed + round(scale * max(0, whole - fixed)))


def _scaled_clips(rehearsal: Rehearsal, scale: float) -> int | None:
    if rehearsal.data is None:
        return None
    clips = rehearsal.clips or len(read_table(rehearsal.data.sample_submission).rows)
    return max(1, round(clips * scale))
