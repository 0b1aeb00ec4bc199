"""`askfirst report`, as its user runs it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import socket
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import trustme
from click.testing import CliRunner

from askfirst import questions
from askfirst.cli.main import root
from askfirst.cli.report import REPORTS
from askfirst.collector.announcing import Announcement, announced
from askfirst.contract.model import Contract
from askfirst.stores.base import DAY_MS
from askfirst.stores.opening import open_store
from tests.ending import opened
from tests.questions.conftest import the_day
from tests.stores.making import DAY, TOOL, contract, events

AS_OF = the_day(40).isoformat()
CAPTION = "Counts only installations that said Yes."
ROWS = [
    {
        "who": who,
        "day": day,
        "version": "2.0.0" if day > 12 + who else "1.0.0",
        "application.name": f"{day % (who + 1):064}",
        "application.env": f"{day % 2:064}",
    }
    for who in range(9)
    for day in range(who % 3, 41, who + 1)
]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Keep to a home of its own, with none of this shell's wishes."""
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "ASKFIRST_TOKEN", "SSL_CERT_FILE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def place(tmp_path):
    """The path of a store with one tool in it."""
    path = tmp_path / "some.duckdb"
    store = open_store(path)
    store.declare(contract(**{"1.0.0": the_day(0).isoformat(), "2.0.0": the_day(12).isoformat()}))
    store.load([events(*ROWS)], {(TOOL, 20_001, "dropped:too-old"): 2})
    store.close()
    return path


def report(*words):
    return CliRunner().invoke(root, ["report", *map(str, words)])


def failure(*words):
    """Run a report that has to fail with 1 and one line on stderr; return the line."""
    result = report(*words)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    assert result.stderr.startswith("askfirst: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.mark.parametrize("name", REPORTS)
def test_json_is_the_answer_itself(place, name):
    result = report(name, "--store", place, "--as-of", AS_OF, "--json")

    assert result.exit_code == 0, result.output
    store = open_store(place)
    answer = questions.ask(store, name, TOOL, the_day(40))
    store.close()
    assert json.loads(result.stdout) == json.loads(json.dumps(answer))


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_fits_80_columns_and_says_whom_it_counts(place, name):
    result = report(name, "--store", place, "--as-of", AS_OF)

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert CAPTION in result.stdout
    assert "\x1b" not in result.stdout
    assert all(line == line.rstrip() for line in lines)


def test_the_overview_is_four_sentences_with_figures(place):
    result = report("--store", place, "--as-of", AS_OF)

    pieces = result.stdout.rstrip().split("\n\n")
    assert pieces[0] == f"overview, as of {AS_OF}: {TOOL}"
    assert len(pieces) == 6
    assert pieces[5] == f"  {CAPTION}"
    assert all("\n  " in piece for piece in pieces[1:5])  # a chart below each sentence
    assert len(result.stdout.splitlines()) <= 24
    assert "9 installations used stratus" in pieces[1]
    assert "updated to 2.0.0 within" in pieces[2]
    assert "applications on average" in pieces[3]
    assert "environments on average" in pieces[4]
    assert "█" in pieces[1]


@pytest.mark.parametrize("name", REPORTS)
def test_csv_is_one_table_with_a_header(place, name):
    result = report(name, "--store", place, "--as-of", AS_OF, "--csv")

    rows = list(csv.reader(io.StringIO(result.stdout)))
    assert len(rows) > 1
    assert {len(row) for row in rows} == {len(rows[0])}


def test_csv_has_the_figures_of_the_answer(place):
    words = ("--store", place, "--as-of", AS_OF, "--csv")
    versions = list(csv.DictReader(io.StringIO(report("updates", *words).stdout)))
    figures = dict(csv.reader(io.StringIO(report("overview", *words).stdout)))
    quality = list(csv.reader(io.StringIO(report("quality", *words).stdout)))
    commands = list(csv.DictReader(io.StringIO(report("commands", *words).stdout)))

    assert [row["version"] for row in versions] == ["1.0.0", "2.0.0"]
    assert versions[0]["median_days"] == ""
    assert figures["active.monthly"] == "9"
    assert [the_day(1).isoformat(), "dropped.too-old", "2"] in quality
    assert [(row["command"], row["version"]) for row in commands] == [
        ("start", ""),
        ("start", "1.0.0"),
        ("start", "2.0.0"),
        ("stop", ""),
    ]


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("style", [[], ["--json"], ["--csv"]])
def test_a_store_without_events_is_no_failure(home, name, style):
    store = open_store(home / "empty")
    store.declare(contract())
    store.close()

    result = report(name, "--store", home / "empty", *style)

    assert result.exit_code == 0, result.output
    assert result.stdout


def test_the_default_store_is_in_the_data_folder(home, place):
    target = home / ".local" / "share" / "askfirst" / "askfirst.duckdb"
    target.parent.mkdir(parents=True)
    place.rename(target)

    assert report("active").exit_code == 0


def test_a_missing_store_is_an_error_and_is_not_made(home):
    line = failure("active")

    assert "there is no store at" in line
    assert not (home / ".local").exists()


def test_what_is_no_store_is_an_error(home):
    (home / "text").write_text("hello" * 1000)

    assert "not a store" in failure("--store", home / "text")
    assert "cannot be" in failure("--store", home)


def test_one_of_several_tools_has_to_be_named(place):
    store = open_store(place)
    store.load([events({}, tool="other")], {})
    store.close()

    assert "--tool; the store knows other, stratus" in failure("--store", place)
    assert "no tool nothing; it knows other, stratus" in failure(
        "--store", place, "--tool", "nothing"
    )
    assert report("--store", place, "--tool", "other").exit_code == 0


def test_wrong_usage_is_exit_code_2(place):
    for words in (
        ("nothing",),
        ("--as-of", "yesterday"),
        ("retention", "--as-of", "9999-12-31"),
        ("--json", "--csv"),
        ("--store", place, "--server", "http://127.0.0.1:1"),
    ):
        assert report(*words).exit_code == 2


class Collector(HTTPServer):
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self, status=200, body=b"{}", headers=()):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body, self.headers = status, body, headers
        self.asked = []
        self.scheme = "http"
        self.host = "127.0.0.1"

    @property
    def url(self):
        return f"{self.scheme}://{self.host}:{self.server_port}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join(30)
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that does not trust us hangs up; nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Authorization"]))
        self.send_response(self.server.status)
        for name, value in self.server.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


