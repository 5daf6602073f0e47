"""A kernel as Kaggle has it: pushed, run, and what its run left."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kagglesdk.kernels.types.kernels_api_service import (
    ApiGetKernelRequest,
    ApiGetKernelSessionStatusRequest,
    ApiListKernelSessionOutputRequest,
)

from publisher.client import Client
from publisher.failures import Call
from publisher.waiting import wait_for

COMPLETE, ERROR = "complete", "error"
CANCELLED = ("cancel_requested", "cancel_acknowledged")
PAGE_FILES = 100

LONGEST_STALE_S = 600.0
"""How long after a push the run before may still be shown."""

SESSION_LIMIT = "session count"
IN_USE = "already in use"


@dataclass(frozen=True)
class RunState:
    """The state of a kernel's newest run."""

    word: str
    """Kaggle's word for it: queued, running, complete, error, cancel_requested, cancel_acknowledged, new_script."""
    message: str = ""
    """Why it failed, if Kaggle says so."""

    @property
    def is_over(self) -> bool:
        """Whether it will not change any more."""
        return self.word in (COMPLETE, ERROR, *CANCELLED)

    def __str__(self) -> str:
        return self.word.replace("_", " ")


class RemoteKernel:
    """One kernel at Kaggle.

    Args:
        client: signed in.
        kernel: "owner/slug".
    """

    def __init__(self, client: Client, kernel: str) -> None:
        self._client = client
        self.id = kernel
        self._owner, self._slug = kernel.split("/")[:2]

    @property
    def url(self) -> str:
        """Its page."""
        return f"https://www.kaggle.com/code/{self.id}"

    def _call(self, doing: str) -> Call:
        nothing = (
            "there is no such kernel that your account may see; push it with `python publish.py kernel`, or correct the"
            " id in kernel.toml"
        )
        return Call(f"{doing} {self.id}", not_found=nothing, forbidden=nothing)

    def push(self, build: Path) -> int:
        """Pushes the bundle in a folder; returns the number of the new version.

        Raises:
            KaggleError: Kaggle did not take it, or took it without something that it needs.
        """
        call = Call(
            f"pushing {build} to {self.id}",
            not_found="no kernel can be made there; is the owner in kernel.toml your user name?",
            forbidden="your account may not write there; is the owner in kernel.toml your user name?",
            repeatable=False,
            in_doubt=f"look at {self.url} whether there is a new version before you push again",
        )
        answer = self._client.ask(call, lambda: self._client.kernels_push(str(build)))
        if answer is None:
            raise self._client.failed(f"{call.doing} failed: the client gave no answer")
        if answer.error:
            raise self._client.failed(f"{call.doing} failed: {_advised(answer.error)}")
        self._check_sources(answer)
        landed = (answer.ref or answer.url or "").strip("/").split("/")[-1]
        if landed and landed != self._slug:
            raise self._client.failed(
                f'Kaggle made "{landed}" of it, not "{self._slug}": {answer.url};'
                " make title and id in kernel.toml agree"
            )
        return int(answer.version_number or self.version())

    def _check_sources(self, answer: Any) -> None:
        refused = {
            "data sets": answer.invalid_dataset_sources,
            "competitions": answer.invalid_competition_sources,
            "kernels": answer.invalid_kernel_sources,
            "models": answer.invalid_model_sources,
        }
        words = [f"{kind} {', '.join(names)}" for kind, names in refused.items() if names]
        if words:
            raise self._client.failed(
                f"Kaggle took {self.id} without {' and '.join(words)}, for it knows no such source; correct kernel.toml"
                f" and push again. The run that it has started is of no use; stop it at {self.url}"
            )

    def state(self) -> RunState:
        """The state of the newest run."""
        request = ApiGetKernelSessionStatusRequest()
        request.user_name, request.kernel_slug = self._owner, self._slug

        def ask() -> RunState:
            with self._client.build_kaggle_client() as kaggle:
                answer = kaggle.kernels.kernels_api_client.get_kernel_session_status(request)
            return RunState(str(answer.status.name).lower(), answer.failure_message or "")

        return self._client.ask(self._call("asking for the state of"), ask)

    def version(self) -> int:
        """The number of the newest version."""
        request = ApiGetKernelRequest()
        request.user_name, request.kernel_slug = self._owner, self._slug

        def ask() -> int:
            with self._client.build_kaggle_client() as kaggle:
                return int(kaggle.kernels.kernels_api_client.get_kernel(request).metadata.current_version_number or 0)

        return self._client.ask(self._call("asking for the version of"), ask)

    def wait_until_over(self, version: int | None = None) -> RunState:
        """The state in which the newest run ended.

        Args:
            version: the version whose run it must be. For a moment after a push the run before may still be shown.

        Raises:
            KaggleError: it takes too long or never begins, or another version was pushed meanwhile.
        """
        stale_s: list[float] = []

        def look() -> RunState:
            state = self.state()
            if version is None or not state.is_over:
                return state
            newest = self.version()
            if newest > version:
                raise self._client.failed(
                    f"version {newest} of {self.id} was pushed while version {version} was waited for: {self.url}"
                )
            if newest == version:
                return state
            stale_s.append(self._client.clock.now_s())
            if stale_s[-1] - stale_s[0] >= LONGEST_STALE_S:
                raise self._client.failed(
                    f"Kaggle shows version {newest} of {self.id}, which is {state}, and not version {version} that was"
                    f" pushed; look at {self.url} what has become of it"
                )
            return RunState("not begun")

        return wait_for(f"run of {self.id}", look, lambda state: state.is_over, self._client)

    def check_complete(self, state: RunState) -> None:
        """Raises a KaggleError for a run that did not end as it should."""
        if state.word == COMPLETE:
            return
        why = f": {state.message}" if state.message else ""
        if state.word == ERROR:
            raise self._client.failed(f"the run of {self.id} ended in an error{why}; its log says more: {self.url}")
        if state.word in CANCELLED:
            raise self._client.failed(f"the run of {self.id} was cancelled{why}; push it again: {self.url}")
        raise self._client.failed(f"the run of {self.id} is not over, it is {state}{why}: {self.url}")

    def output(self) -> "RunOutput":
        """What the newest run left: its files and its log."""
        request = ApiListKernelSessionOutputRequest()
        request.user_name, request.kernel_slug = self._owner, self._slug
        request.page_size = PAGE_FILES
        files: dict[str, str] = {}
        log = ""
        for page in self._output_pages(request):
            files |= {str(file.file_name): str(file.url) for file in page.files or []}
            log = log or page.log or ""
        return RunOutput(files, log)

    def _output_pages(self, request: ApiListKernelSessionOutputRequest) -> Iterator[Any]:
        def ask() -> Any:
            with self._client.build_kaggle_client() as kaggle:
                return kaggle.kernels.kernels_api_client.list_kernel_session_output(request)

        while True:
            page = self._client.ask(self._call("listing the output of"), ask)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


@dataclass(frozen=True)
class RunOutput:
    """What a run left."""

    files: dict[str, str]
    """Signed addresses by file name."""
    log: str
    """As Kaggle gives it: JSON, or text."""


def _advised(error: str) -> str:
    """Kaggle's reason for not taking a kernel, with what to do."""
    if SESSION_LIMIT in error.lower():
        return f"{error} Wait until one of your runs is over, or stop one at https://www.kaggle.com/code"
    if IN_USE in error.lower():
        return f"{error} Change id and title in kernel.toml"
    return error
