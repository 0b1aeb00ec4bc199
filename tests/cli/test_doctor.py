"""`askfirst doctor`: the example CLI, a real collector, real TLS, and what can be wrong with each."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from click.testing import CliRunner, Result

from askfirst.cli import doctor, probing
from askfirst.cli.main import root
from askfirst.cli.probing import Reply
from askfirst.collector import ingest
from askfirst.collector.pipeline import Terms
from askfirst.contract.loading import parse
from tests.client.proxying import proxy
from tests.collector.serving import Server, make_event, servers

STRATUS = Path(__file__).parents[2] / "examples" / "stratus" / "stratus" / "telemetry.toml"
TEXT = STRATUS.read_text()
PAST = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
TOMORROW = dt.datetime.now(dt.timezone.utc).date() + dt.timedelta(days=1)
WIDER = TEXT.replace('"reload"]', '"reload", "status"]')
HOST = "telemetry.example.org"
NOBODY = "http://127.0.0.1:1"
ALL = [
    "contract",
    "package",
    "state",
    "event",
    "notice",
    "collector",
    "tls",
    "clock",
    "agreement",
    "round trip",
]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def start(
    tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA
) -> Iterator[Callable[..., Server]]:
    """Start a collector of a contract, over TLS, with a certificate of this authority."""
    with servers(tmp_path_factory.mktemp("home")) as begin:

        def over_tls(text: str = TEXT, *names: str, **issue: Any) -> Server:
            folder = tmp_path_factory.mktemp("tls")
            issued = authority.issue_cert(*(names or ("127.0.0.1", HOST)), **issue)
            for number, blob in enumerate(issued.cert_chain_pems):
                blob.write_to_path(folder / "cert.pem", append=number > 0)
            issued.private_key_pem.write_to_path(folder / "key.pem")
            (folder / "telemetry.toml").write_text(text)
            context = ssl.create_default_context()
            authority.configure_trust(context)
            return begin(
                *("serve", "--contract", str(folder / "telemetry.toml")),
                *("--store", str(folder / "store.duckdb")),
                *("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")),
                context=context,
            )

        yield over_tls


@pytest.fixture(scope="module")
def collector(start: Callable[..., Server]) -> Server:
    return start()


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA) -> None:
    """A home of its own, the authority trusted, and the test's folder as the present one."""
    authority.cert_pem.write_to_path(tmp_path / "roots.pem")
    (tmp_path / "home").mkdir()
    for name, value in (
        ("HOME", tmp_path / "home"),
        ("XDG_STATE_HOME", tmp_path / "home" / "state"),
        ("SSL_CERT_FILE", tmp_path / "roots.pem"),
        ("NO_COLOR", "1"),
    ):
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> Result:
    return CliRunner().invoke(root, ["doctor", *words], prog_name="askfirst")


def checks(*words: str, failing: bool = False) -> dict[str, dict[str, str]]:
    done = run(*words, "--json")
    assert done.exit_code == int(failing), done.output
    answer = json.loads(done.stdout)
    assert answer["healthy"] is not failing
    return {row["check"]: row for row in answer["checks"]}


def contract_at(url: str, text: str = TEXT) -> str:
    """Write a contract with that collector; return its path."""
    Path("telemetry.toml").write_text(text.replace("https://telemetry.example.org", url))
    return "telemetry.toml"


def notice(*words: str) -> None:
    done = CliRunner().invoke(root, ["contract", "notice", *words])
    assert done.exit_code == 0, done.output


