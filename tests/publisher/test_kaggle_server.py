"""The server of the tests finds fault with what the real site would stumble over."""

from collections.abc import Iterator

import pytest
import requests
from kaggle_server import KaggleServer


@pytest.fixture
def strict() -> Iterator[KaggleServer]:
    with KaggleServer() as server:
        yield server


def ask(server: KaggleServer, call: str, body: dict[str, object], host: str = "localhost") -> requests.Response:
    environment = server.environment()
    return requests.post(
        f"http://{host}/api/v1/{call}",
        json=body,
        auth=(environment["KAGGLE_USERNAME"], environment["KAGGLE_KEY"]),
        proxies={"http": environment["http_proxy"]},
        timeout=5,
    )


STATUS = "datasets.DatasetApiService/GetDatasetStatus"


def test_a_request_of_the_right_form_is_no_problem(strict: KaggleServer) -> None:
    assert ask(strict, STATUS, {"ownerSlug": "tester", "datasetSlug": "weights"}).status_code == 404
    assert strict.problems == []


def test_fields_that_the_type_does_not_have_are_a_problem(strict: KaggleServer) -> None:
    ask(strict, STATUS, {"ownerSlug": "tester", "datasetSlug": "weights", "colour": "red"})
    assert any("unknown fields {'colour'}" in problem for problem in strict.problems)


def test_calls_that_do_not_exist_and_other_hosts_are_problems(strict: KaggleServer) -> None:
    ask(strict, "datasets.DatasetApiService/Guess", {})
    ask(strict, STATUS, {"ownerSlug": "tester", "datasetSlug": "weights"}, host="api.kaggle.com")
    assert len(strict.problems) == 2
