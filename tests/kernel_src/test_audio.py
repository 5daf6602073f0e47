from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernel_src import audio
from kernel_src.audio import BLOCK_SAMPLES, read_waveform, trim_silence
from kernel_src.errors import ClipError
from kernel_src.frontend import FrontendConfig, spectrogram
from sample_data import tone


@settings(max_examples=60)
@given(
    lengths=st.tuples(*[st.integers(0, 6000)] * 3).filter(lambda parts: sum(parts) > 0),
    level_db=st.floats(-80, -40),
    seed=st.integers(0, 99),
)
def test_trimming_is_librosas(lengths: tuple[int, int, int], level_db: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    quiet = np.float32(10 ** (level_db / 20))
    parts = [rng.standard_normal(length).astype(np.float32) for length in lengths]
    waveform = np.concatenate([parts[0] * quiet, parts[1], parts[2] * quiet])
    np.testing.assert_array_equal(trim_silence(waveform, 60.0), librosa.effects.trim(waveform)[0])


def test_a_silent_clip_is_kept_whole() -> None:
    assert len(trim_silence(np.zeros(5000, np.float32), 60.0)) == 5000


def test_an_8_khz_stereo_float_file_becomes_mono_at_the_wanted_rate(tmp_path: Path) -> None:
    path = tmp_path / "old.wav"
    one = tone(1.0, 440, rate_hz=8000)
    soundfile.write(path, np.stack([one, np.zeros_like(one)], axis=1), 8000, subtype="FLOAT")
    waveform = read_waveform(path, 44_100, trim_top_db=None)
    assert waveform.dtype == np.float32
    assert waveform.shape == (44_100,)
    peak_hz = np.argmax(np.abs(np.fft.rfft(waveform)))  # one second: bins are hertz
    assert peak_hz == 440
    assert np.abs(waveform).max() == pytest.approx(0.15, rel=0.2)  # the mean of 0.3 and silence


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_any_format_that_libsndfile_reads_will_do(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"clip.{kind}"
    soundfile.write(path, tone(0.5), 44_100)
    assert len(read_waveform(path, 44_100, None)) == pytest.approx(22_050, abs=2000)


@pytest.mark.filterwarnings("ignore:.*slated for removal:DeprecationWarning")  # what librosa.load imports
@pytest.mark.parametrize("rate_hz", [44_100, 22_050])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "kind",
    ["wav/PCM_U8", "wav/PCM_16", "wav/PCM_24", "wav/PCM_32", "wav/FLOAT", "wav/DOUBLE", "flac/PCM_S8", "flac/PCM_16"],
)
def test_every_sample_format_is_what_librosa_reads(tmp_path: Path, kind: str, channels: int, rate_hz: int) -> None:
    extension, subtype = kind.split("/")
    path = tmp_path / f"clip.{extension}"
    rng = np.random.default_rng(0)
    soundfile.write(path, rng.uniform(-1, 1, (BLOCK_SAMPLES + 12_345, channels)), rate_hz, subtype=subtype)
    expected, _ = librosa.load(path, sr=44_100)
    np.testing.assert_allclose(read_waveform(path, 44_100, None), expected, atol=1e-6, rtol=0)


@settings(max_examples=25)
@given(samples=st.integers(1, 3 * BLOCK_SAMPLES), rate_hz=st.sampled_from([8000, 16_000, 32_000, 44_100, 48_000]))
def test_reading_in_blocks_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, samples: int, rate_hz: int
) -> None:
    path = tmp_path_factory.mktemp("blocks") / "clip.wav"
    soundfile.write(path, np.random.default_rng(samples).uniform(-1, 1, samples), rate_hz)
    whole, _ = soundfile.read(path, dtype="float32")
    if rate_hz != 44_100:
        whole = soxr.resample(whole, rate_hz, 44_100)
    np.testing.assert_array_equal(read_waveform(path, 44_100, None), whole)


def read_or_refused(path: Path) -> bytes | None:
    try:
        return read_waveform(path, 44_100, None).tobytes()
    except ClipError:
        return None


@settings(max_examples=200)
@given(place=st.integers(0, 47), value=st.integers(0, 255), channels=st.integers(1, 2))
@example(place=23, value=8, channels=1)  # 2,049 channels
def test_a_damaged_header_is_what_libsndfile_makes_of_it(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int, channels: int
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "clip.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, (3000, channels)), 44_100)
    content = bytearray(path.read_bytes())
    content[place] = value
    path.write_bytes(content)
    found = read_or_refused(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audio, "_plain_wav", lambda *_: None)
        assert read_or_refused(path) == found


def test_a_wav_that_ends_half_way_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, tone(1.0), 44_100)
    path.write_bytes(path.read_bytes()[:44_100])
    read = read_waveform(path, 44_100, None)
    assert len(read) == (44_100 - 44) // 2
    np.testing.assert_allclose(read, tone(1.0)[: len(read)], atol=1e-4)


def test_a_flac_that_is_damaged_half_way_is_an_error_that_names_the_clip(tmp_path: Path) -> None:
    path = tmp_path / "damaged.flac"
    soundfile.write(path, tone(2.0), 44_100)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    with pytest.raises(ClipError, match=r"damaged\.flac: cannot be decoded"):
        read_waveform(path, 44_100, None)


def test_a_clip_of_one_sample_is_a_clip(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, np.full(1, 0.5, np.float32), 44_100)
    np.testing.assert_array_equal(read_waveform(path, 44_100, 60.0), np.full(1, 0.5, np.float32))


def test_samples_that_are_not_finite_count_as_silence(tmp_path: Path) -> None:
    path = tmp_path / "gaps.wav"
    waveform = tone(0.1)
    waveform[100:200] = np.nan
    soundfile.write(path, waveform, 44_100, subtype="FLOAT")
    read = read_waveform(path, 44_100, None)
    assert (read[100:200] == 0).all()
    np.testing.assert_array_equal(read[:100], waveform[:100])


def test_samples_beyond_any_sound_count_as_silence(tmp_path: Path) -> None:
    path = tmp_path / "spike.wav"
    waveform = tone(0.1)
    waveform[1000] = 1e25
    soundfile.write(path, waveform, 44_100, subtype="FLOAT")
    read = read_waveform(path, 44_100, 60.0)
    assert read[1000] == 0
    assert len(read) == len(waveform)
    assert np.isfinite(spectrogram(read, FrontendConfig())).all()


def test_what_cannot_be_used_is_an_error_that_names_the_clip(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), 44_100)
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan, np.float32), 44_100, subtype="FLOAT")
    soundfile.write(tmp_path / "huge.wav", np.full(100, 1e30, np.float32), 44_100, subtype="FLOAT")
    soundfile.write(tmp_path / "slow.wav", tone(0.1), 1)
    (tmp_path / "text.wav").write_text("this is no sound")
    (tmp_path / "nothing.wav").touch()
    reasons = {}
    for name in ("empty", "nan", "huge", "slow", "text", "nothing", "missing"):
        with pytest.raises(ClipError, match=name) as caught:
            read_waveform(tmp_path / f"{name}.wav", 44_100, 60.0)
        reasons[name] = caught.value.reason
    assert reasons["missing"] == "the file is missing"
    assert reasons["empty"] == "has no samples"
    assert reasons["nan"] == reasons["huge"]
    assert "no usable sample" in reasons["nan"]
    assert reasons["slow"] == "says that its sample rate is 1 Hz"
    assert "decoded" in reasons["text"]
