"""The real kaggle client, signed in, with what it lacks: time-outs, retries that tell, uploads that never get lost.

Importing the client takes a second, so this module is imported only when a command has something to ask of Kaggle.
"""

import contextlib
import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from zipfile import BadZipFile

import requests
from requests.adapters import HTTPAdapter

from kernel_src.errors import KernelError
from publisher.environment import quiet_environment
from publisher.errors import KaggleError
from publisher.failures import AGAIN, Call, asked_pause_s, describe, is_passing, status_of
from publisher.patience import Clock, Patience
from publisher.redaction import MIN_SECRET_LENGTH, redacted
from publisher.transfer import Transfer
from publisher.uploads import Upload, UploadExpiredError


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise requests.ConnectionError("nothing is asked while the client is imported")


@contextlib.contextmanager
def _silent_import() -> Iterator[None]:
    """Keeps the client from what it does when it is imported: it signs in, without a time-out, and prints a page."""
    quiet_environment()
    send = requests.Session.send
    requests.Session.send = _refuse  # type: ignore[method-assign]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        requests.Session.send = send  # type: ignore[method-assign]


with _silent_import():
    from kaggle.api.kaggle_api_extended import (
        ApiBlobType,
        AuthMethod,
        KaggleApi,
        KaggleCredentials,
        ResumableUploadContext,
        ResumableUploadResult,
        get_access_token_from_env,
    )

Answer = TypeVar("Answer")

PLAIN = re.compile(r"[!-~]+")

UPLOAD = Call("starting an upload")

UNAUTHENTICATED = 401

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, BadZipFile)
"""What reading an answer of another form than expected comes to."""

NO_CREDENTIALS = (
    "no Kaggle credentials, or only an expired token: make a token at https://www.kaggle.com/settings/api and put it"
    " into ~/.kaggle/access_token, or set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY"
)
CANNOT_READ = (
    "the Kaggle token cannot be read ({why}); write it anew, as plain text, into ~/.kaggle/access_token or"
    " KAGGLE_API_TOKEN"
)
CANNOT_SEND = (
    "the Kaggle {what} has a space, a line end or another character that no request can carry; write it anew where you"
    " keep it: ~/.kaggle, or the environment (KAGGLE_API_TOKEN, KAGGLE_USERNAME, KAGGLE_KEY)"
)


