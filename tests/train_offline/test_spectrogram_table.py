import numpy as np
import pytest
import torch

from kernel_src.views import Window, cut
from train_offline.spectrogram_table import CropReader, SpectrogramTable


def ramp(n_frames: int, first: int = 1) -> np.ndarray:
    """A spectrogram whose values tell their frame."""
    return np.tile(np.arange(first, first + n_frames, dtype=np.float16), (4, 1))


def crops(table: SpectrogramTable, count: int, padding: float | None) -> torch.Tensor:
    places = torch.rand(count, generator=torch.Generator().manual_seed(0))
    reader = CropReader(table, crop_frames=8, padding=padding, device=torch.device("cpu"))
    return reader.crops(torch.zeros(count, dtype=torch.int64), places)


def test_a_table_gives_each_spectrogram_back_and_subsets_without_copies() -> None:
    spectrograms = [ramp(5), ramp(9, first=20), ramp(3, first=40)]
    table = SpectrogramTable.of(spectrograms)
    for given, kept in zip(spectrograms, table, strict=True):
        np.testing.assert_array_equal(given, kept)
    part = table.subset(np.array([2, 0]))
    np.testing.assert_array_equal(part[0], spectrograms[2])
    assert part.frames is table.frames


def test_crops_of_a_long_clip_lie_inside_it_and_reach_both_ends() -> None:
    seen = crops(SpectrogramTable.of([ramp(12)]), 200, padding=0.0)[:, 0, 0]
    assert set(seen[:, 0].tolist()) == {1, 2, 3, 4, 5}
    torch.testing.assert_close(seen[:, -1], seen[:, 0] + 7)


def test_a_short_clip_is_whole_and_padded_at_random_places() -> None:
    starts = set()
    for crop in crops(SpectrogramTable.of([ramp(5)]), 200, padding=-1.0)[:, 0, 0]:
        assert crop[crop > 0].tolist() == [1, 2, 3, 4, 5]
        assert (crop[crop <= 0] == -1).all()
        starts.add(crop.tolist().index(1))
    assert starts == {0, 1, 2, 3}


@pytest.mark.parametrize("n_frames", [1, 3, 5])
def test_a_repeated_clip_begins_anywhere_and_looks_as_the_kernel_cuts_it(n_frames: int) -> None:
    spectrogram = ramp(n_frames)
    seen = crops(SpectrogramTable.of([spectrogram]), 200, padding=None)
    assert set(seen[:, 0, 0, 0].tolist()) == set(range(1, n_frames + 1))
    for crop in seen[:10, 0]:
        window = Window(int(crop[0, 0]) - 1, 8, 0, 4)
        np.testing.assert_array_equal(crop.numpy(), cut(spectrogram, window, None))


def test_each_clip_of_a_batch_is_read_from_its_own_place() -> None:
    table = SpectrogramTable.of([ramp(12), ramp(8, first=100)])
    reader = CropReader(table, 8, 0.0, torch.device("cpu"))
    seen = reader.crops(torch.tensor([1, 0, 1]), torch.zeros(3))
    assert seen[:, 0, 0, 0].tolist() == [100, 1, 100]
    assert seen.shape == (3, 1, 4, 8)
