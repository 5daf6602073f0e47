"""What may be shown and what not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.redaction import holds_secret, leaks_in, redacted

KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "text",
    [
        f"key {KEY} is wrong",
        f"PUT https://storage.example/upload/x?upload_id={KEY} failed",
        f"Max retries exceeded with url: /upload/storage/v1/b/x/o?uploadType=resumable&upload_id={KEY} (Caused by)",
        f"Authorization: Basic {KEY}",
        f'{{"username": "me", "key": "{KEY}"}}',
        "token KGAT_0123456789abcdef0123456789abcdef",
    ],
)
def test_keys_tokens_and_signatures_are_hidden(text: str) -> None:
    assert "0123456789abcdef" not in redacted(text, [KEY])


def test_plain_words_and_addresses_stay() -> None:
    text = "see https://www.kaggle.com/code/me/kernel (404, Not found); is it there? Run `python publish.py output`"
    assert redacted(text, [KEY]) == text


@given(before=st.text(), after=st.text(), secret=st.text("0123456789abcdef", min_size=20))
def test_a_secret_is_found_and_hidden_wherever_it_stands(before: str, after: str, secret: str) -> None:
    text = f"{before}{secret}{after}"
    assert secret not in redacted(text, [secret])
    assert holds_secret(text.encode("utf-8", "surrogatepass"), [secret])
    assert "your own Kaggle key" in leaks_in(text.encode("utf-8", "surrogatepass"), [secret])
