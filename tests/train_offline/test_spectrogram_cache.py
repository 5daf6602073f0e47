import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kernel_src import audio, frontend
from kernel_src.errors import KernelError
from sample_data import LABELS, SMALL_FRONTEND
from train_offline.dataset import CURATED, read_split
from train_offline.spectrogram_cache import (
    LEFT_AFTER_S,
    WHAT_COMPUTES,
    CachedSpectrograms,
    Made,
    SpectrogramCache,
    fingerprint,
)
from train_offline.spectrograms import mean_and_std, spectrograms_of


def refuse() -> Iterator[Made]:
    raise AssertionError("they are there already")
    yield


def test_spectrograms_are_made_once_and_mapped_from_then_on(training_data: Path, tmp_path: Path) -> None:
    split = read_split(training_data, CURATED, LABELS)
    cache = SpectrogramCache(tmp_path / "cache")
    _, made = spectrograms_of(split, SMALL_FRONTEND, cache)
    again = cache.get_or_make(split, SMALL_FRONTEND, refuse)
    for first, second in zip(made.table, again.table, strict=True):
        np.testing.assert_array_equal(first, second)
    assert isinstance(again.table.frames.base, np.memmap)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [fingerprint(split, SMALL_FRONTEND)]


def test_two_that_make_the_same_at_once_share_what_the_first_one_finished(training_data: Path, tmp_path: Path) -> None:
    split = read_split(training_data, CURATED, LABELS)
    cache = SpectrogramCache(tmp_path / "cache")
    others: list[CachedSpectrograms] = []

    def overtaken() -> Iterator[Made]:
        others.append(spectrograms_of(split, SMALL_FRONTEND, SpectrogramCache(tmp_path / "cache"))[1])
        yield from zip(others[0].table, others[0].digests, strict=True)

    mine = cache.get_or_make(split, SMALL_FRONTEND, overtaken)
    (folder,) = (tmp_path / "cache").iterdir()
    for first, second in zip(others[0].table, mine.table, strict=True):
        np.testing.assert_array_equal(first, second)
    mapped = Path("/proc/self/maps").read_text().splitlines()
    inodes = {line.split()[4] for line in mapped if str(folder) in line}
    assert inodes == {str((folder / "frames.f16").stat().st_ino)}  # both map one file, which nobody has removed


@pytest.mark.parametrize("missing", ["frames.f16", "index.json"])
def test_what_is_left_of_a_removal_that_was_interrupted_is_made_whole(
    training_data: Path, tmp_path: Path, missing: str
) -> None:
    split = read_split(training_data, CURATED, LABELS)
    cache = SpectrogramCache(tmp_path / "cache")
    _, made = spectrograms_of(split, SMALL_FRONTEND, cache)
    (tmp_path / "cache" / fingerprint(split, SMALL_FRONTEND) / missing).unlink()
    _, again = spectrograms_of(split, SMALL_FRONTEND, cache)
    np.testing.assert_array_equal(made.table.frames, again.table.frames)


