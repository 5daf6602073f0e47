"""Which devices can compute: every GPU that has proved it, else the processor."""

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional as F

from kernel_src.cpus import usable_cpus
from kernel_src.events import EventLog

CPU = torch.device("cpu")

WORKERS_A_GPU = 2
"""While one of them waits for the network, the other puts its batch together."""


def keep_float32_whole() -> None:
    """From now on float32 convolutions on a GPU multiply float32; TF32, the default, is 1e-3 off in probabilities."""
    if hasattr(torch.backends.cudnn, "conv"):
        torch.backends.cudnn.conv.fp32_precision = "ieee"
    else:  # torch before 2.9
        torch.backends.cudnn.allow_tf32 = False


def all_gpus() -> list[torch.device]:
    """The GPUs that torch sees, whether they work or not."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [torch.device("cuda", index) for index in range(count)]


def try_out(device: torch.device) -> None:
    """One real operation there and back.

    Raises:
        RuntimeError: the device cannot do it. Kaggle still hands out GPUs that today's torch has no code for: they are
            found, and fail at the first operation.
    """
    ones = torch.ones(1, 8, 8, 8, device=device)
    if F.conv2d(ones, torch.ones(8, 8, 3, 3, device=device))[0, 0, 0, 0].cpu().item() != 72:
        raise RuntimeError("a convolution of ones gives a wrong sum")


def usable_gpus(
    events: EventLog | None = None,
    gpus: Sequence[torch.device] | None = None,
    trial: Callable[[torch.device], object] = try_out,
) -> list[torch.device]:
    """The GPUs that really compute, each tried.

    Args:
        events: is told of a GPU that is left out.
        gpus: those to try; None for all that torch sees.
        trial: raises RuntimeError for one that cannot.
    """
    usable = []
    for gpu in all_gpus() if gpus is None else gpus:
        try:
            trial(gpu)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            if events is not None:
                text = f"{gpu} cannot compute: {reason}; going on without"
                events.emit("device_failed", text, device=str(gpu), reason=reason)
        else:
            usable.append(gpu)
    return usable


def worker_devices(events: EventLog | None = None) -> list[torch.device]:
    """The devices of a crew: each GPU that computes, for two workers, or else the processor once for each core."""
    return usable_gpus(events) * WORKERS_A_GPU or [CPU] * usable_cpus()
