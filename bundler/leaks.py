"""Keys and personal paths, which must not get onto a page that others may read."""

import re
from collections.abc import Iterator

from bundler.project import KERNEL_TOML
from bundler.sources import CONSTANTS_MODULE, CarriedFile

ALLOWED = "bundle: no secret"
LEAKS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY",
    "a Kaggle key": (
        r"\bKGAT_[0-9a-f]{16,}|[\"']key[\"']\s*:\s*[\"'][0-9a-f]{32}[\"']|(?i:kaggle_key)\W{1,8}[0-9a-f]{32}\b"
    ),
    "an AWS key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{40,})",
    "a Hugging Face token": r"\bhf_[0-9A-Za-z]{30,}",
    "a Google key": r"\bAIza[0-9A-Za-z_-]{35}",
    "an OpenAI or Anthropic key": r"\bsk-[0-9A-Za-z_-]{20,}",
    "a Slack token": r"\bxox[abprs]-[0-9A-Za-z-]{10,}",
    "a password or key in plain text": (
        r"(?i)\b\w*(?:password|passwd|secret|api_?key|access_?key|auth_?token)[\"']?\]?\s*(?::\s*[\w.]+\s*(?==))?[:=]"
        r"\s*[\"'][^\"'\s]{8,}[\"']"
    ),
    "a path in somebody's home": r"(?:/home/|/Users/|/root/|[A-Za-z]:\\+Users\\+)[\w.-]+",
}
PATTERNS = {what: re.compile(pattern) for what, pattern in LEAKS.items()}


def find_leaks(file: CarriedFile) -> Iterator[str]:
    """The places of a file that look like a secret, one sentence each.

    A line that says "bundle: no secret" is let through. Data files are searched too, where they are text.
    """
    is_kernel_toml = file.path.endswith(f"/{CONSTANTS_MODULE}.py")  # written out anew, without its comments
    allow = f'if it is harmless end the line with "# {ALLOWED}"'
    remedy = f"take it out of {KERNEL_TOML}" if is_kernel_toml else f"take it out, or {allow}"
    for number, line in enumerate(file.content.decode(errors="replace").splitlines(), 1):
        for what, pattern in PATTERNS.items():
            if (found := pattern.search(line)) and ALLOWED not in line:
                shown = found[0] if "path" in what else f"{found[0][:12]}…"
                yield f"{file.path}:{number}: {what}: {shown} must not leave this machine; {remedy}"
