"""Each way in which Kaggle can fail is one clear line and an exit code that is not zero."""

import json
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from kaggle_server import Fault, KaggleServer
from kaggle_state import SIGNATURE, Competition, Kernel
from published import COMPETITION, FakeClock, Publish, Run, bundle


def one_line(run: Run) -> str:
    """The last line of a run that failed at Kaggle, which must say all."""
    assert run.exit_code == 1, run.err
    line = run.err.strip().splitlines()[-1]
    assert line.startswith("publish: ")
    assert len(line) < 400
    return line


# Credentials


def test_no_credentials(publish: Publish, kaggle: KaggleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_KEY")
    run = publish("weights")
    assert run.exit_code == 2
    assert "no Kaggle credentials" in run.err
    assert "settings/api" in run.err
    assert kaggle.seen == []


@pytest.mark.parametrize("step", ["weights", "kernel", "output", "submit", "data"])
def test_a_key_that_kaggle_does_not_know(
    publish: Publish, kaggle: KaggleServer, monkeypatch: pytest.MonkeyPatch, step: str, tmp_path: Path
) -> None:
    wrong = "b" * 32
    monkeypatch.setenv("KAGGLE_KEY", wrong)
    run = publish(step, *(["--out", tmp_path / "data"] if step == "data" else []))
    assert "does not accept your credentials (401)" in one_line(run)
    assert wrong not in run.err + run.out
    assert kaggle.state.datasets == {}


def test_a_token_works_like_a_key(
    publish: Publish, kaggle: KaggleServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.delenv("KAGGLE_USERNAME")
    token = "KGAT_0123456789abcdef0123456789abcdef"
    kaggle.state.tokens[token] = "tester"
    (tmp_path / "home" / ".kaggle").mkdir()
    (tmp_path / "home" / ".kaggle" / "access_token").write_text(token)
    assert publish("weights").exit_code == 0


def test_an_expired_token(publish: Publish, kaggle: KaggleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_ffffffffffffffffffffffffffffffff")
    run = publish("weights")
    assert run.exit_code == 2
    assert "expired token" in run.err
    assert "KGAT_f" not in run.err
    assert kaggle.calls("StartBlobUpload") == []


@pytest.fixture
def logged_in(pushed: KaggleServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> KaggleServer:
    """The same for one who has no key, but has called `kaggle auth login` twelve hours ago."""
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.delenv("KAGGLE_USERNAME")
    pushed.state.tokens["KGAT_of_this_morning"] = "tester"
    pushed.state.refresh_tokens.add("KGRT_to_renew_it")
    login = {
        "refresh_token": "KGRT_to_renew_it",
        "access_token": "KGAT_of_this_morning",
        "access_token_expiration": datetime.now(UTC).isoformat(),
        "username": "tester",
    }
    (tmp_path / "home" / ".kaggle").mkdir()
    (tmp_path / "home" / ".kaggle" / "credentials.json").write_text(json.dumps(login))
    return pushed


def test_a_login_that_expires_while_a_run_is_waited_for_is_renewed(
    publish: Publish, logged_in: KaggleServer, clock: FakeClock
) -> None:
    clock.at_each_pause = lambda: logged_in.state.tokens.pop("KGAT_of_this_morning", None)
    run = publish("output")
    assert run.exit_code == 0, run.err
    assert len(logged_in.calls("GenerateAccessToken")) == 1


def test_a_login_that_cannot_be_renewed_is_told(publish: Publish, logged_in: KaggleServer, clock: FakeClock) -> None:
    clock.at_each_pause = logged_in.state.tokens.clear
    logged_in.state.refresh_tokens.clear()
    run = publish("output")
    assert "does not accept your credentials (401)" in one_line(run)
    assert "KGAT_of_this_morning" not in run.err


def test_a_key_is_used_where_the_token_beside_it_has_expired(
    publish: Publish, kaggle: KaggleServer, tmp_path: Path
) -> None:
    (tmp_path / "home" / ".kaggle").mkdir()
    (tmp_path / "home" / ".kaggle" / "access_token").write_text("KGAT_ffffffffffffffffffffffffffffffff")
    run = publish("weights")
    assert run.exit_code == 0, run.err
    assert kaggle.calls("IntrospectToken") != []


def test_a_token_in_another_encoding(publish: Publish, kaggle: KaggleServer, tmp_path: Path) -> None:
    (tmp_path / "home" / ".kaggle").mkdir()
    (tmp_path / "home" / ".kaggle" / "access_token").write_text("KGAT_ffffffffffffffff", encoding="utf-16")
    run = publish("weights")
    assert run.exit_code == 2
    assert "the Kaggle token cannot be read (it is no UTF-8 text)" in run.err
    assert kaggle.seen == []


def test_a_token_file_that_cannot_be_read(publish: Publish, tmp_path: Path) -> None:
    (tmp_path / "home" / ".kaggle" / "access_token").mkdir(parents=True)
    run = publish("weights")
    assert run.exit_code == 2
    assert "the Kaggle token cannot be read (Is a directory)" in run.err


def test_a_token_that_is_too_long_for_a_file_name_is_not_shown(
    publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "an-unusual-token" * 20)
    run = publish("weights")
    assert "an-unusual-token" not in run.err


@pytest.mark.parametrize(
    ("variable", "value"),
    [("API_TOKEN", "an-unusual-token\n"), ("KEY", "an-unusual-token\r"), ("USERNAME", "an-unusual-tökken")],
)
def test_credentials_that_no_request_can_carry_are_told_and_not_shown(
    publish: Publish, kaggle: KaggleServer, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"KAGGLE_{variable}", value)
    run = publish("weights")
    assert run.exit_code == 2
    assert "has a space, a line end or another character that no request can carry" in run.err
    assert "an-unusual" not in run.err
    assert len(run.err.strip().splitlines()) == 1
    assert kaggle.seen == []


# Names


def test_rules_that_are_not_accepted(publish: Publish, pushed: KaggleServer, tmp_path: Path) -> None:
    pushed.state.competitions[COMPETITION].rules_accepted = False
    rules = f"https://www.kaggle.com/competitions/{COMPETITION}/rules"
    assert rules in one_line(publish("data", "--out", tmp_path / "data"))
    assert rules in one_line(publish("output"))
    assert rules in one_line(publish("submit"))


def test_a_competition_that_does_not_exist(publish: Publish, kaggle: KaggleServer, tmp_path: Path) -> None:
    assert kaggle.state.competitions == {}
    assert "there is no such competition" in one_line(publish("data", "--out", tmp_path / "data"))


def test_a_kernel_that_does_not_exist(publish: Publish, uploaded: KaggleServer) -> None:
    assert uploaded.state.kernels == {}
    line = one_line(publish("output"))
    assert "there is no such kernel" in line
    assert "publish.py kernel" in line


def test_a_data_set_that_does_not_exist(publish: Publish, kaggle: KaggleServer) -> None:
    assert kaggle.state.datasets == {}
    line = one_line(publish("kernel"))
    assert "tester/tiny-weights is not there" in line
    assert "publish.py weights" in line


def test_a_data_set_that_is_not_ready(publish: Publish, uploaded: KaggleServer) -> None:
    uploaded.state.datasets["tester/tiny-weights"].coming = ["INDIVIDUAL_BLOBS_COMPRESSED"]
    assert "individual_blobs_compressed, not ready" in one_line(publish("kernel"))


def test_a_title_that_gives_another_slug(publish: Publish, kaggle: KaggleServer, project: Path) -> None:
    toml = project / "kernel.toml"
    toml.write_text(toml.read_text().replace("Tiny kernel", "Large kernel"))
    run = publish("kernel")
    assert run.exit_code == 2
    assert 'gives the slug "large-kernel"' in run.err
    assert kaggle.calls("SaveKernel") == []


def test_a_kernel_that_kaggle_puts_elsewhere(
    publish: Publish, uploaded: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaggle_state.slugify", lambda _: "elsewhere")
    assert 'Kaggle made "elsewhere" of it' in one_line(publish("kernel"))
    assert "tester/elsewhere" in uploaded.state.kernels


def test_a_slug_in_use(publish: Publish, uploaded: KaggleServer) -> None:
    uploaded.state.kernels["tester/another"] = Kernel("Tiny kernel")
    line = one_line(publish("kernel"))
    assert "already in use by a kernel" in line
    assert "kernel.toml" in line


def test_a_data_sets_title_in_use(publish: Publish, uploaded: KaggleServer) -> None:
    uploaded.state.datasets["tester/other-weights"] = uploaded.state.datasets.pop("tester/tiny-weights")
    assert "already in use by a dataset" in one_line(publish("weights"))


def test_a_kernel_of_somebody_else(publish: Publish, kaggle: KaggleServer, project: Path) -> None:
    toml = project / "kernel.toml"
    toml.write_text(toml.read_text().replace("tester/tiny-kernel", "somebody/tiny-kernel"))
    run = publish("kernel")
    assert run.exit_code == 2
    assert 'belongs to somebody, but your account is tester; write "tester/..."' in run.err
    assert kaggle.calls("SaveKernel") == []


def test_names_that_were_never_filled_in(publish: Publish, kaggle: KaggleServer, project: Path) -> None:
    toml = project / "kernel.toml"
    toml.write_text(toml.read_text().replace("tester/", "your-name/"))
    for step in ("weights", "kernel"):
        run = publish(step)
        assert run.exit_code == 2
        assert 'write "tester/..."' in run.err
    assert kaggle.seen == []


def test_a_data_set_of_somebody_else(publish: Publish, project: Path) -> None:
    toml = project / "kernel.toml"
    toml.write_text(toml.read_text().replace("tester/tiny-weights", "somebody/tiny-weights"))
    assert "(403, Permission 'datasets.create' was denied)" in one_line(publish("weights"))


@pytest.mark.parametrize("sources", ["datasets", "competition"])
def test_a_source_that_kaggle_does_not_know(
    publish: Publish, uploaded: KaggleServer, project: Path, sources: str
) -> None:
    toml = project / "kernel.toml"
    old, new = {
        "datasets": ('"tester/tiny-weights"', '"tester/tiny-weights", "nobody/nothing-here"'),
        "competition": (COMPETITION, "no-such-competition"),
    }[sources]
    toml.write_text(toml.read_text().replace(old, new))
    bundle(project)
    line = one_line(publish("kernel"))
    assert "no-such-competition" in line or "nobody/nothing-here" in line
    assert "stop it at https://www.kaggle.com/code/tester/tiny-kernel" in line
    assert len(uploaded.calls("SaveKernel")) == 1


def test_too_many_sessions(publish: Publish, uploaded: KaggleServer) -> None:
    uploaded.state.running_elsewhere = 2
    line = one_line(publish("kernel"))
    assert "Maximum batch GPU session count of 2 reached" in line
    assert "Wait until one of your runs is over" in line


# The line and the machine at its other end

READS = {
    "weights": ("weights", "GetDatasetStatus"),
    "files": ("kernel", "ListDatasetFiles"),
    "manifest": ("kernel", "DownloadDataset"),
    "state": ("output", "GetKernelSessionStatus"),
    "output": ("output", "ListKernelSessionOutput"),
    "sample": ("output", "DownloadDataFile"),
    "score": ("submit", "ListSubmissions"),
    "upload": ("weights", "StartBlobUpload"),
}


def prepare(server: KaggleServer, step: str) -> None:
    server.state.kernels["tester/tiny-kernel"].coming = ["COMPLETE"]
    if step == "weights":
        server.state.datasets.clear()


@pytest.mark.parametrize("where", READS)
def test_what_passes_is_waited_for(publish: Publish, pushed: KaggleServer, clock: FakeClock, where: str) -> None:
    step, call = READS[where]
    prepare(pushed, step)
    clock.pauses_s.clear()
    pushed.misbehave(call, Fault(429), Fault(503), Fault(cut_after=0))
    run = publish(step)
    assert run.exit_code == 0, run.err
    assert [pause_s for pause_s in clock.pauses_s if pause_s != 15.0] == [2.0, 4.0, 8.0]
    assert "trying again in 2 s (1 of 3)" in run.err


@pytest.mark.parametrize("where", READS)
def test_what_does_not_pass_ends_with_its_reason(publish: Publish, pushed: KaggleServer, where: str) -> None:
    step, call = READS[where]
    prepare(pushed, step)
    pushed.misbehave(call, *[Fault(500, "Internal error")] * 4)
    assert "(500, Internal error)" in one_line(publish(step))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(429, "Too many requests"), "failed after 4 tries: Kaggle allows no more calls"),
        (Fault(503), "failed after 4 tries: Kaggle has a fault of its own (503)"),
        (Fault(cut_after=0), "failed after 4 tries: the connection to Kaggle broke"),
        (Fault(404), "failed: there is no such kernel"),
    ],
)
def test_each_end_has_its_reason(publish: Publish, pushed: KaggleServer, fault: Fault, words: str) -> None:
    pushed.misbehave("GetKernelSessionStatus", *[fault] * 4)
    assert words in one_line(publish("output"))


def test_kaggles_own_pause_is_kept(publish: Publish, pushed: KaggleServer, clock: FakeClock) -> None:
    pushed.misbehave("GetKernelSessionStatus", Fault(429, headers={"Retry-After": "77"}))
    assert publish("output").exit_code == 0
    assert 77.0 in clock.pauses_s


def test_a_pause_until_a_date_is_kept(publish: Publish, pushed: KaggleServer, clock: FakeClock) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)
    pushed.misbehave("GetKernelSessionStatus", Fault(429, headers={"Retry-After": soon}))
    clock.pauses_s.clear()
    assert publish("output").exit_code == 0
    assert 290 < clock.pauses_s[0] <= 300


def test_a_refusal_that_only_the_answers_text_tells(publish: Publish, pushed: KaggleServer) -> None:
    pushed.misbehave("GetKernelSessionStatus", Fault(200, "no such kernel", code=404))
    assert "(404, no such kernel)" in one_line(publish("output"))


def test_a_pause_of_hours_is_not_waited_for(publish: Publish, pushed: KaggleServer, clock: FakeClock) -> None:
    pushed.misbehave("GetKernelSessionStatus", Fault(429, headers={"Retry-After": "86400"}))
    line = one_line(publish("output"))
    assert "allows no more calls" in line
    assert "wait 24:00:00" in line
    assert max(clock.pauses_s) < 86_400


@pytest.mark.parametrize("call", ["SaveKernel", "CreateDataset", "CreateCodeSubmission"])
@pytest.mark.parametrize("fault", [Fault(500, done_first=True), Fault(cut_after=0, done_first=True)])
def test_what_may_have_been_done_is_not_done_twice(
    publish: Publish, pushed: KaggleServer, call: str, fault: Fault
) -> None:
    step = {"SaveKernel": "kernel", "CreateDataset": "weights", "CreateCodeSubmission": "submit"}[call]
    prepare(pushed, step)
    pushed.misbehave(call, fault)
    assert "look at https://www.kaggle.com/" in one_line(publish(step))
    assert len(pushed.calls(call)) == 1


@pytest.mark.parametrize(
    ("call", "function"),
    [("SaveKernel", "save_kernel"), ("CreateDataset", "create_dataset"), ("CreateCodeSubmission", "create_submission")],
)
def test_ctrl_c_while_it_may_be_done_says_where_to_look(
    publish: Publish, pushed: KaggleServer, monkeypatch: pytest.MonkeyPatch, call: str, function: str
) -> None:
    step = {"SaveKernel": "kernel", "CreateDataset": "weights", "CreateCodeSubmission": "submit"}[call]
    prepare(pushed, step)
    does = getattr(pushed.state, function)

    def does_and_is_interrupted(request: object) -> object:
        answer = does(request)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return answer

    monkeypatch.setattr(pushed.state, function, does_and_is_interrupted)
    run = publish(step)
    assert run.exit_code == 130
    assert "look at https://www.kaggle.com/" in run.err
    assert "run this again, it goes on" not in run.err


@pytest.mark.parametrize("fault", [Fault(500), Fault(429), Fault(cut_after=0)])
@pytest.mark.parametrize("call", ["GetKernelSessionStatus", "ListKernelSessionOutput", "GET"])
def test_what_fails_after_a_push_does_not_say_to_push_again(
    publish: Publish, pushed: KaggleServer, call: str, fault: Fault
) -> None:
    goes_well = [None] * 2 if call == "GET" else []  # the files that are read before the push
    pushed.misbehave(call, *goes_well, *[fault] * 4)
    line = one_line(publish("kernel"))
    assert "python publish.py output" in line
    assert "run this again" not in line


def test_a_score_that_cannot_be_asked_for_does_not_say_to_submit_again(publish: Publish, pushed: KaggleServer) -> None:
    prepare(pushed, "submit")
    pushed.misbehave("ListSubmissions", *[Fault(503)] * 4)
    line = one_line(publish("submit"))
    assert f"look at https://www.kaggle.com/competitions/{COMPETITION}/submissions, for it is submitted" in line
    assert "run this again" not in line


@pytest.mark.parametrize("call", ["SaveKernel", "CreateDataset", "CreateCodeSubmission"])
def test_what_was_refused_for_haste_is_done_later(publish: Publish, pushed: KaggleServer, call: str) -> None:
    step = {"SaveKernel": "kernel", "CreateDataset": "weights", "CreateCodeSubmission": "submit"}[call]
    prepare(pushed, step)
    pushed.misbehave(call, Fault(429), Fault(429))
    assert publish(step, "--no-wait").exit_code == 0


def test_silence_ends(publish: Publish, pushed: KaggleServer) -> None:
    pushed.misbehave("GetKernelSessionStatus", *[Fault(hangs=True)] * 4)
    assert "did not answer in time" in one_line(publish("output", timeout_s=0.05))


def test_silence_in_the_middle_of_an_upload_is_overcome(publish: Publish, kaggle: KaggleServer) -> None:
    kaggle.misbehave("PUT", Fault(hangs=True))
    run = publish("weights", timeout_s=2.0)
    assert run.exit_code == 0, run.err
    assert "no answer in time" in run.err


@pytest.mark.parametrize("text", ["<html>Log in to the hotel's network</html>", '{"status": "SURPRISING"}', " "])
def test_an_answer_that_is_none(publish: Publish, pushed: KaggleServer, text: str) -> None:
    pushed.misbehave("GetKernelSessionStatus", *[Fault(text=text)] * 4)
    assert "cannot be read" in one_line(publish("output"))


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("weights", '{"status": null}'),
        ("state", '{"status": null}'),
        ("manifest", "PK\x03\x04, and no zip file"),
        ("sample", "PK\x03\x04, and no zip file"),
    ],
)
def test_an_answer_of_another_form_is_one_line(publish: Publish, pushed: KaggleServer, where: str, text: str) -> None:
    step, call = READS[where]
    prepare(pushed, step)
    pushed.misbehave(call, Fault(text=text))
    assert "cannot be read" in one_line(publish(step))


