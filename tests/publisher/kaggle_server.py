"""Kaggle on the loopback: a real HTTP server that speaks the calls of the real client, and misbehaves when told to."""

import base64
import json
import re
import socket
import struct
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from kaggle_state import ORIGIN, SIGNATURE, KaggleState, Redirect, RefusalError

API = "/api/v1/"


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of its answer."""

    status: int = 0
    message: str = ""
    code: int = 0
    """What the answer says its status is; 0: the same."""
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    """The connection is torn after so many bytes of the file that is going either way."""
    hangs: bool = False
    text: str = ""
    """Sent with 200, whatever was asked for."""
    done_first: bool = False
    """What was asked for is done all the same, only the answer gets lost."""


class KaggleServer:
    """The site and its storage, at http://localhost through a proxy; use it as a context manager."""

    def __init__(self) -> None:
        self.state = KaggleState()
        self.seen: list[tuple[str, dict[str, Any]]] = []
        """The calls in their order: name and body."""
        self.problems: list[str] = []
        """What the real site would have stumbled over."""
        self.hosts: set[str] = set()
        self.faults: dict[str, list[Fault | None]] = defaultdict(list)
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def misbehave(self, name: str, *faults: Fault | None) -> None:
        """The next requests of this name ("SaveKernel", "PUT", "GET") meet these faults, one each; None: no fault."""
        self.faults[name] += faults

    def calls(self, name: str) -> list[dict[str, Any]]:
        """The bodies of the calls of this name so far."""
        return [body for seen, body in self.seen if seen == name]

    def environment(self) -> dict[str, str]:
        """What the client needs to find this server and nothing else."""
        proxy = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "KAGGLE_USERNAME": self.state.user,
            "KAGGLE_KEY": self.state.key,
            **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy),
            **dict.fromkeys(("no_proxy", "NO_PROXY"), ""),
        }


def _handler_for(server: KaggleServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        site = server

    return Handler


class _Handler(BaseHTTPRequestHandler):
    site: KaggleServer

    def log_message(self, *_: Any) -> None:
        """Says nothing: the tests look at what was seen."""

    def do_CONNECT(self) -> None:
        self.site.hosts.add(self.path)
        self.site.problems.append(f"the client wants to reach {self.path}")
        self.send_error(403)

    def do_POST(self) -> None:
        path = self._path()
        route = path.removeprefix(API)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = route.rpartition("/")[2]
        self.site.seen.append((name, body))
        fault = self._fault(name)
        if fault and not fault.done_first:
            return self._misbehave(fault)
        try:
            answer = self._answer(route, body)
        except RefusalError as refusal:
            return self._send_json(refusal.status, {"code": refusal.status, "message": str(refusal)})
        if fault:
            return self._misbehave(fault)
        if isinstance(answer, Redirect):
            return self._send(302, b"", {"Location": f"{ORIGIN}{answer.path}?X-Goog-Signature={SIGNATURE}"})
        return self._send_json(200, answer.to_dict())

    def _answer(self, route: str, body: dict[str, Any]) -> Any:
        self._check_credentials(route)
        if route not in self.site.state.routes():
            self.site.problems.append(f"no such call: {route}")
            raise RefusalError(404, "Not found")
        kind, function = self.site.state.routes()[route]
        fields = {item.json_name for item in kind._fields}
        if unknown := set(body) - fields:
            self.site.problems.append(f"{route}: unknown fields {unknown}")
        request = kind.from_dict(body)
        if request.to_dict() != body:
            self.site.problems.append(f"{route}: {body} is not what its type says")
        return function(request)

    def _check_credentials(self, route: str) -> None:
        state = self.site.state
        basic = base64.b64encode(f"{state.user}:{state.key}".encode()).decode()
        known = {f"Basic {basic}", *(f"Bearer {token}" for token in state.tokens)}
        given = self.headers.get("Authorization")
        asks_for_one = route.endswith("GenerateAccessToken") and given is None
        if given not in known and not route.endswith("IntrospectToken") and not asks_for_one:
            raise RefusalError(401, "Unauthenticated")

    def do_PUT(self) -> None:
        path = self._path()
        blob = self.site.state.blobs[path.rpartition("/")[2]]
        length, fault = int(self.headers["Content-Length"] or 0), self._fault("PUT")
        self.site.seen.append(("PUT", {"name": blob.name, "length": length, "range": self.headers["Content-Range"]}))
        if f"upload_id={SIGNATURE}" not in self.path:
            self.site.problems.append("an upload without its signature")
        if "Authorization" in self.headers:
            self.site.problems.append("credentials sent to the storage")
        if blob.expired:
            return self._send(404, b"")
        if fault and fault.cut_after is None:
            self.rfile.read(length)
            return self._misbehave(fault)
        asked = re.fullmatch(r"bytes (?:\*|(\d+)-\d+)/\d+", self.headers["Content-Range"] or f"bytes 0-0/{blob.size}")
        if asked and asked[1] is not None:
            del blob.content[int(asked[1]) :]
            blob.content += self.rfile.read(length if fault is None else min(length, fault.cut_after or 0))
        if fault:
            return self._tear()
        if len(blob.content) == blob.size:
            return self._send(200, b"")
        return self._send(308, b"", {"Range": f"bytes=0-{len(blob.content) - 1}"} if blob.content else {})

    def do_GET(self) -> None:
        path = self._path()
        content = self.site.state.storage.get(path)
        fault = self._fault("GET")
        self.site.seen.append(("GET", {"path": path, "range": self.headers["Range"]}))
        if f"Signature={SIGNATURE}" not in self.path:
            self.site.problems.append("a download without its signature")
        if fault and fault.cut_after is None:
            return self._misbehave(fault)
        if content is None:
            return self._send(404, b"")
        headers = {"ETag": f'"{hash(content):x}"', "Accept-Ranges": "bytes", "Content-Type": _kind(path)}
        start = int((re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "bytes=0-") or [0, 0])[1])
        if start and self.headers["If-Range"] != headers["ETag"]:
            start = 0
        self.send_response(206 if start else 200)
        for name, value in {**headers, "Content-Length": str(len(content) - start)}.items():
            self.send_header(name, value)
        self.end_headers()
        if fault:
            self.wfile.write(content[start : start + (fault.cut_after or 0)])
            return None  # less than it announced
        self.wfile.write(content[start:])
        return None

    def _path(self) -> str:
        """The path of a request that names its host, as a proxy is asked."""
        parts = urlsplit(self.path)
        self.site.hosts.add(parts.netloc)
        if parts.netloc != "localhost":
            self.site.problems.append(f"the client wants to reach {parts.netloc}")
        return parts.path

    def _fault(self, name: str) -> Fault | None:
        waiting = self.site.faults[name]
        return waiting.pop(0) if waiting else None

    def _misbehave(self, fault: Fault) -> None:
        if fault.hangs:
            self.site.released.wait(30)
            self._tear()
        elif fault.cut_after is not None:
            self._tear()
        elif fault.text:
            self._send(200, fault.text.encode(), {"Content-Type": "text/html"})
        else:
            self._send_json(fault.status, {"code": fault.code or fault.status, "message": fault.message}, fault.headers)

    def _tear(self) -> None:
        """Ends the connection as a broken line does, not as a polite server."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _send_json(self, status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _kind(path: str) -> str:
    return "application/json" if path.endswith(".json") else "application/octet-stream"
