"""Submits the output of a finished kernel to its competition, and reads the score."""

from dataclasses import dataclass
from typing import Any

from kagglesdk.competitions.types.competition_api_service import ApiListSubmissionsRequest

from publisher.client import Client
from publisher.output import SUBMISSION_NAME, competition_call
from publisher.remote_kernel import RemoteKernel
from publisher.waiting import wait_for

PENDING, COMPLETE, ERROR = "pending", "complete", "error"
PAGE_SUBMISSIONS = 50


@dataclass(frozen=True)
class Submission:
    """A submission as Kaggle has it."""

    reference: int
    state: str
    """pending, complete or error."""
    public_score: str = ""
    private_score: str = ""
    error: str = ""

    def __str__(self) -> str:
        return self.state


def submit(client: Client, kernel: RemoteKernel, version: int, competition: str, message: str) -> int:
    """Submits the submission.csv of a version of the kernel; returns Kaggle's number for it.

    Raises:
        KaggleError: Kaggle does not take it.
    """
    call = competition_call(f"submitting version {version} of {kernel.id} to", competition, repeatable=False)
    answer = client.ask(
        call,
        lambda: client.competition_submit_code(SUBMISSION_NAME, message, competition, kernel.id, version, quiet=True),
    )
    if not answer.ref:
        raise client.failed(f"{call.doing} failed: {answer.message or 'Kaggle gave it no number'}; {call.in_doubt}")
    return int(answer.ref)


def wait_for_score(client: Client, competition: str, reference: int) -> Submission:
    """The submission when Kaggle has scored it.

    Raises:
        KaggleError: it could not be scored, or that takes too long.
    """
    found = wait_for(
        f"submission {reference}",
        lambda: find_submission(client, competition, reference),
        lambda submission: submission.state != PENDING,
        client,
    )
    if found.state == ERROR:
        raise client.failed(f"Kaggle could not score submission {reference}: {found.error or 'it does not say why'}")
    return found


def find_submission(client: Client, competition: str, reference: int) -> Submission:
    """The submission with this number; pending as long as the list does not have it."""
    request = ApiListSubmissionsRequest()
    request.competition_name = competition
    request.page_size = PAGE_SUBMISSIONS

    def ask() -> Any:
        with client.build_kaggle_client() as kaggle:
            return kaggle.competitions.competition_api_client.list_submissions(request).submissions

    for item in client.ask(competition_call("listing your submissions to", competition), ask):
        if item.ref == reference:
            state = str(item.status.name).lower()
            return Submission(reference, state, item.public_score, item.private_score, item.error_description)
    return Submission(reference, PENDING)