COHORTS = json.dumps({"cohorts": [{"week": "2026-W01", "size": 2, "active": [2, 1]}]}).encode()


def test_a_server_is_asked_with_the_token_of_the_state_folder(home):
    token = home / ".local" / "state" / "askfirst" / "token"
    token.parent.mkdir(parents=True)
    token.write_text("secret\n")
    with Collector(body=COHORTS) as collector:
        words = ("retention", "--server", collector.url, "--as-of", AS_OF, "--tool", TOOL)
        result = report(*words, "--json")
        page = report(*words)

    assert json.loads(result.stdout) == json.loads(COHORTS)
    path = f"/v1/answers/retention?as_of={AS_OF}&tool=stratus"
    assert collector.asked == [(path, "Bearer secret")] * 2
    assert "2026-W01" in page.stdout


def test_a_token_file_comes_before_the_environment_and_that_before_the_state_folder(
    home, monkeypatch
):
    (home / "given").write_text("from file")
    monkeypatch.setenv("ASKFIRST_TOKEN", "from environment")
    with Collector(body=COHORTS) as collector:
        report("retention", "--server", collector.url, "--json")
        report("retention", "--server", collector.url, "--json", "--token-file", home / "given")

    assert [token for _, token in collector.asked] == [
        "Bearer from environment",
        "Bearer from file",
    ]


