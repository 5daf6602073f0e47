"""The competition's data on its way to this machine."""

import fcntl
import io
import os
import zipfile
from pathlib import Path

import pytest
from kaggle_server import Fault, KaggleServer
from kaggle_state import Competition
from published import COMPETITION, Publish

CLIPS = {"train_curated": 3, "train_noisy": 5}


@pytest.fixture
def few_clips(kaggle: KaggleServer, monkeypatch: pytest.MonkeyPatch) -> KaggleServer:
    """The competition with as few clips as a test can wait for."""
    files = {"sample_submission.csv": b"fname,Bark\n"}
    for split, count in CLIPS.items():
        files[f"{split}.csv"] = ("fname,labels\n" + "".join(f"{split}{i}.wav,Bark\n" for i in range(count))).encode()
        files |= {f"{split}/{split}{index}.wav": bytes([index]) * 40_000 for index in range(count)}
    kaggle.state.competitions[COMPETITION] = Competition(files)
    monkeypatch.setattr("publisher.competition_data.KNOWN_CLIPS", {COMPETITION: CLIPS})
    return kaggle


@pytest.mark.usefixtures("few_clips")
def test_data_are_fetched_unpacked_and_counted(publish: Publish, tmp_path: Path) -> None:
    run = publish("data", "--out", tmp_path / "data")
    assert run.exit_code == 0, run.err
    assert "train_curated 3 clips, train_noisy 5 clips" in run.out
    assert (tmp_path / "data" / "train_noisy" / "train_noisy4.wav").stat().st_size == 40_000
    assert not list((tmp_path / "data").glob("*.zip*"))


def test_a_cut_download_goes_on_where_it_was_cut(publish: Publish, few_clips: KaggleServer, tmp_path: Path) -> None:
    few_clips.misbehave("GET", Fault(cut_after=100_000))
    run = publish("data", "--out", tmp_path / "data")
    assert run.exit_code == 0, run.err
    ranges = [body["range"] for body in few_clips.calls("GET")]
    assert ranges[-1] == "bytes=65536-"


def test_a_download_that_was_given_up_goes_on_the_next_time(
    publish: Publish, few_clips: KaggleServer, tmp_path: Path
) -> None:
    few_clips.misbehave("GET", Fault(cut_after=100_000), *[Fault(cut_after=0)] * 10)
    run = publish("data", "--out", tmp_path / "data")
    assert run.exit_code == 1
    assert "65,536 bytes" in run.err
    few_clips.faults.clear()
    few_clips.seen.clear()
    assert publish("data", "--out", tmp_path / "data").exit_code == 0
    assert "bytes=65536-" in [body["range"] for body in few_clips.calls("GET")]


def test_data_that_are_complete_are_not_fetched_again(
    publish: Publish, few_clips: KaggleServer, tmp_path: Path
) -> None:
    publish("data", "--out", tmp_path / "data")
    few_clips.seen.clear()
    assert publish("data", "--out", tmp_path / "data").exit_code == 0
    assert few_clips.seen == []


def test_a_missing_clip_is_noticed(publish: Publish, few_clips: KaggleServer, tmp_path: Path) -> None:
    del few_clips.state.competitions[COMPETITION].files["train_noisy/train_noisy3.wav"]
    run = publish("data", "--out", tmp_path / "data")
    assert run.exit_code == 1
    assert "4 clips, 5 rows in train_noisy.csv, expected 5" in run.err


@pytest.mark.slow
def test_as_many_clips_as_the_competition_has_are_counted(
    publish: Publish, kaggle: KaggleServer, tmp_path: Path
) -> None:
    files = {}
    for split, count in {"train_curated": 4_970, "train_noisy": 19_815}.items():
        files[f"{split}.csv"] = ("fname,labels\n" + "".join(f"{i:08x}.wav,Bark\n" for i in range(count))).encode()
        files |= {f"{split}/{index:08x}.wav": b"RIFF" for index in range(count)}
    kaggle.state.competitions[COMPETITION] = Competition(files)
    run = publish("data", "--out", tmp_path / "data")
    assert run.exit_code == 0, run.err
    assert "train_curated 4,970 clips, train_noisy 19,815 clips" in run.out


@pytest.mark.usefixtures("kaggle")
def test_the_known_counts_are_those_of_the_competition() -> None:
    from publisher import competition_data

    assert competition_data.KNOWN_CLIPS[COMPETITION] == {"train_curated": 4_970, "train_noisy": 19_815}


def zipped(files: dict[str, bytes]) -> bytes:
    return Competition(files).archive()


