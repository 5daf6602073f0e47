"""From files to stored spectrograms: our frontend, and librosa as the silver solution calls it."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.fft
import torch

from benchmarks.silver_kernel import extract
from benchmarks.store import warm_memory
from kernel_src.audio import read_waveform
from kernel_src.clips import ClipList
from kernel_src.events import EventLog
from kernel_src.extraction import SpectrogramSource
from kernel_src.extractors import Extractor
from kernel_src.frontend import FrontendConfig
from kernel_src.frontend_numpy import CHUNK_FRAMES
from kernel_src.memory import memory_reader
from kernel_src.store import SpectrogramStore, StoreSettings

Float32 = npt.NDArray[np.float32]

SILVER = FrontendConfig()
AMPLE = StoreSettings(limit_bytes=10**12, memory_reserve_bytes=0, disk_bytes=0, disk_reserve_bytes=0)
PATIENCE_S = 300.0
WARM_BYTES = 256 << 20

Times = dict[str, list[float]]
"""Milliseconds for 10 s of sound, by name, one number for each round."""


@dataclass(frozen=True)
class Rival:
    """A way from files to spectrograms that can be asked for again."""

    name: str
    run: Callable[[], object]
    clock: Callable[[], float] = time.process_time
    """Seconds: the processor's for one thread, the wall's for several and for a device."""
    times_the_sound: float = 1.0
    """How much more sound it works on than the others do."""


def decoded(path: Path) -> Float32:
    """A clip's waveform, trimmed."""
    return read_waveform(path, SILVER.sample_rate_hz, SILVER.trim_top_db)


def librosa_pcen(path: Path) -> Float32:
    """The silver solution's spectrogram, [mels, frames] float32."""
    spectrogram: Float32 = extract(asdict(SILVER), path)
    return spectrogram


def with_librosa(paths: Sequence[Path], threads: int) -> dict[Path, Float32]:
    """All clips, kept in a dictionary."""
    with ThreadPoolExecutor(threads) as pool:
        return dict(zip(paths, pool.map(librosa_pcen, paths), strict=True))


def with_ours(paths: Sequence[Path], extractors: Sequence[Extractor], device: torch.device | None = None) -> None:
    """All clips of one folder into the store, as the kernel does it, each fetched once."""
    clips = ClipList(tuple(path.name for path in paths), ("none",), paths[0].parent)
    events = EventLog(None, lambda: 0.0, StringIO())
    with SpectrogramStore(AMPLE, memory_reader(), None, events) as store:
        source = SpectrogramSource(clips, store, events, extractors, device)
        source.start(SILVER, range(len(paths)))
        for clip in range(len(paths)):
            assert source.get(clip, SILVER, PATIENCE_S) is not None
        source.close()


def bare_ffts(n_frames: int) -> list[Rival]:
    """Float32 transforms of as many frames, in chunks that stay in the cache, by those who do them fastest."""
    chunks = -(-n_frames // CHUNK_FRAMES)
    frames = np.random.default_rng(0).standard_normal((CHUNK_FRAMES, SILVER.n_fft)).astype(np.float32)
    tensor = torch.from_numpy(frames)
    spectrum = torch.fft.rfft(tensor)

    def scipys() -> None:
        for _ in range(chunks):
            scipy.fft.rfft(frames, axis=1)

    def torchs() -> None:
        for _ in range(chunks):
            torch.fft.rfft(tensor, out=spectrum)

    return [Rival("bare FFTs, scipy", scipys), Rival("bare FFTs, torch (MKL)", torchs)]


def in_turns(rivals: Sequence[Rival], rounds: int, tens_s: float) -> Times:
    """Milliseconds for 10 s of sound, one number for each round; the first round is not counted."""
    times: Times = {rival.name: [] for rival in rivals}
    for counted in range(rounds + 1):
        for rival in rivals:
            warm_memory(WARM_BYTES)
            began_s = rival.clock()
            rival.run()
            if counted:
                times[rival.name].append((rival.clock() - began_s) * 1e3 / (tens_s * rival.times_the_sound))
    return times
