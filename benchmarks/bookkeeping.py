"""What planning, blending and writing cost beside the looks themselves.

`python -m benchmarks.bookkeeping`: the runtime's own pass loop, blend and writer over 3,361 clips, 80 labels
and twelve members, with looks that cost nothing; held against what as many looks take on one core, of networks of the
sizes small and full.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit

from benchmarks.report import Result, print_report
from kernel_src.backends import candidates
from kernel_src.before_torch import prepare_for_torch
from kernel_src.blend import Blend
from kernel_src.budget import TimeBudget
from kernel_src.clips import ClipList
from kernel_src.crew import Crew
from kernel_src.events import EventLog
from kernel_src.gains import MemberValue
from kernel_src.model import SEDenseNet
from kernel_src.passes import PassLoop, PassSettings
from kernel_src.predict import PassRunner, look
from kernel_src.submission import Submission
from kernel_src.views import Window
from kernel_src.weights import LoadedMember
from kernel_src.writer import SubmissionWriter, WritingSchedule, WritingThread
from train_offline.recipes import SIZES, Size

N_CLIPS = 3361
N_LABELS = 80
N_MEMBERS = 12
PASSES = 100
CPU = torch.device("cpu")
BATCH_CLIPS = 8


@dataclass(frozen=True)
class Kept:
    """What the books took."""

    seconds_s: float
    """Of processor time, all threads together."""
    looks: int
    passes: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bookkeeping", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="nothing less: all of it takes some seconds")
    parser.parse_args(arguments)
    prepare_for_torch()
    torch.set_num_threads(1)
    members = [_member(index, SIZES["small"]) for index in range(N_MEMBERS)]
    kept = keep_books(members, PASSES)
    print(f"{kept.passes} passes, {kept.looks} looks: books {kept.seconds_s:.2f} s")
    results = {}
    for size in ("small", "full"):
        look_s = time_of_a_look(_member(0, SIZES[size]))
        results[f"share_of_the_run_{size}"] = Result(
            kept.seconds_s / (kept.seconds_s + kept.looks * look_s), 0.01, "lower"
        )
        print(f"looks of size {size}: {kept.looks * look_s:.0f} s on one core, {1e3 * look_s:.2f} ms each")
    print_report("bookkeeping", results)


def keep_books(members: Sequence[LoadedMember], passes: int) -> Kept:
    """Runs the loop with looks that cost nothing, up to the run's last write."""
    rng = np.random.default_rng(0)
    said = expit(rng.normal(0.0, 2.0, (64, BATCH_CLIPS, N_LABELS)))
    spectrogram = np.zeros((members[0].config.n_mels, 670), np.float16)  # 10.4 s, the private test set's mean
    clips = ClipList(tuple(f"{clip:08x}.wav" for clip in range(N_CLIPS)), tuple(map(str, range(N_LABELS))), Path())

    def say(_: LoadedMember, spectrograms: Sequence[object], __: Sequence[Window]) -> npt.NDArray[np.float64]:
        drawn: npt.NDArray[np.float64] = said[rng.integers(len(said)), : len(spectrograms)]
        return drawn

    with tempfile.TemporaryDirectory() as folder:
        began_at_s = time.monotonic()
        budget = TimeBudget(3600.0, 10.0, lambda: time.monotonic() - began_at_s)
        events = EventLog(Path(folder) / "run.jsonl", budget.elapsed_s, io.StringIO())
        blend = Blend(N_CLIPS, [0.5] * N_LABELS)
        writing = WritingThread(SubmissionWriter(Submission(Path(folder), clips), blend, budget, events).write)
        loop = PassLoop(
            members,
            [MemberValue(member.id, "small", 0.7, ()) for member in members],
            N_CLIPS,
            range(N_LABELS),
            runner=PassRunner(lambda *_: spectrogram, budget, Crew([CPU], events), BATCH_CLIPS, 20.0, look=say),
            is_ready=lambda *_: True,
            wait=time.sleep,
            blend=blend,
            writes=WritingSchedule(budget, writing.ask),
            budget=budget,
            events=events,
            settings=PassSettings(most_passes=passes, stop_early=False),
        )
        began_s = time.process_time()
        outcome = loop.run()
        writing.finish(outcome.passes, 60.0)
        seconds_s = time.process_time() - began_s
        events.close()
    return Kept(seconds_s, int(loop.looks.sum()), outcome.passes)


def time_of_a_look(member: LoadedMember) -> float:
    """Seconds of processor time that one look takes, cutting the window included; the median of several batches."""
    rng = np.random.default_rng(0)
    spectrograms = [rng.random((member.config.n_mels, 670)).astype(np.float16) for _ in range(BATCH_CLIPS)]
    costs_s = []
    for view in range(8):
        began_s = time.process_time()
        look(member, spectrograms, view)
        costs_s.append((time.process_time() - began_s) / BATCH_CLIPS)
    return float(np.median(costs_s[1:]))


def _member(index: int, size: Size) -> LoadedMember:
    """An untrained network: it computes as a trained one does."""
    torch.manual_seed(index)
    model = SEDenseNet(size.model(N_LABELS)).eval().requires_grad_(False)
    return LoadedMember(f"m{index}", model, size.frontend, 0.5, 0.5, 0.7, candidates(CPU)[0])


if __name__ == "__main__":
    main()
