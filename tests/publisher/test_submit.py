"""A finished run's output on its way to the leaderboard."""

import pytest
from kaggle_server import KaggleServer
from kagglesdk.competitions.types.competition_api_service import ApiCreateCodeSubmissionResponse
from kagglesdk.kernels.types.kernels_api_service import (
    ApiListKernelSessionOutputRequest,
    ApiListKernelSessionOutputResponse,
)
from published import COMPETITION, FakeClock, Publish


def finish(server: KaggleServer) -> None:
    server.state.kernels["tester/tiny-kernel"].coming = ["COMPLETE"]


def test_the_newest_versions_submission_is_submitted_and_its_score_shown(
    publish: Publish, pushed: KaggleServer
) -> None:
    finish(pushed)
    run = publish("submit", "--message", "two folds")
    assert run.exit_code == 0, run.err
    (request,) = pushed.calls("CreateCodeSubmission")
    assert request == {
        "competitionName": COMPETITION,
        "kernelOwner": "tester",
        "kernelSlug": "tiny-kernel",
        "kernelVersion": 1,
        "fileName": "submission.csv",
        "submissionDescription": "two folds",
    }
    assert "public score 0.71234, private score 0.70987" in run.out


def test_a_run_that_is_not_over_is_not_submitted(publish: Publish, pushed: KaggleServer) -> None:
    run = publish("submit")
    assert run.exit_code == 1
    assert "is not over" in run.err
    assert pushed.calls("CreateCodeSubmission") == []


def test_a_version_that_is_pushed_while_the_one_before_is_checked_is_not_submitted(
    publish: Publish, pushed: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(pushed)
    kernel, gives = pushed.state.kernels["tester/tiny-kernel"], pushed.state.run_output

    def gives_and_is_pushed(request: ApiListKernelSessionOutputRequest) -> ApiListKernelSessionOutputResponse:
        kernel.versions[1:] = [kernel.versions[0]]
        return gives(request)

    monkeypatch.setattr(pushed.state, "run_output", gives_and_is_pushed)
    run = publish("submit")
    assert run.exit_code == 1
    assert "version 2 of tester/tiny-kernel was pushed while version 1 was checked" in run.err
    assert pushed.calls("CreateCodeSubmission") == []


def test_a_submission_that_got_no_number_is_looked_for_before_it_is_made_again(
    publish: Publish, pushed: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(pushed)
    monkeypatch.setattr(pushed.state, "create_submission", lambda _: ApiCreateCodeSubmissionResponse())
    run = publish("submit")
    assert run.exit_code == 1
    assert f"look at https://www.kaggle.com/competitions/{COMPETITION}/submissions before you run this again" in run.err


def test_a_used_up_day_and_a_failed_scoring_are_failures(publish: Publish, pushed: KaggleServer) -> None:
    finish(pushed)
    competition = pushed.state.competitions[COMPETITION]
    competition.left_today = 0
    assert "all of your submissions for today" in publish("submit").err
    competition.left_today, competition.coming = 1, ["PENDING", "ERROR"]
    run = publish("submit")
    assert run.exit_code == 1
    assert "Notebook Timeout" in run.err


def test_ctrl_c_and_no_wait_leave_the_scoring_to_kaggle(
    publish: Publish, pushed: KaggleServer, clock: FakeClock
) -> None:
    finish(pushed)
    assert publish("submit", "--no-wait").exit_code == 0
    clock.interrupts_at = len(clock.pauses_s) + 1
    run = publish("submit")
    assert run.exit_code == 130
    assert "/submissions" in run.err
