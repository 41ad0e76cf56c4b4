"""A loopback server that gives parts of files, as servers of imagery do."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Handler(SimpleHTTPRequestHandler):
    """Files with ranges of bytes; what is asked for is remembered."""

    asked: list[tuple[str, str, str | None]]
    """Method, path and range of every request."""

    def __init__(self, *args: Any, asked: list[tuple[str, str, str | None]], **kwargs: Any) -> None:
        self.asked = asked
        super().__init__(*args, **kwargs)

    def log_message(self, *args: Any) -> None:
        """Be silent."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        wanted = self.headers.get("Range")
        self.asked.append((self.command, self.path, wanted))
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
        first = int(match[1]) if match else 0
        last = min(int(match[2]), len(content) - 1) if match and match[2] else len(content) - 1
        self.send_response(206 if match else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if match:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.end_headers()
        if with_body:
            self.wfile.write(content[first : last + 1])


@contextmanager
def serving(root: Path) -> Iterator[tuple[str, list[tuple[str, str, str | None]]]]:
    """The address of a server of a folder, and what is asked of it."""
    asked: list[tuple[str, str, str | None]] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root), asked=asked)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()
