"""As much of the Hugging Face Hub as loading a dataset needs, on the loopback address."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from types import TracebackType
from urllib.parse import unquote

CODES = {403: "GatedRepo", 404: "EntryNotFound"}  # the Hub says it in a header of its own


class HubServer(http.server.ThreadingHTTPServer):
    """One dataset at one commit; `answers` names files that get another status."""

    def __init__(self, name: str, commit: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.name, self.commit = name, commit
        self.files: dict[str, bytes] = {}
        self.answers: dict[str, int] = {}
        self.sent: list[str] = []

    def __enter__(self) -> HubServer:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()
        self.server_close()


class _Answer(http.server.BaseHTTPRequestHandler):
    server: HubServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.respond()

    def do_GET(self) -> None:
        self.wfile.write(self.respond())

    def respond(self) -> bytes:
        """Send status and headers => the body."""
        server, path = self.server, unquote(self.path.partition("?")[0])
        listing = f"/api/datasets/{server.name}"
        if path in (listing, f"{listing}/revision/main", f"{listing}/revision/{server.commit}"):
            files = [{"rfilename": file} for file in server.files]
            info = {"id": server.name, "sha": server.commit, "siblings": files}
            return self.head(200, json.dumps(info).encode())
        file = path.removeprefix(f"/datasets/{server.name}/resolve/{server.commit}/")
        status = server.answers.get(file, 200 if file in server.files else 404)
        if status == 200 and self.command == "GET":
            server.sent.append(file)
        return self.head(status, server.files[file] if status == 200 else b"")

    def head(self, status: int, body: bytes) -> bytes:
        self.send_response(status)
        self.send_header("X-Repo-Commit", self.server.commit)
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        if status in CODES:
            self.send_header("X-Error-Code", CODES[status])
        self.end_headers()
        return body
