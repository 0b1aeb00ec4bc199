import gzip
import json
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from askfirst.simulation import DeliveryError, arrivals, deliver
from askfirst.simulation.lines import Lines


class Collector:
    """Answers as a collector does, after the (status, headers) pairs it was told to begin with."""

    def __init__(self):
        self.first, self.bodies, self.connections, self.encodings = [], [], set(), set()
        self.dropped = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers, said = outer.answer(self, json.loads(gzip.decompress(raw)))
                if status == 0:
                    self.close_connection = True
                    return
                body = json.dumps(said).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def answer(self, request, body):
        assert request.path == "/v1/events"
        self.connections.add(request.client_address)
        self.encodings.add(request.headers["Content-Encoding"])
        if self.first:
            status, headers = self.first.pop(0)
            return status, headers, {"error": "not\nso"}
        self.bodies.append(body)
        kept = len(body["events"]) - len(self.dropped)
        return 200, {}, {"accepted": kept, "dropped": self.dropped}

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def population(make):
    return make(days=20, duplicate_share=0.1)


def send(collector, population):
    waits = []
    return deliver(collector.url, population, arrivals(population), sleep=waits.append), waits


def test_everything_is_sent_in_batches_over_one_connection(collector, population):
    delivered, waits = send(collector, population)
    sent = [event for body in collector.bodies for event in body["events"]]
    lines = [line for rows in arrivals(population) for line in Lines(population).of(rows)]

    assert sent == [json.loads(line) for line in lines]
    assert delivered.accepted == len(sent) > 500
    assert max(len(body["events"]) for body in collector.bodies) == 500
    assert {body["contract"] for body in collector.bodies} == {population.contract.digest}
    assert len(collector.connections) == 1
    assert collector.encodings == {"gzip"}
    assert waits == []


@pytest.mark.parametrize("status", [408, 429, 500, 503, 0])
def test_a_collector_that_cannot_now_is_asked_again_later(collector, population, status):
    collector.first = [(status, {})] * 3
    delivered, waits = send(collector, population)

    assert delivered.accepted > 0
    assert waits == [0.5, 1.0, 2.0]


def test_retry_after_is_honoured_in_both_spellings(collector, population):
    began = time.time()
    collector.first = [
        (503, {"Retry-After": "7"}),
        (429, {"Retry-After": formatdate(began + 100, usegmt=True)}),
        (429, {"Retry-After": "soon"}),
    ]
    _, waits = send(collector, population)

    assert waits[0] == 7
    assert 99 - (time.time() - began) < waits[1] <= 100  # a date has whole seconds
    assert waits[2] == 2.0


@pytest.mark.parametrize("status", [400, 404, 413, 415, 422])
def test_a_refusal_for_good_ends_it_with_the_collector_s_reason(collector, population, status):
    collector.first = [(status, {})]
    with pytest.raises(DeliveryError, match=r"refuses a batch: not so$"):
        send(collector, population)


def test_it_gives_up_after_ten_tries(collector, population):
    collector.first = [(503, {})] * 10
    with pytest.raises(DeliveryError, match="tried 10 times: 503"):
        send(collector, population)


def test_an_answer_that_is_none_is_said_to_be_none(collector, population):
    collector.dropped = [1]
    with pytest.raises(DeliveryError, match="does not answer as a collector does"):
        send(collector, population)


def test_dropped_events_are_counted_by_reason(collector, population):
    collector.dropped = [{"id": "…", "reason": "too-old"}]
    delivered, _ = send(collector, population)

    assert delivered.dropped == {"too-old": len(collector.bodies)}


def test_events_go_in_the_clear_to_this_machine_only(population):
    with pytest.raises(DeliveryError, match="https"):
        deliver("http://telemetry.example.org", population, [])