class _TimedAdapter(HTTPAdapter):
    """Connections that count as dead after a silence; the client itself would wait for ever."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    def send(self, request: requests.PreparedRequest, *arguments: Any, **settings: Any) -> requests.Response:
        """Sends a request, with a time-out in any case."""
        settings["timeout"] = settings.get("timeout") or self._timeout_s
        return super().send(request, *arguments, **settings)


class Client(KaggleApi):  # type: ignore[misc] # the client ships no types
    """Kaggle's own client for one account.

    Args:
        patience: time-outs and retries.
        clock: by which is waited.

    Raises:
        KernelError: there are no credentials.
        KaggleError: Kaggle cannot be asked about them.
    """

    def __init__(self, patience: Patience, clock: Clock) -> None:
        super().__init__()
        self.patience = patience
        self.clock = clock
        self.again = AGAIN
        """What to do after a fault that passes: something else once a step has done what must not be done twice."""
        self.transfer = Transfer(lambda _: None)
        self.config_values: dict[str, str] = {}
        self.ask(Call("signing in"), self._sign_in)

    def _sign_in(self) -> None:
        self._check_credentials()
        try:
            self.authenticate()
        except SystemExit:
            raise KernelError(NO_CREDENTIALS) from None

    def _check_credentials(self) -> None:
        """Raises a KernelError for what no request can carry; the client's own errors would show it."""
        try:
            token, _ = get_access_token_from_env()
        except OSError as error:  # its file name may be the token itself, which the client takes for one
            raise KernelError(CANNOT_READ.format(why=error.strerror)) from None
        except UnicodeDecodeError:
            raise KernelError(CANNOT_READ.format(why="it is no UTF-8 text")) from None
        self._load_config()
        names = {"user name": self.CONFIG_NAME_USER, "key": self.CONFIG_NAME_KEY}
        values = {"token": token} | {what: self.config_values.get(name) for what, name in names.items()}
        for what, value in values.items():
            if value and not PLAIN.fullmatch(value):
                raise KernelError(CANNOT_SEND.format(what=what))

    @property
    def user(self) -> str:
        """The name of the account."""
        return self.config_values.get(self.CONFIG_NAME_USER, "")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        values = (self.config_values.get(name, "") for name in (self.CONFIG_NAME_KEY, self.CONFIG_NAME_TOKEN))
        return tuple(value for value in values if len(value) >= MIN_SECRET_LENGTH)

    def ask(self, call: Call, function: Callable[[], Answer]) -> Answer:
        """Does one call, again and again where it fails for a passing reason.

        Args:
            call: what it is, and what its refusals mean.
            function: does it; what the client prints meanwhile is dropped, for it may hold signed addresses.

        Raises:
            KaggleError: it failed; the line says why.
            KeyboardInterrupt: it was interrupted; with what to do where it may be done for all that.
        """
        failures, renewed = 0, False
        while True:
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    return function()
            except requests.RequestException as error:
                if status_of(error) == UNAUTHENTICATED and not renewed and self._renews_login():
                    renewed = True
                    continue
                failures += 1
                if failures >= self.patience.tries or not self._wait_after(error, call, failures):
                    raise self.failed(describe(error, call, failures, self.again)) from None
            except UNREADABLE as error:
                raise self.failed(describe(error, call)) from None
            except KeyboardInterrupt:
                if call.repeatable:
                    raise
                raise KeyboardInterrupt(f"{call.doing} was interrupted; {call.in_doubt}") from None

    def _renews_login(self) -> bool:
        """Whether there is a new access token now: one of `kaggle auth login` lasts twelve hours."""
        if self.config_values.get(self.CONFIG_NAME_AUTH_METHOD) != str(AuthMethod.OAUTH):
            return False
        expired = self.config_values.pop(self.CONFIG_NAME_TOKEN)  # nothing is answered that carries it
        try:
            with self.build_kaggle_client() as kaggle:
                login = KaggleCredentials.load(client=kaggle)
                login.refresh_access_token()
        except (requests.RequestException, *UNREADABLE):
            self.config_values[self.CONFIG_NAME_TOKEN] = expired
            return False
        self.config_values[self.CONFIG_NAME_TOKEN] = login.get_access_token()
        return True

    def _wait_after(self, error: requests.RequestException, call: Call, failures: int) -> bool:
        """Waits before the next try; False where another try is pointless."""
        if not is_passing(error, call):
            return False
        asked_s = asked_pause_s(error.response)
        pause_s = self.patience.pause_s(failures) if asked_s is None else asked_s
        if pause_s > self.patience.longest_asked_pause_s:
            return False
        why = f"Kaggle said {status_of(error)}" if status_of(error) else type(error).__name__
        self.tell(f"{call.doing}: {why}; trying again in {pause_s:.0f} s ({failures} of {self.patience.tries - 1})")
        self.clock.sleep(pause_s)
        return True

    def failed(self, line: str) -> KaggleError:
        """An error with this line, free of secrets; Kaggle's own words may have come in several."""
        return KaggleError(redacted(" ".join(line.splitlines()), self.secrets))

    def tell(self, line: str) -> None:
        """Says something beside the results."""
        print(f"publish: {redacted(line, self.secrets)}", file=sys.stderr, flush=True)

    def build_kaggle_client(self) -> Any:
        """The client's connection, with time-outs."""
        client = super().build_kaggle_client()
        with client.http_client() as connection:
            session = connection._session  # noqa: SLF001  # there is no other way to it
        if self.config_values.get(self.CONFIG_NAME_AUTH_METHOD) == str(AuthMethod.LEGACY_API_KEY):
            # The connection takes any token that lies about, also the expired one that signing in passed over.
            session.auth = (self.user, self.config_values[self.CONFIG_NAME_KEY])
        for scheme in ("http://", "https://"):
            session.mount(scheme, _TimedAdapter(self.patience.timeout_s))
        return client

    def with_retry(self, func: Callable[..., Answer], *_: Any, **__: Any) -> Callable[..., Answer]:
        """Our own way to try again, where the client would use its own."""

        def retried(*arguments: Any, **more: Any) -> Answer:
            return self.ask(UPLOAD, lambda: func(*arguments, **more))

        return retried

    def upload_folder(self, request: Any, folder: Path, notes: Path) -> None:
        """Uploads the files of a folder for a data set; the client remembers what was begun in case it is cut off.

        Args:
            request: whose `files` grow by those that have arrived.
            folder: its folders are left out, and metadata files.
            notes: where that is remembered; made for this user alone, for the notes hold signed addresses.
        """
        notes.mkdir(mode=0o700, parents=True, exist_ok=True)
        context = ResumableUploadContext()
        context._temp_dir = str(notes)  # noqa: SLF001  # it would be one folder of the machine, which all users share
        with contextlib.redirect_stdout(io.StringIO()), context:
            self.upload_files(request, None, str(folder), ApiBlobType.DATASET, context, quiet=True)

    def upload_complete(self, path: str, url: str, quiet: bool, resume: bool = False) -> ResumableUploadResult:
        """Sends one file to its place; the client's own version prints the place and has no time-out.

        Args:
            path: the file.
            url: where it goes; signed, so it is a secret.
            quiet: unused; progress is told by `transfer`.
            resume: whether a part of it may be there already.
        """
        del quiet
        upload = Upload(Path(path), url, self.patience, self.clock, self.tell)
        try:
            upload.send(self.transfer, resume=resume)
        except UploadExpiredError:
            return ResumableUploadResult.FAILED
        except KaggleError as error:
            raise self.failed(str(error)) from None
        return ResumableUploadResult.COMPLETE
