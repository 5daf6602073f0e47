"""What Kaggle holds, and what it does when it is asked: data sets, kernels, competitions of one made-up site."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kagglesdk.blobs.types.blob_api_service import ApiStartBlobUploadRequest, ApiStartBlobUploadResponse
from kagglesdk.competitions.types.competition_api_service import (
    ApiCreateCodeSubmissionRequest,
    ApiCreateCodeSubmissionResponse,
    ApiDownloadDataFileRequest,
    ApiDownloadDataFilesRequest,
    ApiListSubmissionsRequest,
    ApiListSubmissionsResponse,
    ApiSubmission,
)
from kagglesdk.competitions.types.submission_status import SubmissionStatus
from kagglesdk.datasets.types.dataset_api_service import (
    ApiCreateDatasetRequest,
    ApiCreateDatasetResponse,
    ApiCreateDatasetVersionRequest,
    ApiDatasetFile,
    ApiDownloadDatasetRequest,
    ApiGetDatasetStatusRequest,
    ApiGetDatasetStatusResponse,
    ApiListDatasetFilesRequest,
    ApiListDatasetFilesResponse,
)
from kagglesdk.datasets.types.dataset_enums import DatabundleVersionStatus
from kagglesdk.kernels.types.kernels_api_service import (
    ApiGetKernelRequest,
    ApiGetKernelResponse,
    ApiGetKernelSessionStatusRequest,
    ApiGetKernelSessionStatusResponse,
    ApiKernelMetadata,
    ApiKernelSessionOutputFile,
    ApiListKernelSessionOutputRequest,
    ApiListKernelSessionOutputResponse,
    ApiSaveKernelRequest,
    ApiSaveKernelResponse,
)
from kagglesdk.kernels.types.kernels_enums import KernelWorkerStatus
from kagglesdk.security.types.oauth_service import IntrospectTokenRequest, IntrospectTokenResponse
from kagglesdk.users.types.account_service import GenerateAccessTokenRequest, GenerateAccessTokenResponse
from slugify import slugify

SIGNATURE = "0123456789abcdef-a-signature"
ORIGIN = "http://localhost"
PAGE = 3
SCRIPT_LIMIT_BYTES = 1_000_000


class RefusalError(Exception):
    """Kaggle says no, with an HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Dataset:
    title: str
    licence: str
    private: bool
    description: str
    versions: list[dict[str, bytes]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    coming: list[str] = field(default_factory=lambda: ["READY"])
    """The states that it goes through, one an inquiry; the last one stays."""
    stale_looks: int = 0
    """For so many looks at its files the version before is still shown."""

    @property
    def shown(self) -> dict[str, bytes]:
        if self.stale_looks > 0 and len(self.versions) > 1:
            self.stale_looks -= 1
            return self.versions[-2]
        return self.versions[-1]


@dataclass
class Blob:
    name: str
    size: int
    content: bytearray = field(default_factory=bytearray)
    expired: bool = False


@dataclass
class Kernel:
    title: str
    versions: list[ApiSaveKernelRequest] = field(default_factory=list)
    coming: list[str] = field(default_factory=list)
    failure: str = ""
    stale_looks: int = 0
    """For so many looks the run of the version before is still shown, which is over."""
    output: dict[str, bytes] = field(default_factory=dict)
    log: str = ""


@dataclass
class Competition:
    files: dict[str, bytes] = field(default_factory=dict)
    rules_accepted: bool = True
    submissions: list[ApiSubmission] = field(default_factory=list)
    coming: list[str] = field(default_factory=lambda: ["PENDING", "COMPLETE"])
    left_today: int = 5

    def archive(self) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            for name, content in self.files.items():
                file.writestr(zipfile.ZipInfo(name), content)
        return buffer.getvalue()


@dataclass(frozen=True)
class Redirect:
    """The answer is a file in the storage."""

    path: str


def step(states: list[str]) -> str:
    """The state now; the next inquiry sees the next one."""
    return states.pop(0) if len(states) > 1 else states[0]


class KaggleState:
    """All that the site remembers."""

    def __init__(self, user: str = "tester", key: str = "a" * 32) -> None:
        self.user, self.key = user, key
        self.tokens: dict[str, str] = {}
        self.refresh_tokens: set[str] = set()
        self.datasets: dict[str, Dataset] = {}
        self.blobs: dict[str, Blob] = {}
        self.kernels: dict[str, Kernel] = {}
        self.competitions: dict[str, Competition] = {}
        self.storage: dict[str, bytes] = {}
        self.new_dataset_states = ["BLOBS_RECEIVED", "READY"]
        self.new_run_states = ["QUEUED", "RUNNING", "COMPLETE"]
        self.loses = ""
        self.session_limit = 2
        self.running_elsewhere = 0

    def store(self, name: str, content: bytes) -> str:
        path = f"/storage/{len(self.storage)}/{name}"
        self.storage[path] = content
        return path

    # Data sets

    def status(self, request: ApiGetDatasetStatusRequest) -> ApiGetDatasetStatusResponse:
        answer = ApiGetDatasetStatusResponse()
        if request.owner_slug != self.user:  # https://github.com/Kaggle/kaggle-cli/issues/368
            raise RefusalError(404, "Not Found")
        dataset = self._dataset(request.owner_slug, request.dataset_slug)
        answer.status = DatabundleVersionStatus[step(dataset.coming)]
        return answer

    def list_files(self, request: ApiListDatasetFilesRequest) -> ApiListDatasetFilesResponse:
        start = int(request.page_token or 0)
        files = list(self._dataset(request.owner_slug, request.dataset_slug).shown.items())
        answer = ApiListDatasetFilesResponse()
        answer.dataset_files = [_dataset_file(name, content) for name, content in files[start : start + PAGE]]
        if start + PAGE < len(files):
            answer.next_page_token = str(start + PAGE)
        return answer

    def download(self, request: ApiDownloadDatasetRequest) -> Redirect:
        files = self._dataset(request.owner_slug, request.dataset_slug).versions[-1]
        if request.file_name not in files:
            raise RefusalError(404, "File not found")
        return Redirect(self.store(request.file_name, files[request.file_name]))

    def start_upload(self, request: ApiStartBlobUploadRequest) -> ApiStartBlobUploadResponse:
        assert request.type.name == "DATASET"
        assert request.last_modified_epoch_seconds > 0
        token = f"token-{len(self.blobs)}"
        self.blobs[token] = Blob(request.name, request.content_length)
        answer = ApiStartBlobUploadResponse()
        answer.token, answer.create_url = token, f"{ORIGIN}/upload/{token}?upload_id={SIGNATURE}"
        return answer

    def create_dataset(self, request: ApiCreateDatasetRequest) -> ApiCreateDatasetResponse:
        name = f"{request.owner_slug}/{request.slug}"
        if request.owner_slug != self.user:
            raise RefusalError(403, "Permission 'datasets.create' was denied")
        answer = ApiCreateDatasetResponse()
        if name in self.datasets or any(data.title == request.title for data in self.datasets.values()):
            answer.status, answer.error = (
                "error",
                f'The requested title "{request.title}" is already in use by a dataset.',
            )
            return answer
        dataset = Dataset(request.title, request.license_name, request.is_private, request.description)
        self.datasets[name] = dataset
        return self._new_version(name, request.files, "")

    def create_version(self, request: ApiCreateDatasetVersionRequest) -> ApiCreateDatasetResponse:
        self._dataset(request.owner_slug, request.dataset_slug)
        return self._new_version(
            f"{request.owner_slug}/{request.dataset_slug}", request.body.files, request.body.version_notes
        )

    def _new_version(self, name: str, files: list[Any], notes: str) -> ApiCreateDatasetResponse:
        blobs = [self.blobs[file.token] for file in files]
        assert all(len(blob.content) == blob.size for blob in blobs), "a token of a file that did not arrive"
        arrived = {blob.name: bytes(blob.content) for blob in blobs if blob.name != self.loses}
        self.datasets[name].versions.append(arrived)
        self.datasets[name].notes.append(notes)
        self.datasets[name].coming = list(self.new_dataset_states)
        answer = ApiCreateDatasetResponse()
        answer.status, answer.ref, answer.url = "ok", name, f"https://www.kaggle.com/datasets/{name}"
        return answer

    def _dataset(self, owner: str, slug: str) -> Dataset:
        if f"{owner}/{slug}" not in self.datasets:
            raise RefusalError(404, "Dataset not found")
        return self.datasets[f"{owner}/{slug}"]

    # Kernels

    def save_kernel(self, request: ApiSaveKernelRequest) -> ApiSaveKernelResponse:
        owner, slug = request.slug.split("/")
        answer = ApiSaveKernelResponse()
        if owner != self.user:
            raise RefusalError(403, "Permission 'kernels.update' was denied")
        if len(request.text) > SCRIPT_LIMIT_BYTES:
            raise RefusalError(400, "The source code is too large")
        if any(k.title == request.new_title and name != request.slug for name, k in self.kernels.items()):
            answer.error = f'The requested title "{request.new_title}" is already in use by a kernel.'
            return answer
        if self.running_elsewhere >= self.session_limit:
            answer.error = f"Maximum batch GPU session count of {self.session_limit} reached."
            return answer
        name = f"{owner}/{slug if request.slug in self.kernels else slugify(request.new_title)}"
        kernel = self.kernels.setdefault(name, Kernel(request.new_title))
        kernel.versions.append(request)
        kernel.coming = list(self.new_run_states)
        answer.ref, answer.url = f"/code/{name}", f"https://www.kaggle.com/code/{name}"
        answer.version_number = len(kernel.versions)
        answer.invalid_dataset_sources = [name for name in request.dataset_data_sources if name not in self.datasets]
        answer.invalid_competition_sources = [
            name for name in request.competition_data_sources if name not in self.competitions
        ]
        return answer

    def run_status(self, request: ApiGetKernelSessionStatusRequest) -> ApiGetKernelSessionStatusResponse:
        kernel = self._kernel(request.user_name, request.kernel_slug)
        answer = ApiGetKernelSessionStatusResponse()
        if kernel.stale_looks:
            answer.status = KernelWorkerStatus.COMPLETE
            return answer
        answer.status = KernelWorkerStatus[step(kernel.coming)]
        if answer.status == KernelWorkerStatus.ERROR:
            answer.failure_message = kernel.failure or None
        return answer

    def get_kernel(self, request: ApiGetKernelRequest) -> ApiGetKernelResponse:
        kernel = self._kernel(request.user_name, request.kernel_slug)
        answer = ApiGetKernelResponse()
        answer.metadata = ApiKernelMetadata()
        answer.metadata.title = kernel.title
        answer.metadata.current_version_number = len(kernel.versions) - bool(kernel.stale_looks)
        kernel.stale_looks = max(0, kernel.stale_looks - 1)
        return answer

    def run_output(self, request: ApiListKernelSessionOutputRequest) -> ApiListKernelSessionOutputResponse:
        kernel = self._kernel(request.user_name, request.kernel_slug)
        start = int(request.page_token or 0)
        names = list(kernel.output)
        answer = ApiListKernelSessionOutputResponse()
        answer.log = kernel.log
        answer.files = [self._output_file(name, kernel.output[name]) for name in names[start : start + PAGE]]
        if start + PAGE < len(names):
            answer.next_page_token = str(start + PAGE)
        return answer

    def _output_file(self, name: str, content: bytes) -> ApiKernelSessionOutputFile:
        file = ApiKernelSessionOutputFile()
        file.file_name, file.url = name, f"{ORIGIN}{self.store(name, content)}?X-Goog-Signature={SIGNATURE}"
        return file

    def _kernel(self, owner: str, slug: str) -> Kernel:
        if f"{owner}/{slug}" not in self.kernels:
            raise RefusalError(403, "Permission 'kernels.get' was denied")
        return self.kernels[f"{owner}/{slug}"]

    # Competitions

    def data_file(self, request: ApiDownloadDataFileRequest) -> Redirect:
        files = self._competition(request.competition_name).files
        if request.file_name not in files:
            raise RefusalError(404, "File not found")
        return Redirect(self.store(request.file_name, files[request.file_name]))

    def data_files(self, request: ApiDownloadDataFilesRequest) -> Redirect:
        path = f"/storage/competition/{request.competition_name}.zip"
        if path not in self.storage:
            self.storage[path] = self._competition(request.competition_name).archive()
        return Redirect(path)

    def create_submission(self, request: ApiCreateCodeSubmissionRequest) -> ApiCreateCodeSubmissionResponse:
        competition = self._competition(request.competition_name)
        kernel = self._kernel(request.kernel_owner, request.kernel_slug)
        if request.kernel_version != len(kernel.versions) or request.file_name not in kernel.output:
            raise RefusalError(400, "Kernel output not found")
        if not competition.left_today:
            raise RefusalError(400, "You have used all of your submissions for today")
        submission = ApiSubmission()
        submission.ref = 1000 + len(competition.submissions)
        submission.description = request.submission_description
        competition.submissions.append(submission)
        answer = ApiCreateCodeSubmissionResponse()
        answer.ref, answer.message = submission.ref, "Successfully submitted"
        return answer

    def list_submissions(self, request: ApiListSubmissionsRequest) -> ApiListSubmissionsResponse:
        competition = self._competition(request.competition_name)
        answer = ApiListSubmissionsResponse()
        if competition.submissions:
            newest = competition.submissions[-1]
            newest.status = SubmissionStatus[step(competition.coming)]
            if newest.status == SubmissionStatus.COMPLETE:
                newest.public_score, newest.private_score = "0.71234", "0.70987"
            if newest.status == SubmissionStatus.ERROR:
                newest.error_description = "Notebook Timeout"
        answer.submissions = competition.submissions[::-1]
        return answer

    def _competition(self, name: str) -> Competition:
        if name not in self.competitions:
            raise RefusalError(404, "Competition not found")
        if not self.competitions[name].rules_accepted:
            raise RefusalError(403, "You must accept this competition's rules before you can continue")
        return self.competitions[name]

    # Accounts

    def introspect(self, request: IntrospectTokenRequest) -> IntrospectTokenResponse:
        answer = IntrospectTokenResponse()
        answer.active = request.token in self.tokens
        answer.username = self.tokens.get(request.token, "")
        return answer

    def generate_token(self, request: GenerateAccessTokenRequest) -> GenerateAccessTokenResponse:
        if request.refresh_token not in self.refresh_tokens:
            raise RefusalError(401, "Unauthenticated")
        answer = GenerateAccessTokenResponse()
        answer.token, answer.expires_in = f"KGAT_renewed_{len(self.tokens)}", 12 * 3600
        self.tokens[answer.token] = self.user
        return answer

    def routes(self) -> dict[str, tuple[type[Any], Callable[[Any], Any]]]:
        """The calls of the client: the type of each request, and what answers it."""
        return {
            "security.OAuthService/IntrospectToken": (IntrospectTokenRequest, self.introspect),
            "users.AccountService/GenerateAccessToken": (GenerateAccessTokenRequest, self.generate_token),
            "blobs.BlobApiService/StartBlobUpload": (ApiStartBlobUploadRequest, self.start_upload),
            "datasets.DatasetApiService/GetDatasetStatus": (ApiGetDatasetStatusRequest, self.status),
            "datasets.DatasetApiService/ListDatasetFiles": (ApiListDatasetFilesRequest, self.list_files),
            "datasets.DatasetApiService/DownloadDataset": (ApiDownloadDatasetRequest, self.download),
            "datasets.DatasetApiService/CreateDataset": (ApiCreateDatasetRequest, self.create_dataset),
            "datasets.DatasetApiService/CreateDatasetVersion": (ApiCreateDatasetVersionRequest, self.create_version),
            "kernels.KernelsApiService/SaveKernel": (ApiSaveKernelRequest, self.save_kernel),
            "kernels.KernelsApiService/GetKernel": (ApiGetKernelRequest, self.get_kernel),
            "kernels.KernelsApiService/GetKernelSessionStatus": (ApiGetKernelSessionStatusRequest, self.run_status),
            "kernels.KernelsApiService/ListKernelSessionOutput": (ApiListKernelSessionOutputRequest, self.run_output),
            "competitions.CompetitionApiService/DownloadDataFile": (ApiDownloadDataFileRequest, self.data_file),
            "competitions.CompetitionApiService/DownloadDataFiles": (ApiDownloadDataFilesRequest, self.data_files),
            "competitions.CompetitionApiService/CreateCodeSubmission": (
                ApiCreateCodeSubmissionRequest,
                self.create_submission,
            ),
            "competitions.CompetitionApiService/ListSubmissions": (ApiListSubmissionsRequest, self.list_submissions),
        }


def _dataset_file(name: str, content: bytes) -> ApiDatasetFile:
    file = ApiDatasetFile()
    file.name, file.total_bytes = name, len(content)
    return file