@pytest.mark.parametrize(("name", "content"), [("frames.f16", b"\0" * 100), ("index.json", b""), ("index.json", b"{}")])
def test_what_the_power_has_cut_off_is_made_whole(
    training_data: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    split = read_split(training_data, CURATED, LABELS)
    cache = SpectrogramCache(tmp_path / "cache")
    _, made = spectrograms_of(split, SMALL_FRONTEND, cache)
    frames = made.table.frames.copy()
    (tmp_path / "cache" / fingerprint(split, SMALL_FRONTEND) / name).write_bytes(content)
    _, again = spectrograms_of(split, SMALL_FRONTEND, cache)
    np.testing.assert_array_equal(frames, again.table.frames)


def test_a_clip_that_could_not_be_used_is_tried_again_once_its_file_has_changed(
    training_data: Path, tmp_path: Path
) -> None:
    split = read_split(training_data, CURATED, LABELS)
    path, cache = split.paths()[3], SpectrogramCache(tmp_path / "cache")
    sound, times = path.read_bytes(), path.stat()
    path.write_bytes(bytes(len(sound)))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert len(spectrograms_of(split, SMALL_FRONTEND, cache)[1].failures) == 1
    path.write_bytes(sound)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert spectrograms_of(split, SMALL_FRONTEND, cache)[1].usable.all()


def test_what_killed_processes_have_left_is_removed_after_a_while(training_data: Path, tmp_path: Path) -> None:
    split, cache = read_split(training_data, CURATED, LABELS), tmp_path / "cache"
    for name, age_s in (("old.part", LEFT_AFTER_S + 1), ("new.part", 0.0)):
        (cache / name).mkdir(parents=True)
        os.utime(cache / name, (time.time() - age_s,) * 2)
    spectrograms_of(split, SMALL_FRONTEND, SpectrogramCache(cache))
    assert {path.name for path in cache.iterdir()} == {"new.part", fingerprint(split, SMALL_FRONTEND)}


def test_other_settings_and_other_audio_have_other_spectrograms(training_data: Path) -> None:
    split = read_split(training_data, CURATED, LABELS)
    before = fingerprint(split, SMALL_FRONTEND)
    assert fingerprint(split, replace(SMALL_FRONTEND, n_mels=17)) != before
    split.paths()[3].write_bytes(split.paths()[4].read_bytes() + b"\0")
    assert fingerprint(split, SMALL_FRONTEND) != before


def test_all_code_that_decides_what_a_spectrogram_is_changes_the_name() -> None:
    found, to_do = set(), [audio, frontend]
    while to_do:
        module = to_do.pop()
        found.add(module.__name__)
        names = re.findall(r"^from (kernel_src\.\w+) import", Path(str(module.__file__)).read_text(), re.MULTILINE)
        to_do += [sys.modules[name] for name in names if name not in found]
    assert found - {"kernel_src.errors"} == {module.__name__ for module in WHAT_COMPUTES}


def test_a_cache_that_cannot_be_written_is_one_line_and_leaves_no_parts(training_data: Path, tmp_path: Path) -> None:
    split = read_split(training_data, CURATED, LABELS)
    (tmp_path / "file").write_text("")
    with pytest.raises(KernelError, match=r"file.*--cache"):
        spectrograms_of(split, SMALL_FRONTEND, SpectrogramCache(tmp_path / "file"))

    def fails() -> Iterator[Made]:
        yield np.zeros((16, 5), np.float16), "digest"
        raise OSError(28, "No space left on device")

    with pytest.raises(KernelError, match=r"No space left.*make room"):
        SpectrogramCache(tmp_path / "full").get_or_make(split, SMALL_FRONTEND, fails)
    assert list((tmp_path / "full").iterdir()) == []


def test_the_same_sound_has_the_same_digest_and_another_one_another(training_data: Path, tmp_path: Path) -> None:
    split = read_split(training_data, CURATED, LABELS)
    split.paths()[3].write_bytes(split.paths()[9].read_bytes())
    _, made = spectrograms_of(split, SMALL_FRONTEND, SpectrogramCache(tmp_path / "cache"))
    assert made.digests[3] == made.digests[9]
    assert len(set(made.digests)) == len(split.fnames) - 1


def test_a_copy_with_more_silence_at_its_ends_has_the_same_digest(training_data: Path, tmp_path: Path) -> None:
    split = read_split(training_data, CURATED, LABELS)
    sound, rate_hz = soundfile.read(split.paths()[9], dtype="int16")
    soundfile.write(split.paths()[3], np.pad(sound, (777, 1234)), rate_hz)
    soundfile.write(split.paths()[4], sound[5000:], rate_hz)
    _, made = spectrograms_of(split, SMALL_FRONTEND, SpectrogramCache(tmp_path / "cache"))
    assert made.digests[3] == made.digests[9] != made.digests[4]


def test_mean_and_deviation_are_those_of_all_values(training_data: Path, tmp_path: Path) -> None:
    split = read_split(training_data, CURATED, LABELS)
    _, made = spectrograms_of(split, SMALL_FRONTEND, SpectrogramCache(tmp_path / "cache"))
    values = made.table.frames.astype(np.float64)
    assert mean_and_std(made.table) == pytest.approx((values.mean(), values.std()))
