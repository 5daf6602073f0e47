"""No clip of a fold reaches what is learnt for it, not as a copy under another name either."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from training_settings import TINY

from sample_data import LABELS, SMALL_FRONTEND, write_table
from train_offline import train_fold as module
from train_offline.batches import Source
from train_offline.curated import CuratedClips, NoisyClips
from train_offline.dataset import CURATED, NOISY, read_split
from train_offline.noisy_pick import PickSettings
from train_offline.recipes import CURATED_STAGE, NOISY_STAGE, NoisyUse, Recipe, Stage
from train_offline.spectrogram_cache import SpectrogramCache
from train_offline.train_fold import FoldJob, train_fold
from train_offline.train_network import TrainedNetwork
from train_offline.weights_folder import WeightsFolder

MARKED = (*LABELS, "Marker")
CLIP = "00000004.wav"
CURATED_COPY = "00000011.wav"
NOISY_COPIES = (f"{103:08x}.wav", f"{110:08x}.wav")


@pytest.fixture
def marked_data(training_data: Path) -> Path:
    """The label Marker is on one curated clip and its copies: one in the same split, two in the noisy one.

    The last copy has more silence before it, so that not one of its frames is the same.
    """
    sound = training_data / CURATED / CLIP
    for split, fname in ((CURATED, CURATED_COPY), *((NOISY, copy) for copy in NOISY_COPIES)):
        shutil.copy(sound, training_data / split / fname)
    waveform, rate_hz = soundfile.read(sound, dtype="int16")
    soundfile.write(training_data / NOISY / NOISY_COPIES[-1], np.pad(waveform, (1000, 0)), rate_hz)
    for split in (CURATED, NOISY):
        table = training_data / f"{split}.csv"
        rows = [row.partition(",") for row in table.read_text().splitlines()]
        marked = {CLIP, CURATED_COPY, *NOISY_COPIES}
        write_table(table, [f"{row[0]},Marker" if row[0] in marked else "".join(row) for row in rows])
    write_table(training_data / "sample_submission.csv", ["fname," + ",".join(MARKED), "ffffffff.wav,0,0,0,0"])
    return training_data


@pytest.mark.parametrize("withheld", [False, True], ids=["of its fold", "withheld"])
@pytest.mark.parametrize("pick_all", [False, True], ids=["picked", "all"])
def test_a_clip_that_is_validated_reaches_neither_training_nor_pick(
    marked_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pick_all: bool, withheld: bool
) -> None:
    learnt: list[Source] = []
    predicted: list[list[np.ndarray]] = []

    def train(start: TrainedNetwork, sources: list[Source], **_: object) -> TrainedNetwork:
        learnt.extend(sources)
        return start

    def predict(_: object, spectrograms: list[np.ndarray], *__: object) -> np.ndarray:
        predicted.append(spectrograms)
        return np.zeros((len(spectrograms), len(MARKED)))

    monkeypatch.setattr(module, "train_network", train)
    monkeypatch.setattr(module, "mean_probabilities", predict)
    use = NoisyUse(None if pick_all else PickSettings(50, 0.0), weight=1.0, soft_share=0.5)
    recipe = Recipe("test", (Stage(CURATED_STAGE, 1.0, 1e-3), Stage(NOISY_STAGE, 1.0, 1e-3, use)))
    job = job_for(marked_data, tmp_path, recipe, withheld=withheld)
    train_fold(job)

    assert len(learnt) == 3
    marker = job.curated.spectrograms[job.curated.split.fnames.index(CLIP)]
    for source in learnt:
        assert not {CLIP, CURATED_COPY, *NOISY_COPIES} & set(source.fnames)
    for spectrograms in (*[source.spectrograms for source in learnt], *predicted):
        assert not any(np.array_equal(item, marker) for item in spectrograms)
    assert len(predicted) == 1


def job_for(data: Path, tmp_path: Path, recipe: Recipe, *, withheld: bool) -> FoldJob:
    labels, cache = MARKED, SpectrogramCache(tmp_path / "cache")
    curated = CuratedClips.of(read_split(data, CURATED, labels), SMALL_FRONTEND, 3, 0, withheld_share=0.0, cache=cache)
    fold = int(curated.fold_of[curated.split.fnames.index(CLIP)])
    assert curated.fold_of[curated.split.fnames.index(CURATED_COPY)] == fold
    if withheld:
        curated.fold_of[curated.fold_of == fold] = -1
        fold = (fold + 1) % 3
    return FoldJob(
        fold=fold,
        recipe=recipe,
        size=TINY,
        seed=0,
        curated=curated,
        noisy=NoisyClips.of(read_split(data, NOISY, labels), SMALL_FRONTEND, cache),
        folder=WeightsFolder(tmp_path / "weights", labels, (0.1,) * 4, {}, again=False),
        device=torch.device("cpu"),
    )
