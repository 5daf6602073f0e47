"""A process that computes with one network in one way, and times a round whenever it is told to.

Malloc's settings and torch's threads belong to a process, so each way has a process of its own; they take turns.
A line on stdin asks for a round, `{"mode": "one" | "two" | "torch", "seconds_s": 2}`; a line on stdout answers.
"""

import copy
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel_src.before_torch import prepare_for_torch

if TYPE_CHECKING:
    import torch
    from torch import nn

N_LABELS = 80


@dataclass(frozen=True)
class Way:
    """How to compute."""

    backend: str
    """One of the runtime's, or `compiled-float32`, `compiled-bfloat16`."""
    prepared: bool
    """Whether malloc and OpenMP are set as the runtime sets them, or left as they are."""
    batch: int = 16
    compile_again: bool = False
    """Whether `torch.compile` is asked to forget what it keeps on disk, as on a new machine."""


def main() -> None:
    """Builds the network, then serves rounds until stdin ends."""
    way = Way(**json.loads(sys.argv[1]))
    if way.prepared:
        prepare_for_torch()
    began_s = time.perf_counter()
    step, bare, difference = build_step(way)
    print(json.dumps({"start_s": time.perf_counter() - began_s, "difference": difference}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        rate = measure(bare if asked.get("bare") else step, asked["mode"], asked["seconds_s"]) * way.batch
        print(json.dumps({"images_per_s": rate}), flush=True)


def build_step(way: Way) -> tuple[Callable[[], object], Callable[[], object], float]:
    """A batch by the network, one by its convolutions alone, and how far probabilities are from the plain ones."""
    import torch  # noqa: PLC0415 - after the settings

    from benchmarks.bare_convolutions import BareConvolutions  # noqa: PLC0415
    from kernel_src.backends import DTYPES, build  # noqa: PLC0415
    from kernel_src.model import SEDenseNet  # noqa: PLC0415
    from kernel_src.model_config import ModelConfig  # noqa: PLC0415

    torch.manual_seed(0)
    torch.set_num_threads(1)
    cpu = torch.device("cpu")
    model = SEDenseNet(ModelConfig(N_LABELS)).eval().requires_grad_(False)
    images = torch.randn(way.batch, 1, model.config.n_mels, model.config.crop_frames)
    if way.backend.startswith("compiled"):
        network = compiled(model, torch.bfloat16 if "bfloat16" in way.backend else torch.float32)
    else:
        network = build(way.backend, model, cpu)
    bare = BareConvolutions(model, DTYPES.get(way.backend, torch.float32), cpu, way.batch)

    def step() -> object:
        with torch.inference_mode():
            return network(images)

    with torch.inference_mode():
        difference = float((network(images).sigmoid() - model(images).sigmoid()).abs().max())
    return step, bare, difference


def compiled(model: "nn.Module", dtype: "torch.dtype") -> "Callable[[torch.Tensor], torch.Tensor]":
    """The plain module through `torch.compile`, channels-last."""
    import torch  # noqa: PLC0415

    inner = torch.compile(copy.deepcopy(model).to(dtype=dtype, memory_format=torch.channels_last))  # type: ignore[call-overload]

    def run(images: "torch.Tensor") -> "torch.Tensor":
        logits: torch.Tensor = inner(images.to(dtype).contiguous(memory_format=torch.channels_last))
        return logits.float()

    return run


def measure(step: Callable[[], object], mode: str, seconds_s: float) -> float:
    """Batches a second: on one core, by a worker on each of two cores, or by torch's own two threads."""
    import torch  # noqa: PLC0415

    torch.set_num_threads(2 if mode == "torch" else 1)
    cores = sorted(os.sched_getaffinity(0))[:2]
    if mode == "torch":
        return run_for(step, seconds_s, None)
    workers = cores[:1] if mode == "one" else cores
    with ThreadPoolExecutor(len(workers)) as pool:
        return sum(pool.map(lambda core: run_for(step, seconds_s, core), workers))


def run_for(step: Callable[[], object], seconds_s: float, core: int | None) -> float:
    """Batches a second of the calling thread, pinned to a core where one is given."""
    if core is not None:
        os.sched_setaffinity(0, {core})  # 0 is the calling thread
    step()
    began_s = time.perf_counter()
    count = 0
    while time.perf_counter() - began_s < seconds_s:
        step()
        count += 1
    return count / (time.perf_counter() - began_s)


if __name__ == "__main__":
    main()
