import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kernel_src.errors import KernelError
from train_offline import demo_data
from train_offline.demo_data import write_demo_data
from train_offline.demo_recipes import FAMILY_OF, LABELS, DemoSizes, Split, draw_recipes
from train_offline.demo_sounds import FAMILIES, SOUNDS
from train_offline.metric import lwlrap

REPOSITORY = Path(__file__).parents[2]
SIZES = DemoSizes(curated=26, noisy=14, test=12)
TINY = DemoSizes(curated=2, noisy=1, test=1)

OFFICIAL_LABELS = """Accelerating_and_revving_and_vroom Accordion Acoustic_guitar Applause Bark Bass_drum Bass_guitar
Bathtub_(filling_or_washing) Bicycle_bell Burping_and_eructation Bus Buzz Car_passing_by Cheering
Chewing_and_mastication Child_speech_and_kid_speaking Chink_and_clink Chirp_and_tweet Church_bell Clapping
Computer_keyboard Crackle Cricket Crowd Cupboard_open_or_close Cutlery_and_silverware Dishes_and_pots_and_pans
Drawer_open_or_close Drip Electric_guitar Fart Female_singing Female_speech_and_woman_speaking
Fill_(with_liquid) Finger_snapping Frying_(food) Gasp Glockenspiel Gong Gurgling Harmonica Hi-hat Hiss
Keys_jangling Knock Male_singing Male_speech_and_man_speaking Marimba_and_xylophone Mechanical_fan Meow
Microwave_oven Motorcycle Printer Purr Race_car_and_auto_racing Raindrop Run Scissors Screaming Shatter Sigh
Sink_(filling_or_washing) Skateboard Slam Sneeze Squeak Stream Strum Tap Tick-tock Toilet_flush
Traffic_noise_and_roadway_noise Trickle_and_dribble Walk_and_footsteps Water_tap_and_faucet Waves_and_surf
Whispering Writing Yell Zipper_(clothing)"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "data"
    write_demo_data(out, seed=3, sizes=SIZES)
    return out


def read_rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def waveforms(data: Path, split: Split) -> dict[str, np.ndarray]:
    return {path.name: sf.read(path)[0] for path in sorted((data / split).iterdir())}


# Layout and tables


@pytest.mark.parametrize(
    ("folder", "table"),
    [("train_curated", "train_curated.csv"), ("train_noisy", "train_noisy.csv"), ("test", "test.csv")],
)
def test_each_table_names_each_wav_of_its_folder_once(data: Path, folder: str, table: str) -> None:
    rows = read_rows(data / table)
    assert list(rows[0]) == ["fname", "labels"]
    assert [row["fname"] for row in rows] == sorted(path.name for path in (data / folder).iterdir())
    assert all(set(row["labels"].split(",")) <= set(LABELS) for row in rows)


def test_sample_submission_has_the_test_clips_and_a_zero_for_every_label_in_alphabetical_order(data: Path) -> None:
    rows = read_rows(data / "sample_submission.csv")
    assert list(rows[0]) == ["fname", *sorted(SOUNDS)]
    assert [row["fname"] for row in rows] == [row["fname"] for row in read_rows(data / "test.csv")]
    assert all(row[label] == "0" for row in rows for label in LABELS)


def test_several_labels_stand_in_one_quoted_field(data: Path) -> None:
    lines = (data / "test.csv").read_text(encoding="utf-8").splitlines()
    assert any(line.count('"') == 2 for line in lines)
    assert all(line.count(",") == 1 for line in lines if '"' not in line)


def test_names_are_eight_hex_digits_and_no_two_clips_share_one(data: Path) -> None:
    names = [path.name for split in Split for path in (data / split).iterdir()]
    assert all(len(name) == 12 and int(name[:8], 16) >= 0 and name.endswith(".wav") for name in names)
    assert len(set(names)) == len(names) == SIZES.curated + SIZES.noisy + SIZES.test


def test_clips_are_44100_hz_mono_16_bit_and_as_long_as_their_recipes(data: Path) -> None:
    for split in Split:
        for recipe in draw_recipes(split, seed=3, sizes=SIZES):
            info = sf.info(data / split / recipe.fname)
            assert (info.samplerate, info.channels, info.format, info.subtype) == (44100, 1, "WAV", "PCM_16")
            assert info.duration == pytest.approx(recipe.duration_s, abs=1e-4)


# What is in the clips


def test_at_least_20_labels_all_official_each_in_one_family() -> None:
    assert len(LABELS) >= 20
    assert set(LABELS) <= set(OFFICIAL_LABELS.split())
    assert sorted(label for family in FAMILIES for label in family) == list(LABELS)


@pytest.mark.parametrize("split", Split)
def test_every_label_is_in_every_split_of_the_default_sizes(split: Split) -> None:
    recipes = draw_recipes(split, seed=0, sizes=DemoSizes())
    heard = Counter(label for recipe in recipes for label in recipe.true_labels)
    written = Counter(label for recipe in recipes for label in recipe.labels)
    assert min(heard[label] for label in LABELS) >= 2
    assert min(written[label] for label in LABELS) >= 6


@pytest.mark.parametrize(("split", "mean"), [(Split.CURATED, 1.2), (Split.NOISY, 1.2), (Split.TEST, 1.4)])
def test_clips_have_about_as_many_labels_as_in_the_competition(split: Split, mean: float) -> None:
    counts = [len(recipe.labels) for recipe in draw_recipes(split, seed=0, sizes=DemoSizes())]
    assert np.mean(counts) == pytest.approx(mean, abs=0.1)
    assert max(counts) in (3, 4)


def test_clips_last_about_4_s_on_average_with_a_long_tail() -> None:
    durations_s = [recipe.duration_s for recipe in draw_recipes(Split.CURATED, seed=0, sizes=DemoSizes())]
    assert 3.5 < np.mean(durations_s) < 5.5
    assert min(durations_s) < 1.0
    assert max(durations_s) > 12.0


@settings(max_examples=25)
@given(st.integers(0, 2**40), st.integers(1, 60), st.integers(0, 60), st.sampled_from(Split))
def test_any_recipe_keeps_the_promised_ranges(seed: int, clips: int, noisy: int, split: Split) -> None:
    for recipe in draw_recipes(split, seed=seed, sizes=DemoSizes(clips, noisy, clips)):
        assert 0.3 <= recipe.duration_s <= 15.0
        assert 1 <= len(recipe.labels) == len(set(recipe.labels)) <= 4
        assert len(set(recipe.true_labels)) == len(recipe.labels)
        assert max(event.level_db for event in recipe.events) == 0.0
        for event in recipe.events:
            assert event.start_s >= recipe.lead_silence_s
            assert event.start_s + event.duration_s <= recipe.duration_s - recipe.tail_silence_s + 1e-9


def test_several_sounds_overlap_in_some_clips_and_follow_each_other_in_others() -> None:
    recipes = draw_recipes(Split.TEST, seed=0, sizes=DemoSizes())
    pairs = [sorted(recipe.events, key=lambda event: event.start_s) for recipe in recipes if len(recipe.events) == 2]
    overlaps = [first.start_s + first.duration_s > second.start_s + 1e-6 for first, second in pairs]
    assert 0.2 < np.mean(overlaps) < 0.9


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("duration_s", [0.05, 0.4, 2.0])
def test_every_kind_of_sound_is_finite_audible_and_differs_from_take_to_take(label: str, duration_s: float) -> None:
    first, second = (SOUNDS[label](np.random.default_rng(seed), duration_s) for seed in (1, 2))
    assert len(first) == round(duration_s * 44100)
    assert np.isfinite(first).all()
    assert np.abs(first).max() > 1e-3
    assert not np.allclose(first, second)


def test_no_clip_is_silent_and_no_curated_or_test_clip_is_clipped(data: Path) -> None:
    for split in Split:
        for name, wave in waveforms(data, split).items():
            peak = np.abs(wave).max()
            assert peak > 0.05, name
            if split is not Split.NOISY:
                assert np.mean(np.abs(wave) == peak) < 0.01, name


def test_silent_ends_are_silent(data: Path) -> None:
    recipes = [recipe for recipe in draw_recipes(Split.CURATED, seed=3, sizes=SIZES) if recipe.lead_silence_s > 0.01]
    assert recipes
    for recipe in recipes:
        wave, rate = sf.read(data / recipe.split / recipe.fname)
        silent = int(recipe.lead_silence_s * rate) - 1
        assert not wave[:silent].any()
        assert wave[silent : silent + rate // 10].any()


def test_the_noisy_split_has_a_duller_microphone(data: Path) -> None:
    def treble_share(wave: np.ndarray) -> float:
        _, power = welch(wave, nperseg=256)
        return float(power[len(power) // 2 :].sum() / power.sum())

    shares = {split: [treble_share(wave) for wave in waveforms(data, split).values()] for split in Split}
    assert max(shares[Split.NOISY]) < 0.35 < max(shares[Split.CURATED])


# Wrong labels


def wrong_share_by_label(sizes: DemoSizes, seed: int) -> dict[str, float]:
    recipes = draw_recipes(Split.NOISY, seed=seed, sizes=sizes)
    written = [(label, label in recipe.true_labels) for recipe in recipes for label in recipe.labels]
    return {name: float(np.mean([not true for label, true in written if label == name])) for name in LABELS}


@pytest.mark.parametrize("seed", range(3))
def test_20_to_50_percent_of_each_class_are_wrong_in_the_noisy_split(seed: int) -> None:
    shares = list(wrong_share_by_label(DemoSizes(), seed).values())
    assert min(shares) >= 0.2
    assert max(shares) <= 0.5


def test_classes_differ_in_how_often_they_are_wrong() -> None:
    shares = list(wrong_share_by_label(DemoSizes(noisy=2000), seed=0).values())
    assert min(shares) < 0.27
    assert max(shares) > 0.43


@pytest.mark.parametrize("split", [Split.CURATED, Split.TEST])
def test_curated_and_test_labels_are_true(split: Split) -> None:
    assert all(recipe.labels == recipe.true_labels for recipe in draw_recipes(split, seed=0, sizes=DemoSizes()))


def test_most_wrong_labels_come_from_alike_sounds() -> None:
    recipes = draw_recipes(Split.NOISY, seed=0, sizes=DemoSizes())
    pairs = [pair for recipe in recipes for pair in zip(recipe.labels, recipe.true_labels, strict=True)]
    alike = [heard in FAMILY_OF[written] for written, heard in pairs if heard != written]
    assert np.mean(alike) > 0.5


# Difficulty


def mean_spectra_and_truth(data: Path, split: Split, table: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean log-mel spectra [clips, mels] and the table's labels [clips, labels]."""
    rows = read_rows(data / table)
    spectra = []
    for row in rows:
        wave, rate = sf.read(data / split / row["fname"])
        power = librosa.feature.melspectrogram(y=wave, sr=rate, n_fft=2048, hop_length=2048, n_mels=64)
        spectra.append(librosa.power_to_db(power, ref=np.max).mean(axis=1))
    truth = np.array([[label in row["labels"].split(",") for label in LABELS] for row in rows])
    return np.array(spectra), truth