@pytest.mark.parametrize("call", ["SaveKernel", "CreateDataset", "CreateCodeSubmission"])
def test_what_was_answered_illegibly_may_have_been_done(publish: Publish, pushed: KaggleServer, call: str) -> None:
    step = {"SaveKernel": "kernel", "CreateDataset": "weights", "CreateCodeSubmission": "submit"}[call]
    prepare(pushed, step)
    pushed.misbehave(call, Fault(text="null", done_first=True))
    assert "look at https://www.kaggle.com/" in one_line(publish(step))
    assert len(pushed.calls(call)) == 1


def test_a_kernel_without_a_version_is_one_line(publish: Publish, pushed: KaggleServer) -> None:
    prepare(pushed, "submit")
    pushed.misbehave("GetKernel", Fault(text="{}"))
    assert "cannot be read" in one_line(publish("submit"))


def test_403_and_404_and_400_in_kaggles_words(publish: Publish, uploaded: KaggleServer) -> None:
    for status, words in ((403, "may not write there"), (404, "can be made there"), (400, "Kaggle refused it")):
        uploaded.misbehave("SaveKernel", Fault(status, "because of the moon"))
        line = one_line(publish("kernel"))
        assert words in line
        assert f"({status}, because of the moon)" in line


def test_a_key_that_kaggle_repeats_is_hidden(publish: Publish, uploaded: KaggleServer) -> None:
    uploaded.misbehave("SaveKernel", Fault(400, f"no {uploaded.state.key} in /storage/x?X-Goog-Signature={SIGNATURE}"))
    line = one_line(publish("kernel"))
    assert uploaded.state.key not in line
    assert SIGNATURE not in line
    assert line.count("(hidden)") == 2