def test_without_a_token_nothing_is_asked():
    with Collector() as collector:
        assert "ASKFIRST_TOKEN" in failure("--server", collector.url)
    assert collector.asked == []


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b"{}", "does not take this token"),
        (422, b'{"error": "say which tool: a, b"}', "say which tool: a, b"),
        (500, b"<html>", "500"),
        (200, b"<html>", "not as a collector does"),
        (200, b"[]", "not as a collector does"),
    ],
)
def test_what_a_server_refuses_is_said_in_one_line(monkeypatch, status, body, said):
    monkeypatch.setenv("ASKFIRST_TOKEN", "t")
    with Collector(status, body) as collector:
        assert said in failure("--server", collector.url)


def test_a_redirect_does_not_get_the_token(monkeypatch):
    monkeypatch.setenv("ASKFIRST_TOKEN", "t")
    with (
        Collector(body=COHORTS) as other,
        Collector(302, headers=[("Location", other.url)]) as collector,
    ):
        assert "302" in failure("--server", collector.url)
    assert other.asked == []


def test_a_server_that_is_not_there_is_said_in_one_line(monkeypatch):
    monkeypatch.setenv("ASKFIRST_TOKEN", "t")
    with socket.socket() as taken:  # and held, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert "is a collector running there?" in failure("--server", url)


def test_a_token_is_not_sent_in_the_clear(monkeypatch):
    monkeypatch.setenv("ASKFIRST_TOKEN", "t")

    assert "use https" in failure("--server", "http://telemetry.example.org")


