"""The units of ops/systemd: correct, locked down, and really run by systemd, workers and all."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from askfirst.collector import worker, workers
from tests.collector.serving import CONTRACT, make_event, wait_until
from tests.ops.machine import ROOT, UNITS, Machine, machine

pytestmark = [pytest.mark.slow, pytest.mark.needs("systemd-analyze", "unshare", "nsenter")]

SERVE = (ROOT / "ops" / "serve.toml").read_text()
URL = "http://127.0.0.1:8600"
# `systemd-analyze security` counts from 0, nothing allowed, to 100; a service as usual has 96.
EXPOSED = {"askfirst.service": 9, "askfirst-backup.service": 9}
EXPOSED_WITH_TLS = 15
# as docs/operating.md has it done
ASKFIRST = (
    *(
        "runuser",
        "-u",
        "askfirst",
        "--",
        "env",
        "XDG_DATA_HOME=/var/lib",
        "XDG_STATE_HOME=/var/lib",
    ),
    "/run/askfirst/bin/askfirst",
)
STORE = "/var/lib/askfirst/askfirst.duckdb"
PROBE = """
import ctypes, mmap, os, socket

def tell(name, what):
    try:
        what()
    except OSError as error:
        print(name, os.strerror(error.errno))
    else:
        print(name, "allowed")

libc = ctypes.CDLL(None, use_errno=True)

def unshare():
    if libc.unshare(0x10000000):
        raise OSError(ctypes.get_errno(), "")