# Runs


@pytest.mark.parametrize(
    ("states", "words"),
    [
        (["RUNNING", "ERROR"], "ended in an error: Notebook Exceeded Allowed Compute"),
        (["RUNNING", "CANCEL_REQUESTED"], "was cancelled"),
        (["QUEUED", "CANCEL_ACKNOWLEDGED"], "was cancelled"),
    ],
)
def test_a_run_that_did_not_end_well(
    publish: Publish, pushed: KaggleServer, project: Path, states: list[str], words: str
) -> None:
    kernel = pushed.state.kernels["tester/tiny-kernel"]
    kernel.coming, kernel.failure = states, "Notebook Exceeded Allowed Compute"
    line = one_line(publish("output"))
    assert words in line
    assert "https://www.kaggle.com/code/tester/tiny-kernel" in line
    assert (project / "build" / "output" / "kernel.log").read_text() == "hello\nbye\n"


@pytest.mark.parametrize(
    ("state", "words"), [("ERROR", "ended in an error: Out of memory"), ("CANCEL_ACKNOWLEDGED", "was")]
)
def test_a_run_that_failed_and_left_nothing_to_list_ends_with_why_it_failed(
    publish: Publish, pushed: KaggleServer, state: str, words: str
) -> None:
    kernel = pushed.state.kernels["tester/tiny-kernel"]
    kernel.coming, kernel.failure = [state], "Out of memory"
    pushed.misbehave("ListKernelSessionOutput", Fault(404))
    run = publish("output")
    assert words in one_line(run)
    assert "listing the output of tester/tiny-kernel failed" in run.err


