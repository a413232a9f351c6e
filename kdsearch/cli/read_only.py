"""A guard before a web page that may only be looked at, and only from this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# whatever the port: it is another one behind a tunnel. A page of another site whose name was made to mean this machine
# (DNS rebinding) still sends its own name
_HERE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_READS = ("GET", "HEAD")


def guard(app: WSGIApplication) -> WSGIApplication:
    """The application for requests that read and that name this machine; all others are refused before it sees them.

    A foreign Host is answered with 403, a method that could write with 405.
    """

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not _HERE.fullmatch(environ.get("HTTP_HOST", "")):
            return _refuse(start_response, "403 Forbidden", "open this page as localhost or 127.0.0.1")
        if environ["REQUEST_METHOD"] not in _READS:
            return _refuse(
                start_response, "405 Method Not Allowed", "this dashboard only shows a run, it changes nothing"
            )
        return app(environ, start_response)

    return guarded


def _refuse(start_response: StartResponse, status: str, why: str) -> Iterable[bytes]:
    body = f"{why}\n".encode()
    plain = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(status, [*plain, ("Allow", ", ".join(_READS))])
    return [body]