def test_a_certificate_is_verified_against_ssl_cert_file(home, monkeypatch):
    monkeypatch.setenv("ASKFIRST_TOKEN", "t")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(home / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    collector = Collector(body=COHORTS)
    collector.socket = context.wrap_socket(collector.socket, server_side=True)
    collector.scheme, collector.host = "https", "localhost"
    words = ("retention", "--server", collector.url, "--json")
    with collector:
        line = failure(*words)
        monkeypatch.setenv("SSL_CERT_FILE", str(home / "ca.pem"))
        result = report(*words)

    assert "CERTIFICATE_VERIFY_FAILED" in line
    assert result.exit_code == 0, result.output


HOLD = """
import sys
from askfirst.stores.opening import open_store
store = open_store(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_store_that_a_collector_holds_is_asked_through_it(place, monkeypatch):
    monkeypatch.setenv("ASKFIRST_TOKEN", "t")
    argv = [sys.executable, "-c", HOLD, str(place)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    path = place.with_name(place.name + "-server.json")
    with opened(argv, **pipes) as holder, Collector(body=COHORTS) as collector:
        assert holder.stdout.readline() == b"held\n"
        line = failure("retention", "--store", place)
        with announced(path, Announcement(collector.url, holder.pid, str(place))):
            left = path.read_bytes()
            result = report("retention", "--store", place, "--json")
        path.write_bytes(left)  # as a collector does that is killed
        stale = failure("retention", "--store", place)
        holder.stdin.close()
        holder.wait(120)

    assert "another process holds the store" in line
    assert stale == line
    assert json.loads(result.stdout) == json.loads(COHORTS)


RUN = (sys.executable, "-m", "askfirst", "report")


def run(*words, **environment):
    argv = [*RUN, *map(str, words)]
    env = {**os.environ, **environment}
    return subprocess.run(argv, env=env, capture_output=True, timeout=300, check=False)


def test_a_pipe_that_takes_only_ascii_gets_ascii(place):
    done = run("active", "--store", place, "--as-of", AS_OF, PYTHONIOENCODING="ascii")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert b"#" in done.stdout


def test_estimates_from_a_sample_come_with_their_intervals(place):
    data = contract().as_dict()
    data["tool"]["sample"] = 0.75
    store = open_store(place)
    store.declare(Contract.from_dict(data))
    store.close()

    for name in ("overview", "active", "applications", "commands", "updates", "retention"):
        text = report(name, "--store", place, "--as-of", AS_OF).stdout
        assert "Estimated from 75 % of them" in " ".join(text.split())
    answer = json.loads(report("active", "--store", place, "--as-of", AS_OF, "--json").stdout)
    low, high = (answer["estimate"][end]["monthly"] for end in ("low", "high"))
    text = report("active", "--store", place, "--as-of", AS_OF).stdout
    [row] = [line.split() for line in text.splitlines() if line.startswith("monthly  ")][:1]
    assert row[-3:] == [str(answer["monthly"]), str(low), str(high)]
    quality = report("quality", "--store", place, "--as-of", AS_OF).stdout
    assert "Estimated" not in quality

    for name, said in {
        "applications": "95 % intervals: installations ",
        "environments": "95 % intervals: median ",
        "commands": "from, to: the 95 % interval of the regular.",
        "updates": "at risk (95 % intervals).",
        "retention": "All cohorts together, +1: ",
    }.items():
        text = report(name, "--store", place, "--as-of", AS_OF).stdout
        assert said in text, name
        assert max(map(len, text.splitlines())) <= 80


def test_an_estimate_has_its_interval_without_a_sample_too(home):
    store = open_store(home / "many")
    rows = [
        {"who": who, "day": day, "application.name": f"{at:064}", "application.env": f"{at:064}"}
        for who in range(40)
        for day in range(0, 15, 7)
        for at in range(1 + who % 3)
    ]
    store.load([events(*rows)], {})
    store.close()

    def said(name):
        text = report(name, "--store", home / "many", "--as-of", the_day(16).isoformat()).stdout
        return " ".join(text.split())

    assert "95 % intervals: mean 1.72 to 2.23; median 1 to 2; as a share 50 % to 78 %." in said(
        "applications"
    )
    assert said("environments").count("95 % intervals: mean ") == 2
    assert "All cohorts together, +1: 100 % (95 % interval 91 % to 100 %)." in said("retention")


def test_a_week_that_is_not_over_is_marked(place):
    for day, marked in ((16, False), (17, True)):  # day 2 is a Sunday
        text = report("retention", "--store", place, "--as-of", the_day(day).isoformat()).stdout
        assert ("%*" in text) == ("that week is not over." in " ".join(text.split())) == marked


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "quality"])
def test_what_needs_forgotten_events_is_left_out_and_said(place, name):
    data = contract(**{"2.0.0": the_day(12).isoformat()}).as_dict()
    data["tool"]["retention_days"] = 30
    store = open_store(place)
    store.declare(Contract.from_dict(data))
    store.retain(TOOL, (DAY + 11) * DAY_MS)  # and the last event arrived on day 40
    store.close()

    words = (name, "--store", place, "--as-of", the_day(30).isoformat())
    text = " ".join(report(*words).stdout.split())
    assert f"Events before {the_day(11)} are deleted, as the contract says." in text
    assert "no event yet" not in text
    if name == "active":
        assert "first seen in the 28 days -" in text
        assert "Left out, for want of them: new, returning, lost." in text


def test_progress_is_for_a_terminal_on_stderr_alone(place):
    outer, inner = pty.openpty()
    argv = [*RUN, "active", "--json", "--store", str(place), "--as-of", AS_OF]
    env = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=inner)
    os.close(inner)
    said = b""
    with open(outer, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
        while piece := terminal.read(4096):
            said += piece
    out, _ = process.communicate(timeout=300)

    assert b"asking about active" in said
    assert json.loads(out)["as_of"] == AS_OF
    assert run("active", "--store", place, "--as-of", AS_OF).stderr == b""


def test_a_terminal_gets_no_colour_when_it_says_so(place):
    """Bold and dim are no colours."""
    outer, inner = pty.openpty()
    argv = [*RUN, "--store", str(place), "--as-of", AS_OF]
    env = {**os.environ, "NO_COLOR": "1", "TERM": "xterm-256color"}
    process = subprocess.Popen(argv, env=env, stdin=inner, stdout=inner, stderr=inner)
    os.close(inner)
    said = b""
    while True:
        try:
            piece = os.read(outer, 4096)
        except OSError:  # Linux: the other end is closed
            break
        if not piece:
            break
        said += piece
    os.close(outer)
    assert process.wait(120) == 0

    assert b"installations used stratus" in said
    assert b"\x1b[3" not in said  # a colour would be 30 to 37 or 38;
