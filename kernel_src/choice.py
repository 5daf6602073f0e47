"""Chooses the backend by measurement, at the start of a run, from those that the device has."""

from collections.abc import Callable, Sequence
from time import perf_counter, thread_time

import numpy as np
import torch

from kernel_src.backend_names import COMPILED, PLAIN
from kernel_src.backends import candidates
from kernel_src.cuda_graphs import CAPTURE_AT_CALL
from kernel_src.devices import CPU
from kernel_src.errors import KernelError
from kernel_src.events import EventLog
from kernel_src.weights import LoadedMember

TIMED_CALLS = 2

HOPELESS = 1.5
"""A backend whose first call takes so many times as long as the quickest one's calls is not timed any further: a first
call is slower than those after it, but not by this much."""

COMPILING_PAYS_S = 300.0
"""With less time left, nothing is compiled: it takes half a minute or more on a slow processor, and saves half of the
time of all passes after it."""

MOST_DEVIATION = 0.05
"""Of a logit from the plain float32 network's, as a share of the largest; half precision stays at a tenth of it."""


def choose_backend(
    member: LoadedMember,
    device: torch.device,
    batch: int,
    events: EventLog,
    *,
    left_s: float,
    forced: str | None = None,
    names: Sequence[str] | None = None,
) -> str:
    """The quickest backend whose logits are right, which is also an event.

    Compiled ones are dear to start, and are tried only where enough time is left to pay for it. On a processor the time
    is the thread's own, for other threads are at work at the start of a run.

    Args:
        member: any one; members of one size choose alike.
        device: where to compute.
        batch: windows at a time.
        events: is told of the choice, and of backends that fail.
        left_s: how long the run may go on.
        forced: the choice, made elsewhere.
        names: the backends to try; None for those that the device is known to have.

    Raises:
        KernelError: the forced one cannot be had here.
    """
    if forced is not None:
        try:
            member.on(device, forced)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise KernelError(f"backend {forced}, an override, cannot be had on {device}: {reason}") from error
        events.emit("backend_chosen", f"{forced}, as an override says", backend=forced, forced=True)
        return forced
    config = member.config
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(batch, 1, config.n_mels, config.crop_frames, generator=generator)
    images = noise * member.std + member.mean
    # By the processor: a GPU that fails here, or computes something else, then fails its trials alone.
    expected = member.on(CPU, PLAIN).logits(images[:2])
    rates: dict[str, float] = {}
    for name in names or candidates(device):
        if name == PLAIN or (name in COMPILED and left_s < COMPILING_PAYS_S):
            continue  # the plain one is the last resort, and needs no trial
        try:
            rates[name] = _rate(member.on(device, name), images, expected, max(rates.values(), default=0.0))
        except (RuntimeError, ArithmeticError) as error:
            reason = str(error).splitlines()[0]
            events.emit("backend_failed", f"{name}: {reason}; going on without", backend=name, reason=reason)
    chosen = max(rates, key=lambda name: rates[name], default=PLAIN)
    listed = ", ".join(f"{name} {rate:.0f} windows/s" for name, rate in rates.items()) or "nothing else works"
    rounded = {name: round(rate, 1) for name, rate in rates.items()}
    events.emit("backend_chosen", f"{chosen} on {device} ({listed})", backend=chosen, windows_per_s=rounded)
    return chosen


def _rate(member: LoadedMember, images: torch.Tensor, expected: np.ndarray, to_beat: float) -> float:
    """Windows a second; of the first call alone where that is far from what is to beat.

    Raises:
        ArithmeticError: the logits stray from those expected of the first windows.
    """
    on_cpu = member.device.type == "cpu"
    clock: Callable[[], float] = thread_time if on_cpu else perf_counter
    for _ in range(0 if on_cpu else CAPTURE_AT_CALL):  # what is timed is what the passes will have: a GPU's graph
        member.logits(images)
    durations_s: list[float] = []

    def timed_logits() -> np.ndarray:
        began_s = clock()
        found = member.logits(images)
        durations_s.append(clock() - began_s)
        return found

    deviation = float(np.abs(timed_logits()[: len(expected)] - expected).max())
    if not deviation <= MOST_DEVIATION * float(np.abs(expected).max()):  # not: it may be NaN
        raise ArithmeticError(f"logits stray by {deviation:.3g} from the plain network's")
    if durations_s[0] * to_beat < HOPELESS * len(images):
        for _ in range(TIMED_CALLS):
            timed_logits()
    return len(images) / max(min(durations_s), 1e-9)