tell("own", lambda: open("/var/lib/askfirst/probe", "w").close())
tell("own", lambda: os.unlink("/var/lib/askfirst/probe"))
tell("etc", lambda: open("/etc/askfirst/probe", "w").close())
tell("usr", lambda: open("/usr/probe", "w").close())
tell("root", lambda: os.listdir("/root"))
tell("code", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC))
tell("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
tell("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
tell("namespace", unshare)
tell("others", lambda: os.kill(1, 0))
tell("priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))
print("processes", sorted(name for name in os.listdir("/proc") if name.isdigit()) == [str(os.getpid())])
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Give a machine that has the collector, with two workers, and a probe in the same sandbox."""
    unit = (UNITS / "askfirst.service").read_text()
    probe = re.sub("ExecStart=.*", "ExecStart=/run/askfirst/bin/probe", unit)
    probe = probe.replace("RestartForceExitStatus=", "#")  # it runs once
    files = {
        "etc/askfirst/serve.toml": SERVE.replace("workers = 1", "workers = 2"),
        "etc/askfirst/telemetry.toml": CONTRACT,
        "units/probe.service": probe.replace("Type=exec", "Type=oneshot").replace(
            "Restart=", "StandardOutput=file:/run/log-of-probe\n#"
        ),
        "units/starting.service": re.sub("ExecStart=.*", "ExecStart=/bin/sleep 600", unit),
        "askfirst/bin/probe.py": PROBE,
    }
    with machine(tmp_path_factory.mktemp("machine"), files) as made:
        made.does("systemctl", "start", "askfirst.service")
        wait_until(lambda: made.asks(f"{URL}/health/ready")[0] == 200)
        yield made


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """Give the units, with a program that is there."""
    for path in UNITS.iterdir():
        text = path.read_text().replace("/opt/askfirst/bin/askfirst", "/bin/true")
        (tmp_path / path.name).write_text(text)
    return tmp_path


def analyze(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_finds_no_fault(copies: Path) -> None:
    units = [path.name for path in UNITS.iterdir() if path.suffix != ".conf"]
    assert len(units) == 3
    said = analyze(copies, "verify", *units).splitlines()
    assert [line for line in said if "askfirst" in line] == []


@pytest.mark.parametrize("unit", EXPOSED)
def test_a_service_is_locked_down(unit: str, copies: Path) -> None:
    analyze(
        copies, "security", "--offline=true", f"--threshold={EXPOSED[unit]}", f"{copies}/{unit}"
    )


def test_direct_tls_opens_no_more_than_a_port_and_the_network(copies: Path) -> None:
    folder = copies / "askfirst.service.d"
    folder.mkdir()
    (copies / "direct-tls.conf").rename(folder / "direct-tls.conf")
    level = f"--threshold={EXPOSED_WITH_TLS}"
    analyze(copies, "security", "--offline=true", level, f"{copies}/askfirst.service")


def test_a_store_on_another_machine_opens_the_way_to_it_alone(copies: Path) -> None:
    folder = copies / "askfirst.service.d"
    folder.mkdir()
    (copies / "remote-store.conf").rename(folder / "remote-store.conf")
    said = analyze(copies, "verify", "askfirst.service").splitlines()
    assert [line for line in said if "askfirst" in line] == []
    threshold = f"--threshold={EXPOSED['askfirst.service'] + 1}"  # by one address
    analyze(copies, "security", "--offline=true", threshold, f"{copies}/askfirst.service")


def test_stopping_leaves_time_to_answer_and_to_load() -> None:
    unit = (UNITS / "askfirst.service").read_text()
    [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(seconds) > 2 * (worker.GRACE_SECONDS + 10)
    assert workers.GRACE_SECONDS == worker.GRACE_SECONDS


def test_the_collector_takes_events_and_answers_in_its_sandbox(running: Machine) -> None:
    body = {"tool": "stratus", "events": [make_event() for _ in range(3)]}
    assert running.asks(f"{URL}/v1/events", body) == (200, '{"accepted":3,"dropped":[]}')
    running.does(*ASKFIRST, "report", "quality", "--json")
    assert "askfirst_events_stored_total 3" in running.asks(f"{URL}/metrics")[1]
    processes = running.does("cat", "/sys/fs/cgroup/system.slice/askfirst.service/cgroup.procs")
    assert len(processes.split()) == 3
    for pid in processes.split():
        status = running.does("cat", f"/proc/{pid}/status")
        assert "\nNoNewPrivs:\t1\n" in status
        assert "\nSeccomp:\t2\n" in status
        assert "\nCapEff:\t0000000000000000\n" in status
        assert "\nCapBnd:\t0000000000000000\n" in status


def test_what_the_sandbox_is_for_is_refused(running: Machine) -> None:
    running.does("systemctl", "start", "probe.service")
    said = running.does("cat", "/run/log-of-probe").splitlines()
    assert said == [
        "own allowed",
        "own allowed",
        "etc Read-only file system",
        "usr Read-only file system",
        "root Permission denied",
        "code Operation not permitted",
        "packet Address family not supported by protocol",
        "netlink Address family not supported by protocol",
        "namespace Operation not permitted",
        "others Operation not permitted",
        "priority Operation not permitted",
        "processes True",
    ]


def test_a_changed_contract_is_in_force_after_a_reload(running: Machine) -> None:
    path = "/etc/askfirst/telemetry.toml"
    running.does("sed", "-i", 's/"start", "stop"/"start", "stop", "reload"/', path)
    running.does("systemctl", "reload", "askfirst.service")
    wait_until(lambda: "reload" in running.asks(f"{URL}/v1/contracts/stratus")[1])


def test_a_reload_that_comes_before_it_can_be_ignored_is_followed_by_a_start(
    running: Machine,
) -> None:
    running.does("systemctl", "start", "starting.service")
    running.does("systemctl", "reload", "starting.service")
    wait_until(lambda: running.shows("starting.service", "NRestarts") == "1")
    running.does("systemctl", "stop", "starting.service")


def test_the_backup_copies_the_store_of_the_running_collector(running: Machine) -> None:
    running.does("systemctl", "start", "askfirst-backup.service")
    assert running.does("ls", f"{STORE}-backups").count(".duckdb") == 1


def test_it_stops_without_a_failure_and_starts_from_a_backup_with_tls_on_port_443(
    running: Machine,
) -> None:
    pair = trustme.CA().issue_cert("telemetry.example.org")
    files = {
        "chain.pem": "".join(part.bytes().decode() for part in pair.cert_chain_pems),
        "key.pem": pair.private_key_pem.bytes().decode(),
        "serve.toml": 'contract = ["/etc/askfirst/telemetry.toml"]\nport = 443\nhost = "0.0.0.0"\n'
        'tls-cert = "/etc/askfirst/chain.pem"\ntls-key = "/etc/askfirst/key.pem"\n',
    }
    for name, text in files.items():
        running.does("tee", f"/etc/askfirst/{name}", given=text)
    running.does("chown", "askfirst:", "/etc/askfirst/key.pem")
    running.does("chmod", "0400", "/etc/askfirst/key.pem")
    running.does("mkdir", "/run/units/askfirst.service.d")
    running.does("cp", "/run/direct-tls.conf", "/run/units/askfirst.service.d/")
    running.does("systemctl", "daemon-reload")
    running.does("systemctl", "stop", "askfirst.service")
    assert running.shows("askfirst.service", "Result") == "success"
    assert running.shows("askfirst.service", "ExecMainStatus") == "0"
    [backup] = running.does("sh", "-c", f"ls {STORE}-backups/*.duckdb").split()
    running.does("rm", "-rf", STORE, f"{STORE}.wal")
    running.does("install", "-m", "600", "-o", "askfirst", "-g", "askfirst", backup, STORE)
    running.does("systemctl", "start", "askfirst.service")
    wait_until(lambda: running.asks("https://127.0.0.1/health/ready")[0] == 200)
    status, text = running.asks("https://127.0.0.1/health")
    assert (status, json.loads(text)["ready"]) == (200, True)
    assert "3 events" in running.does(*ASKFIRST, "store", "check")
    running.does("systemctl", "start", "askfirst-backup.service")
    assert running.does("ls", f"{STORE}-backups").count(".duckdb") == 2
