"""Requests as a browser would send them, to the real dashboard over a run's ledger."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from wsgiref.simple_server import make_server
from wsgiref.util import setup_testing_defaults

import optuna
import pytest

from kdsearch.candidates.space import Candidate, Choice
from kdsearch.cli.dashboard import _Handler, _open, _Server
from kdsearch.cli.read_only import guard
from kdsearch.records import Outcome, RunPaths
from kdsearch.rundir.ledger import Ledger, journal_path

optuna_dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
pytestmark = [pytest.mark.medium, pytest.mark.timeout(60)]  # the dashboard takes seconds to import


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> RunPaths:
    paths = RunPaths(tmp_path_factory.mktemp("run"))
    with Ledger(paths, "journal", "toy", (Choice("conv", (8, 16)),)) as ledger:
        ledger.append(Outcome(0, Candidate.of({"conv": 8}), "done", {"accuracy": 0.5}, {"macs": 9.0}))
    return paths


@pytest.fixture(scope="module")
def port(paths) -> Iterator[int]:
    app = guard(optuna_dashboard.wsgi(_open("journal", paths.root)))
    with make_server("127.0.0.1", 0, app, server_class=_Server, handler_class=_Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(port: int, method: str, path: str, host: str | None = None, body: object = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Host": host or f"127.0.0.1:{port}", "Origin": "http://evil.example", "Content-Type": "text/plain"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


WRITES = [
    ("DELETE", "/api/studies/0", None),
    ("POST", "/api/studies", {"study_name": "planted", "directions": ["maximize"]}),
    ("POST", "/api/studies/0/rename", {"study_name": "other"}),
    ("PUT", "/api/studies/0/note", {"body": "planted", "version": 1}),
    ("PUT", "/api/studies/0/0/note", {"body": "planted", "version": 1}),
    ("POST", "/api/trials/0/tell", {"state": "Fail"}),
    ("POST", "/api/trials/0/user-attrs", {"user_attrs": {"planted": 1}}),
    ("POST", "/api/studies/0/0/skip", {}),
    ("PATCH", "/api/studies/0", {}),
    ("OPTIONS", "/api/studies/0", None),
    ("post", "/api/studies", {"study_name": "planted", "directions": ["maximize"]}),
    ("GET; DELETE", "/api/studies/0", None),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_what_would_write_is_refused_and_the_ledger_stays_as_it_is(paths, port, method, path, body):
    before = journal_path(paths).read_bytes()
    status, said = ask(port, method, path, body=body)
    assert status in (400, 405)
    assert status == 400 or b"changes nothing" in said
    assert journal_path(paths).read_bytes() == before


def test_without_the_guard_the_dashboard_deletes_a_study_for_any_page():
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="toy")
    environ = {"REQUEST_METHOD": "DELETE", "PATH_INFO": f"/api/studies/{study._study_id}", "HTTP_HOST": "evil.example"}
    setup_testing_defaults(environ)
    answers = []
    b"".join(optuna_dashboard.wsgi(storage)(environ, lambda status, *_: answers.append(status)))
    assert answers == ["204 No Content"]
    assert storage.get_all_studies() == []


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.168.0.7:8080",
        "localhost:x",
        "evil.example#localhost",
        "user@localhost",
        "127.0.0.1,evil.example",
        " ",
    ],
)
def test_a_page_that_came_under_another_name_is_refused(paths, port, host):
    before = journal_path(paths).read_bytes()
    assert ask(port, "GET", "/api/studies", host=host)[0] == 403
    assert ask(port, "DELETE", "/api/studies/0", host=host)[0] == 403
    assert journal_path(paths).read_bytes() == before


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:9", "[::1]:8080"])
def test_this_machine_may_look_also_through_a_tunnel(port, host):
    status, body = ask(port, "GET", "/api/studies", host=host)
    assert status == 200
    assert [study["study_name"] for study in json.loads(body)["study_summaries"]] == ["toy"]


def test_looking_at_everything_writes_nothing(paths, port):
    before = journal_path(paths).read_bytes()
    for path in ("/dashboard", "/api/meta", "/api/studies", "/api/studies/0", "/csv/0", "/favicon.ico"):
        assert ask(port, "GET", path)[0] == 200, path
        assert ask(port, "HEAD", path)[0] == 200, path
    assert journal_path(paths).read_bytes() == before