def test_a_reason_of_several_lines_is_told_in_one(publish: Publish, pushed: KaggleServer) -> None:
    kernel = pushed.state.kernels["tester/tiny-kernel"]
    kernel.coming, kernel.failure = ["ERROR"], "Out of\nmemory"
    assert "Out of memory" in one_line(publish("output"))


def test_a_run_that_is_not_over_and_is_not_waited_for(publish: Publish, pushed: KaggleServer) -> None:
    assert pushed.state.kernels["tester/tiny-kernel"].coming[0] == "QUEUED"
    assert "is not over, it is queued" in one_line(publish("output", "--no-wait"))


def test_a_run_that_never_ends_is_not_waited_for_for_ever(
    publish: Publish, pushed: KaggleServer, clock: FakeClock
) -> None:
    pushed.state.kernels["tester/tiny-kernel"].coming = ["QUEUED"]
    assert "still queued after 1:00:00" in one_line(publish("output", at_most_s=3600.0))
    assert clock.seconds_s < 2 * 3600


def test_a_run_without_a_submission(publish: Publish, pushed: KaggleServer) -> None:
    del pushed.state.kernels["tester/tiny-kernel"].output["submission.csv"]
    assert "left no submission.csv" in one_line(publish("output"))
    pushed.state.kernels["tester/tiny-kernel"].coming = ["COMPLETE"]
    assert "left no submission.csv" in one_line(publish("submit"))