def damaged() -> bytes:
    """A zip file whose directory is whole, and whose one file cannot be inflated."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.wav", b"abc" * 10_000)
    content = bytearray(buffer.getvalue())
    content[35:50] = b"\xff" * 15
    return bytes(content)


def test_archives_in_the_archive_are_unpacked_too(publish: Publish, few_clips: KaggleServer, tmp_path: Path) -> None:
    competition = few_clips.state.competitions[COMPETITION]
    for split in CLIPS:
        inner = {name: content for name, content in competition.files.items() if name.startswith(f"{split}/")}
        competition.files = {name: content for name, content in competition.files.items() if name not in inner}
        flat = {name.partition("/")[2]: content for name, content in inner.items()}
        competition.files[f"{split}.zip"] = zipped(flat if split == "train_noisy" else inner)
    run = publish("data", "--out", tmp_path / "data")
    assert run.exit_code == 0, run.err
    assert len(list((tmp_path / "data" / "train_noisy").iterdir())) == 5
    assert len(list((tmp_path / "data" / "train_curated").iterdir())) == 3


def test_unpacking_that_was_interrupted_goes_on(publish: Publish, few_clips: KaggleServer, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "train_noisy").mkdir(parents=True)
    (data / f"{COMPETITION}.zip").write_bytes(few_clips.state.competitions[COMPETITION].archive())
    (data / "train_noisy" / "train_noisy0.wav.part").write_bytes(b"half")
    run = publish("data", "--out", data, "--keep-zip")
    assert run.exit_code == 0, run.err
    assert few_clips.seen == []
    assert not list(data.rglob("*.part"))
    assert (data / f"{COMPETITION}.zip").exists()


def test_unpacking_that_was_interrupted_after_the_training_clips_goes_on(
    publish: Publish, few_clips: KaggleServer, tmp_path: Path
) -> None:
    data, competition = tmp_path / "data", few_clips.state.competitions[COMPETITION]
    assert publish("data", "--out", data).exit_code == 0
    competition.files["test/one.wav"] = b"RIFF"
    (data / f"{COMPETITION}.zip").write_bytes(competition.archive())
    assert publish("data", "--out", data).exit_code == 0
    assert (data / "test" / "one.wav").read_bytes() == b"RIFF"


def test_a_competition_of_another_layout_is_unpacked_and_nothing_is_counted(
    publish: Publish, kaggle: KaggleServer, project: Path, tmp_path: Path
) -> None:
    toml = project / "kernel.toml"
    toml.write_text(toml.read_text().replace(COMPETITION, "birds-of-the-night"))
    files = {"train_metadata.csv": b"bird\nowl\n", "train_audio/owl.ogg": b"Ogg"}
    kaggle.state.competitions["birds-of-the-night"] = Competition(files)
    run = publish("data", "--out", tmp_path / "data")
    assert run.exit_code == 0, run.err
    assert "is unpacked; its clips are not counted" in run.out
    assert (tmp_path / "data" / "train_audio" / "owl.ogg").read_bytes() == b"Ogg"


def test_a_folder_in_which_another_call_is_at_work_is_left_to_it(
    publish: Publish, few_clips: KaggleServer, tmp_path: Path
) -> None:
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    run = publish("data", "--out", tmp_path)
    assert run.exit_code == 2
    assert "is in use by another publish.py; wait for it, or choose another with --out" in run.err
    assert few_clips.seen == []
    os.close(other)
    assert publish("data", "--out", tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no zip file at all", "is damaged"),
        (damaged(), "is damaged"),
        (zipped({"../stray.wav": b"stray"}), "outside of its folder"),
    ],
)
def test_an_archive_that_is_bad_is_named(publish: Publish, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / f"{COMPETITION}.zip").write_bytes(content)
    run = publish("data", "--out", tmp_path / "data")
    assert run.exit_code == 2
    assert words in run.err
    assert not (tmp_path / "stray.wav").exists()


def test_a_disk_that_is_too_small_is_noticed_before_it_is_full(
    publish: Publish, few_clips: KaggleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert few_clips.seen == []
    monkeypatch.setattr("publisher.competition_data.SPARE_BYTES", 10**18)
    run = publish("data", "--out", tmp_path / "data")
    assert run.exit_code == 2
    assert "GB are needed" in run.err


@pytest.mark.usefixtures("few_clips")
def test_a_disk_that_fills_while_unpacking_is_told_with_the_file_that_did_not_fit(
    publish: Publish, tmp_path: Path
) -> None:
    (tmp_path / "data" / "train_noisy").mkdir(parents=True)
    (tmp_path / "data" / "train_noisy" / "train_noisy3.wav.part").symlink_to("/dev/full")
    run = publish("data", "--out", tmp_path / "data")
    assert run.exit_code == 2
    assert "train_noisy3.wav.part: No space left on device; make room" in run.err


@pytest.mark.usefixtures("few_clips")
def test_a_folder_that_cannot_be_written_to_is_one_line(publish: Publish, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    run = publish("data", "--out", tmp_path / "data")
    assert run.exit_code == 2
    assert "Traceback" not in run.err
    assert len(run.err.strip().splitlines()) == 1
