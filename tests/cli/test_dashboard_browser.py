"""What a browser can do to a run over the dashboard: look. The real command, the real page, a real browser."""

from __future__ import annotations

import http.server
import json
import signal
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit
from wsgiref.simple_server import make_server

import optuna
import pytest

from kdsearch.candidates.space import Candidate, Choice
from kdsearch.cli.dashboard import _Handler, _Server
from kdsearch.records import Outcome, RunPaths
from kdsearch.rundir.ledger import Ledger, journal_path
from kdsearch.rundir.store import create_run, write_summary
from kdsearch.spec.study_spec import load_spec
from tests.browser import browsing
from tests.cli.test_dashboard import fetch, free_port, start
from tests.report.conftest import make_summary

optuna_dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
pytestmark = [pytest.mark.medium, pytest.mark.timeout(180)]

HOSTILE = "<img src=x onerror='window.hit=1'>"
EVIL = """<!doctype html><title>evil</title><script>
const json = JSON.stringify({study_name: "planted", directions: ["maximize"]});
async function attack(dashboard) {
  const tried = [
    ["post as text", "/api/studies", {method: "POST", mode: "no-cors", body: json}],
    ["post as a form", "/api/studies", {method: "POST", mode: "no-cors", body: new URLSearchParams({study_name: "x"})}],
    ["post as JSON", "/api/studies", {method: "POST", headers: {"Content-Type": "application/json"}, body: json}],
    ["delete", "/api/studies/0", {method: "DELETE"}],
    ["note", "/api/studies/0/note", {method: "PUT", body: JSON.stringify({body: "planted", version: 1})}],
  ];
  const found = {};
  for (const [name, path, how] of tried) {
    try { found[name] = (await fetch(dashboard + path, how)).type; } catch (error) { found[name] = "blocked"; }
  }
  return found;
}
function send(dashboard) {
  const fields = `<input name='{"study_name": "planted", "directions": ["maximize"], "x": "' value='"}'>`;
  const form = `method="post" enctype="text/plain" action="${dashboard}/api/studies"`;
  document.body.innerHTML = `<form ${form}>${fields}</form>`;
  document.forms[0].submit();
}
</script><body></body>"""


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[RunPaths, str]]:
    """A run that has ended, and the address of its dashboard."""
    folder = tmp_path_factory.mktemp("dashboard")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        spec = load_spec("quickstart")
        paths = create_run(spec)
        with Ledger(paths, spec.storage, spec.name, (Choice("conv", (8, 16)),)) as ledger:
            for number, width in enumerate((8, 16, 8)):
                metrics = {"accuracy": 0.5 + number / 10}
                ledger.append(Outcome(number, Candidate.of({"conv": width}), "done", metrics, {"macs": 9.0 + number}))
        write_summary(paths, make_summary() | {"name": HOSTILE, "trials": {"done": 3, "failed": 0, "cached": 0}})
        port = free_port()
        server = start(port)
    try:
        fetch(f"http://127.0.0.1:{port}/api/studies")
        yield paths, f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=20)


@pytest.fixture
def evil(tmp_path) -> Iterator[str]:
    """The address of a page of another site."""
    (tmp_path / "index.html").write_text(EVIL, encoding="utf-8")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given) -> None:
            super().__init__(*given, directory=str(tmp_path))

        def log_message(self, *given) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://evil.example:{server.server_port}"
        server.shutdown()
        thread.join()


def studies(url: str) -> list[str]:
    return [study["study_name"] for study in json.loads(fetch(f"{url}/api/studies"))["study_summaries"]]


def test_the_pages_own_delete_button_changes_nothing(served, tmp_path):
    paths, url = served
    before = journal_path(paths).read_bytes()
    with browsing(tmp_path / "profile", "--window-size=1400,1000") as browser:
        browser.open(f"{url}/dashboard")
        browser.wait("document.querySelector('[aria-label=\"delete study\"]') !== null")
        browser.evaluate("document.querySelector('[aria-label=\"delete study\"]').click()")
        browser.wait_for("Are you sure you want to delete a study")
        buttons = "[...document.querySelectorAll('button')]"
        browser.evaluate(f"{buttons}.find(each => each.innerText.toLowerCase() == 'yes').click()")
        browser.wait_for("Failed to delete")
        browser.open(f"{url}/dashboard/studies/0/note")
        browser.wait_for("Was the search worth it?")
        browser.wait_for(f"{HOSTILE}: done")  # as text
        assert browser.evaluate("window.hit === undefined")
        browser.shoot(tmp_path / "note.png")
        browser.open(f"{url}/dashboard/studies/0")
        browser.wait_for("Best Trial (number=2)")
        browser.shoot(tmp_path / "dashboard.png")
    assert journal_path(paths).read_bytes() == before
    assert studies(url) == ["quickstart"]


def test_a_page_of_another_site_changes_nothing(served, evil, tmp_path):
    paths, url = served
    before = journal_path(paths).read_bytes()
    with browsing(tmp_path / "profile", "--host-resolver-rules=MAP evil.example 127.0.0.1") as browser:
        browser.open(evil)
        browser.wait("document.title == 'evil'")
        assert browser.evaluate(f"attack('{url}')") == {
            "post as text": "opaque",  # it was sent, and refused
            "post as a form": "opaque",
            "post as JSON": "blocked",
            "delete": "blocked",
            "note": "blocked",
        }
        browser.evaluate(f"send('{url}')")
        browser.wait_for("this dashboard only shows a run, it changes nothing")
        assert browser.evaluate("location.origin") == url
        # a name of that site that was made to mean this machine (DNS rebinding): its own origin, so nothing else blocks
        browser.open(f"http://evil.example:{urlsplit(url).port}/api/studies")
        browser.wait_for("open this page as localhost or 127.0.0.1")
        assert browser.evaluate("fetch('/api/studies/0', {method: 'DELETE'}).then(answer => answer.status)") == 403
    assert journal_path(paths).read_bytes() == before
    assert studies(url) == ["quickstart"]


def test_without_the_guard_a_page_of_another_site_deletes_the_study(tmp_path):
    """On the library's own application: else the tests above would prove nothing."""
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=storage, study_name="toy")
    app = optuna_dashboard.wsgi(storage)
    with make_server("127.0.0.1", 0, app, server_class=_Server, handler_class=_Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with browsing(tmp_path / "profile", "--host-resolver-rules=MAP evil.example 127.0.0.1") as browser:
            browser.open(f"http://evil.example:{server.server_port}/api/studies")
            browser.wait_for("toy")
            assert browser.evaluate("fetch('/api/studies/0', {method: 'DELETE'}).then(answer => answer.status)") == 204
        server.shutdown()
        thread.join()
    assert storage.get_all_studies() == []