def test_a_file_that_would_land_elsewhere(publish: Publish, pushed: KaggleServer, project: Path) -> None:
    pushed.state.kernels["tester/tiny-kernel"].output["../../stray.txt"] = b"stray"
    assert "lies outside of its folder" in one_line(publish("output"))
    assert not (project / "stray.txt").exists()


def test_output_that_is_cut_is_fetched_again(publish: Publish, pushed: KaggleServer, project: Path) -> None:
    pushed.misbehave("GET", Fault(cut_after=10))
    assert publish("output").exit_code == 0
    assert (project / "build" / "output" / "submission.csv").read_text().startswith("fname")
    assert list((project / "build" / "output").rglob("*.part")) == []


@pytest.mark.parametrize("status", [403, 404])
def test_an_address_of_output_that_has_expired(publish: Publish, pushed: KaggleServer, status: int) -> None:
    pushed.misbehave("GET", Fault(status))
    assert "its address has expired" in one_line(publish("output"))


# Our own files


def _no_project(project: Path) -> None:
    (project / "kernel.toml").unlink()


def _no_bundle(project: Path) -> None:
    (project / "build" / "kernel.py").unlink()


def _broken_toml(project: Path) -> None:
    (project / "kernel.toml").write_text("[kernel")


def _secret_in_the_sources(project: Path) -> None:
    (project / "app" / "main.py").write_text(f'def main() -> int:\n    print("{"a" * 32}")\n    return 0\n')
    bundle(project)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_no_project, "kernel.toml is missing"),
        (_no_bundle, "out of date: kernel.py is missing"),
        (_broken_toml, "cannot be read"),
        (_secret_in_the_sources, "your own Kaggle key"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    publish: Publish, kaggle: KaggleServer, project: Path, harm: Callable[[Path], None], words: str
) -> None:
    kaggle.state.competitions[COMPETITION] = Competition()
    harm(project)
    run = publish("kernel")
    assert run.exit_code == 2
    assert words in run.err
    assert len(run.err.strip().splitlines()) == 1
    assert kaggle.calls("SaveKernel") == []


def test_unknown_options_are_refused(publish: Publish) -> None:
    with pytest.raises(SystemExit) as left:
        publish("kernel", "--now")
    assert left.value.code == 2