def test_the_example_is_well_and_nothing_is_stored(
    collector: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASKFIRST_COLLECTOR", collector.url)
    notice(str(STRATUS), "-o", "T.md")
    before = quality(collector), counted(collector)
    found = checks("stratus", "--notice", "T.md")
    assert list(found) == ALL
    levels = {name: row["level"] for name, row in found.items()}
    assert {name for name in levels if levels[name] == "warn"} == {"package", "notice", "collector"}
    assert found["state"]["text"] == "here it is off: you have not been asked yet"
    assert found["package"]["text"].startswith("stratus-example 1.4.0 is installed editable")
    assert "3 blanks" in found["notice"]["text"]
    assert json.loads(found["event"]["event"])["cli"] == {"version": "1.4.0", "command": "start"}
    assert found["agreement"]["text"] == "the collector has the same contract"
    assert found["clock"]["text"] == "both clocks agree"
    assert (quality(collector), counted(collector)) == before
    assert not any(Path("home").iterdir())


def quality(server: Server) -> Any:
    """What the store counts, this day included, and the next, should it begin meanwhile."""
    return server.answer(f"quality?as_of={TOMORROW}")


def counted(server: Server) -> list[str]:
    """What the collector counts of events."""
    lines = server.call("GET", "/metrics").body.decode().splitlines()
    return [line for line in lines if line.startswith("askfirst_events") and line[-2:] != " 0"]


def test_the_state_and_the_reason_are_the_programs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKFIRST_COLLECTOR", NOBODY)
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    found = checks("stratus", failing=True)
    assert found["state"]["text"] == "here it is off: DO_NOT_TRACK is set"


def test_lines_for_people_and_one_line_of_failure(collector: Server) -> None:
    file = contract_at(collector.url)
    notice(file, "-o", "TELEMETRY.md")
    done = run(file)
    assert done.exit_code == 0
    assert done.stderr == ""
    firsts = [line.split("  ")[0] for line in done.stdout.splitlines() if line[0] != " "]
    assert firsts == ["ok", "warn", "warn", "ok", "ok", "ok", "warn", "ok"]
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    Path("TELEMETRY.md").write_text(Path("TELEMETRY.md").read_text().replace("395", "30"))
    failed = run(file)
    assert failed.exit_code == 1
    assert "to do: askfirst contract notice telemetry.toml -o TELEMETRY.md" in failed.stdout
    assert failed.stderr == ("askfirst: 1 of 8 checks failed: notice; each says above what to do\n")


def test_the_way_leads_through_the_proxy_of_the_environment(
    collector: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = urlsplit(collector.url).port
    file = contract_at(f"https://{HOST}:{port}")
    with proxy("jane:s3cret") as running:
        monkeypatch.setenv("https_proxy", f"http://jane:s3cret@127.0.0.1:{running.port}")
        found = checks(file)
        seen = running.seen()  # in HTTP/1.0 or 1.1, by the version of Python
        assert (seen.split(" ")[1], seen.endswith("let through")) == (f"{HOST}:{port}", True)
        assert found["tls"]["level"] == found["round trip"]["level"] == "ok"
        monkeypatch.setenv("https_proxy", f"http://jane:wr0ng@127.0.0.1:{running.port}")
        refused = checks(file, failing=True)["collector"]
        assert "407" in refused["text"]
        assert "wr0ng" not in str(refused)
    monkeypatch.setenv("https_proxy", "http://jane:s3cret@[::")
    found = checks(file, failing=True)
    assert found["collector"]["text"] == "the proxy in the environment has no readable URL"


def test_a_variable_that_names_no_usable_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKFIRST_COLLECTOR", "http://127.0.0.1:99999")
    found = checks(contract_at("https://t.example"), failing=True)
    assert found["collector"]["text"].startswith("ASKFIRST_COLLECTOR: 'http://127.0.0.1:99999' is")


def test_a_certificate_for_another_name(start: Callable[..., Server]) -> None:
    url = start(TEXT, "collector.example").url
    found = checks(contract_at(url), failing=True)
    assert found["tls"]["level"] == "fail"
    assert "not valid for '127.0.0.1'" in found["tls"]["text"]
    assert found["tls"]["remedy"].startswith("get a certificate for that name")
    assert "agreement" not in found


def test_a_certificate_that_has_ended(start: Callable[..., Server]) -> None:
    url = start(TEXT, not_after=PAST).url
    found = checks(contract_at(url), failing=True)
    assert "certificate has expired" in found["tls"]["text"]
    assert found["tls"]["remedy"].startswith("renew the certificate")


def test_a_certificate_that_ends_soon() -> None:
    soon = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=3, hours=1)
    ends = soon.strftime("%b %d %H:%M:%S %Y GMT")
    found = doctor._tls("https://x.example", Reply(200, {}, "", {"notAfter": ends}))
    assert found.level == "warn"
    assert "in 3 days" in found.text


def test_an_authority_that_this_machine_does_not_trust(
    collector: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    found = checks(contract_at(collector.url), failing=True)
    assert found["tls"]["level"] == "fail"
    assert "SSL_CERT_FILE" in found["tls"]["remedy"]


def test_a_collector_that_is_down() -> None:
    with socket.socket() as taken:  # and held, but nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        found = checks(contract_at(f"https://127.0.0.1:{port}"), failing=True)
    assert found["collector"] == {
        "check": "collector",
        "level": "fail",
        "text": f"127.0.0.1:{port} does not answer: Connection refused",
        "remedy": "start it, or mend the name, the port or the firewall; clients keep what waits",
    }


def test_a_tool_that_the_collector_does_not_know(collector: Server) -> None:
    other = TEXT.replace('name = "stratus"', 'name = "cumulus"')
    found = checks(contract_at(collector.url, other), failing=True)
    assert found["agreement"]["text"] == "the collector has no contract for cumulus"
    assert "serve --contract telemetry.toml" in found["agreement"]["remedy"]
    assert "round trip" not in found


def test_a_contract_wider_than_the_collectors(collector: Server) -> None:
    found = checks(contract_at(collector.url, WIDER), failing=True)
    text = "the collector's contract is older, and has not: the command status"
    assert found["agreement"]["text"] == text
    assert found["round trip"]["level"] == "ok"


def test_a_contract_narrower_than_the_collectors_is_an_old_release(collector: Server) -> None:
    found = checks(contract_at(collector.url, TEXT.replace('"stop", ', "")))
    assert found["agreement"]["level"] == "warn"
    assert "is newer" in found["agreement"]["text"]


def test_a_contract_in_other_words_collects_the_same(collector: Server) -> None:
    found = checks(contract_at(collector.url, TEXT.replace("Stratus CLI", "Stratus")))
    assert found["agreement"]["level"] == "warn"
    assert found["agreement"]["text"].endswith("differs, in nothing that is collected")


class Page(http.server.BaseHTTPRequestHandler):
    """A web server that is no collector."""

    body = b"<h1>It works!</h1>"

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def page() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_something_else_that_answers(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = checks(contract_at(page), failing=True)
    assert found["agreement"]["text"] == "what answers is no collector of askfirst (200)"
    assert found["tls"]["level"] == "warn"
    monkeypatch.setattr(Page, "body", b'{"contract": {"tool": {"name": 1}}, "digest": "x"}')
    found = checks(contract_at(page), failing=True)
    assert found["agreement"]["text"].startswith("the collector's contract cannot be read: tool.")
    found = checks(contract_at(page.replace("http:", "https:")), failing=True)
    assert found["tls"]["level"] == "fail"


@pytest.mark.parametrize(
    ("ahead", "level"), [(0, "ok"), (200, "ok"), (-400, "warn"), (400, "warn"), (90_000, "fail")]
)
def test_a_clock_that_is_wrong(ahead: float, level: str) -> None:
    date = formatdate(doctor._now() / 1000 - ahead, usegmt=True)
    assert doctor._clock(Reply(200, {}, date)).level == level


def test_a_date_that_is_missing() -> None:
    assert doctor._clock(Reply(200, {}, "")).level == "warn"


@pytest.mark.parametrize(
    ("reply", "level"),
    [
        (Reply(200, {"accepted": 0, "dropped": []}), "ok"),
        (Reply(200, {"accepted": 1, "dropped": []}), "fail"),
        (Reply(200, None), "fail"),
        (Reply(429, {"error": "slowly"}), "warn"),
        (Reply(503, {"error": "full"}), "warn"),
        (Reply(403, None), "fail"),
    ],
)
def test_a_round_trip_is_well_only_if_nothing_was_taken(reply: Reply, level: str) -> None:
    assert doctor._round_trip(reply).level == level


def test_a_batch_of_no_events_leaves_nothing_and_one_of_one_does(collector: Server) -> None:
    contract = parse(TEXT)
    body = json.dumps({"tool": "stratus", "contract": contract.digest, "events": []}).encode()
    taken = ingest.take(body, {"stratus": Terms(contract)}, doctor._now())
    assert (taken.payload, taken.accepted, taken.counts) == (b"", 0, {})
    before = quality(collector), counted(collector)
    for _ in range(3):
        reply = probing.deliver_nothing(collector.url, "stratus", contract.digest)
        assert (reply.status, reply.body) == (200, {"accepted": 0, "dropped": []})
    assert (quality(collector), counted(collector)) == before
    event = make_event(cli={"version": "1.4.0", "command": "start"})
    collector.call("POST", "/v1/events", {"tool": "stratus", "events": [event]})
    assert quality(collector)["stored"] == before[0]["stored"] + 1
    assert counted(collector) != before[1]


PROGRAM = """
import sys
import click
from askfirst import Telemetry
from askfirst.integrations.click import instrument

@click.group()
def cli(): pass

@cli.command()
def start(): pass

if "plain" not in sys.argv[0]:
    instrument(cli, Telemetry.from_contract("telemetry.toml", version="VERSION"))
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a program where pip would: a script, a package, and what is known of both."""

    def put(
        name: str = "tin", version: str = "1.0.0", *, data: bool = True, text: str = TEXT
    ) -> Path:
        site, scripts = tmp_path / "site", tmp_path / "bin"
        package, known = site / name, site / f"{name}-{version}.dist-info"
        for folder in (scripts, package, known):
            folder.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "cli.py").write_text(PROGRAM.replace("VERSION", version))
        files = [f"{name}/__init__.py", f"{name}/cli.py"]
        if data:
            contract = text.replace('"stratus"', f'"{name}"')
            (package / "telemetry.toml").write_text(contract)
            files.append(f"{name}/telemetry.toml")
        (known / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        (known / "RECORD").write_text("".join(f"{file},,\n" for file in files))
        (known / "entry_points.txt").write_text(f"[console_scripts]\n{name} = {name}.cli:cli\n")
        script = scripts / name
        script.write_text(f"#!{sys.executable}\nfrom {name}.cli import cli\ncli()\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{scripts}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("PYTHONPATH", str(site))
        monkeypatch.setenv("ASKFIRST_COLLECTOR", NOBODY)
        return package

    return put


def test_a_contract_that_came_with_the_package(install: Callable[..., Path]) -> None:
    install()
    found = checks("tin", failing=True)
    assert found["package"]["level"] == "ok"
    assert found["package"]["text"] == "the contract came with tin 1.0.0"


def test_a_contract_that_is_not_in_the_package(install: Callable[..., Path]) -> None:
    install(data=False)
    done = run("tin")
    assert done.exit_code == 1
    assert "comes without a telemetry.toml: ship it as package data" in done.stderr
    found = checks("tin", "--contract", str(STRATUS), failing=True)
    assert found["package"]["level"] == "fail"
    assert found["state"]["level"] == "fail"
    assert "cannot be read" in found["state"]["text"]


def test_a_program_without_the_line(install: Callable[..., Path]) -> None:
    install("plain")
    found = checks("plain", failing=True)
    assert "No such command 'telemetry'" in found["state"]["text"]
    assert found["state"]["remedy"].startswith("add the one line")
    assert found["event"]["level"] == "fail"


def test_a_version_that_is_not_released(install: Callable[..., Path]) -> None:
    install(version="1.0.0.dev3")
    assert checks("tin", failing=True)["event"]["level"] == "warn"


def test_a_program_that_uses_another_contract(install: Callable[..., Path]) -> None:
    package = install()
    narrower = TEXT.replace('"start", ', "")
    Path("other.toml").write_text(narrower)
    found = checks("tin", "--contract", "other.toml", failing=True)
    assert found["event"]["text"] == "the next event would be dropped: unknown-command"
    assert package.is_dir()


def test_a_sample_is_no_fault(
    install: Callable[..., Path], start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is in it is chance, and before a Yes `show` makes an installation up."""
    sampled = TEXT.replace('name = "stratus"', 'name = "stratus"\nsample = 0.0001')
    install("sampled", text=sampled)
    other = sampled.replace('"stratus"', '"sampled"').replace("Stratus CLI", "Stratus")
    monkeypatch.setenv("ASKFIRST_COLLECTOR", start(other).url)
    found = checks("sampled")
    assert found["event"]["level"] == "ok"
    assert "of an installation in the sample" in found["event"]["text"]
    assert found["agreement"]["text"].endswith("differs, in nothing that is collected")


def test_what_is_no_command_and_no_file() -> None:
    done = run("no-such-thing")
    assert done.exit_code == 1
    assert done.stderr.startswith("askfirst: no-such-thing is neither a file nor a command")
    assert run("--notice", "x").exit_code == 1


def test_without_a_name_it_is_the_command_of_the_project(
    install: Callable[..., Path],
) -> None:
    install()
    Path("pyproject.toml").write_text('[project.scripts]\ntin = "tin.cli:cli"\n')
    assert checks(failing=True)["package"]["text"] == "the contract came with tin 1.0.0"
    Path("pyproject.toml").write_text('[project.scripts]\na = "a:a"\nb = "b:b"\n')
    assert run().exit_code == 2
