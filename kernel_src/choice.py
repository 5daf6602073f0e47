"""Chooses the backend by measurement, at the start of a run, from those that the device has."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from kernel_src.backend_names import PLAIN
from kernel_src.backends import candidates
from kernel_src.events import EventLog
from kernel_src.weights import LoadedMember

TIMED_CALLS = 2

MOST_DEVIATION = 0.05
"""Of a logit from the plain float32 network's, as a share of the largest; half precision stays at a tenth of it."""


def choose_backend(
    member: LoadedMember,
    device: torch.device,
    batch: int,
    events: EventLog,
    *,
    forced: str | None = None,
    names: Sequence[str] | None = None,
) -> str:
    """The quickest backend whose logits are right, which is also an event.

    None of them has a start-up worth speaking of, so that it need not be weighed against the time left. The time is the
    thread's own on a processor, where other threads are at work at the start of a run.

    Args:
        member: any one; members of one size choose alike.
        device: where to compute.
        batch: windows at a time.
        events: is told of the choice, and of backends that fail.
        forced: the choice, made elsewhere.
        names: the backends to try; None for those that the device is known to have.
    """
    if forced is not None:
        events.emit("backend_chosen", f"{forced}, as an override says", backend=forced, forced=True)
        return forced
    config = member.config
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(batch, 1, config.n_mels, config.crop_frames, generator=generator)
    images = noise * member.std + member.mean
    expected = member.on(device, PLAIN).logits(images[:2])
    rates: dict[str, float] = {}
    for name in names or candidates(device):
        if name == PLAIN:
            continue  # the last resort, which needs no trial
        try:
            rates[name] = _rate(member.on(device, name), images, expected)
        except (RuntimeError, ArithmeticError) as error:
            reason = str(error).splitlines()[0]
            events.emit("backend_failed", f"{name}: {reason}; going on without", backend=name, reason=reason)
    chosen = max(rates, key=lambda name: rates[name], default=PLAIN)
    listed = ", ".join(f"{name} {rate:.0f} windows/s" for name, rate in rates.items()) or "nothing else works"
    rounded = {name: round(rate, 1) for name, rate in rates.items()}
    events.emit("backend_chosen", f"{chosen} on {device} ({listed})", backend=chosen, windows_per_s=rounded)
    return chosen


def _rate(member: LoadedMember, images: torch.Tensor, expected: np.ndarray) -> float:
    """Windows a second.

    Raises:
        ArithmeticError: the logits stray from those expected of the first windows.
    """
    clock: Callable[[], float] = time.thread_time if member.device.type == "cpu" else time.perf_counter
    deviation = float(np.abs(member.logits(images)[: len(expected)] - expected).max())
    if not deviation <= MOST_DEVIATION * float(np.abs(expected).max()):  # not: it may be NaN
        raise ArithmeticError(f"logits stray by {deviation:.3g} from the plain network's")
    durations_s = []
    for _ in range(TIMED_CALLS):
        began_s = clock()
        member.logits(images)
        durations_s.append(clock() - began_s)
    return len(images) / max(min(durations_s), 1e-9)
