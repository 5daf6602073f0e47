"""The network's ways to compute on a GPU beside the plain module, in turns in one process.

`python -m benchmarks.network_gpu`, or with those of the processor: `python -m benchmarks.network`.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch

from benchmarks.bare_convolutions import BareConvolutions
from benchmarks.report import Result, print_report
from kernel_src.backend_names import COMPILED, GRAPHED, PLAIN
from kernel_src.backends import DTYPES, build, candidates
from kernel_src.devices import usable_gpus
from kernel_src.model import SEDenseNet
from kernel_src.model_config import ModelConfig

BATCH = 64
ROUNDS = 7
CALLS = 10


def gpu_results() -> dict[str, Result]:
    """Ratios to the plain float32 module on the first GPU that computes, with the card's name in the results' names."""
    gpus = usable_gpus()
    if not gpus:
        return {}
    device = gpus[0]
    torch.manual_seed(0)
    model = SEDenseNet(ModelConfig(n_labels=80)).eval().requires_grad_(False).to(device)
    images = torch.randn(BATCH, 1, 256, 256, device=device)
    names = list(dict.fromkeys([PLAIN, *candidates(device)]))
    steps: dict[str, Callable[[], object]] = {}
    for name in names:
        network = build(name, model, device)
        steps[name] = lambda network=network: network(images)  # type: ignore[misc]
    best = names[1]
    steps["bare"] = BareConvolutions(model, DTYPES[{**GRAPHED, **COMPILED}.get(best, best)], device, BATCH)
    rates = measure(steps, device)
    card = torch.cuda.get_device_name(device).replace(" ", "_")
    results = {
        f"{card}_{name}_ratio": Result(rates[name] / rates[PLAIN], 2.5 if name == best else None, "higher")
        for name in names[1:]
    }
    share = Result(rates[best] / rates["bare"], None, "higher")
    plain = Result(rates[PLAIN], None, "higher")
    return {f"{card}_plain_images_per_s": plain, **results, f"{card}_share_of_bare_convolutions": share}


def measure(steps: dict[str, Callable[[], object]], device: torch.device) -> dict[str, float]:
    """Images a second, medians over rounds in turn."""
    samples: dict[str, list[float]] = {name: [] for name in steps}
    with torch.inference_mode():
        for turn in range(ROUNDS + 1):  # the first one warms up
            for name, step in steps.items():
                torch.cuda.synchronize(device)
                began_s = time.perf_counter()
                for _ in range(CALLS):
                    step()
                torch.cuda.synchronize(device)
                if turn:
                    samples[name].append(CALLS * BATCH / (time.perf_counter() - began_s))
    return {name: median(rates) for name, rates in samples.items()}


def main() -> None:
    """Measures and prints the results."""
    argparse.ArgumentParser(prog="python -m benchmarks.network_gpu", description=__doc__).parse_args()
    results = gpu_results()
    if not results:
        raise SystemExit("no GPU that computes was found; python -m benchmarks.network measures on the processor")
    print_report("network_gpu", results)


if __name__ == "__main__":
    main()