@pytest.mark.slow
def test_a_linear_model_of_mean_spectra_beats_chance_by_far_and_is_far_from_perfect(tmp_path: Path) -> None:
    write_demo_data(tmp_path / "data")
    spectra, labels = mean_spectra_and_truth(tmp_path / "data", Split.CURATED, "train_curated.csv")
    model = make_pipeline(StandardScaler(), Ridge(alpha=30.0)).fit(spectra, labels.astype(float))
    spectra, truth = mean_spectra_and_truth(tmp_path / "data", Split.TEST, "test.csv")
    chance = lwlrap(truth, np.random.default_rng(0).random(truth.shape))
    assert chance < 0.25
    assert 0.4 < lwlrap(truth, model.predict(spectra)) < 0.75


# Determinism


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    write_demo_data(tmp_path / "again", seed=3, sizes=SIZES)
    assert contents(tmp_path / "again") == contents(data)


def test_another_seed_gives_other_names_and_sounds(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_demo_data(tmp_path / str(seed), seed=seed, sizes=TINY)
    assert not set(contents(tmp_path / "0").values()) & {
        content for name, content in contents(tmp_path / "1").items() if name.endswith(".wav")
    }


# What was there before


def test_complete_demo_data_is_left_as_it_is(tmp_path: Path) -> None:
    out = tmp_path / "data"
    write_demo_data(out, sizes=TINY)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    write_demo_data(out, sizes=TINY)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


@pytest.mark.parametrize("lost", ["test.csv", "a clip", "demo_data.json is cut off"])
def test_damaged_demo_data_is_made_anew(tmp_path: Path, lost: str) -> None:
    out = tmp_path / "data"
    write_demo_data(out, sizes=TINY)
    before = contents(out)
    if lost == "test.csv":
        (out / lost).unlink()
    elif lost == "a clip":
        next((out / "train_noisy").iterdir()).unlink()
    else:
        (out / "demo_data.json").write_text('{"seed": ')
    write_demo_data(out, sizes=TINY)
    assert contents(out) == before


def test_demo_data_of_another_size_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "data"
    write_demo_data(out, sizes=TINY)
    write_demo_data(out, sizes=DemoSizes(curated=1, noisy=0, test=1))
    assert len(list((out / "train_curated").iterdir())) == 1
    assert read_rows(out / "train_noisy.csv") == []
    assert json.loads((out / "demo_data.json").read_text())["sizes"] == {"curated": 1, "noisy": 0, "test": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_foreign_folder_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(KernelError, match="not demo data; choose a new or empty folder"):
        write_demo_data(tmp_path, sizes=TINY)
    assert contents(tmp_path) == {"thesis.txt": b"years of work"}


def test_a_foreign_file_beside_demo_data_is_never_deleted(tmp_path: Path) -> None:
    out = tmp_path / "data"
    write_demo_data(out, sizes=TINY)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(KernelError, match=r"notes\.txt"):
        write_demo_data(out, seed=1, sizes=TINY)
    assert (out / "notes.txt").read_text() == "mine"


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(KernelError, match="is a file"):
        write_demo_data(tmp_path / "data", sizes=TINY)


def test_an_empty_folder_is_filled_and_missing_parents_are_made(tmp_path: Path) -> None:
    write_demo_data(tmp_path / "new" / "parents" / "data", sizes=TINY)
    (tmp_path / "empty").mkdir()
    write_demo_data(tmp_path / "empty", sizes=TINY)
    assert contents(tmp_path / "empty") == contents(tmp_path / "new" / "parents" / "data")


# Interruptions


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_data, "_write_tables", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_demo_data(tmp_path / "data", sizes=TINY)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_generation_is_not_taken_for_a_complete_one(tmp_path: Path) -> None:
    out = tmp_path / "data"
    code = f"from pathlib import Path; from train_offline.demo_data import *; write_demo_data(Path({str(out)!r}))"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    try:
        while not list(tmp_path.glob("data.partial-*/new/*/*.wav")):
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not out.exists()
    write_demo_data(out, sizes=TINY)
    assert (out / "demo_data.json").exists()


def test_a_file_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    code = f"""
import resource, signal
from pathlib import Path
from kernel_src.errors import KernelError
from train_offline.demo_data import DemoSizes, write_demo_data
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_demo_data(Path({str(tmp_path / "data")!r}), sizes=DemoSizes(2, 1, 1))
except KernelError as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "cannot write demo data" in answer.stdout
    assert "File too large" in answer.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_sizes_that_make_no_data_set_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(KernelError, match="clips; expected at least 1"):
        DemoSizes(*sizes)


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match="seed is -1"):
        write_demo_data(tmp_path / "data", seed=-1, sizes=TINY)
