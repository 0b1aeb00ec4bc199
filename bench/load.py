"""The load on a collector: wrk, which forms requests of events that nobody has sent before."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# wrk runs this in each of its threads. Requests are formed once; before each use its events get
# fresh ids, written into their places by compiled code, so that the load costs little of the
# processors that it shares with what is measured. There is no `response` function: with one, wrk
# hands every answer to Lua, which takes longer than all the rest; it counts what is not 2xx itself.
SCRIPT = """
local ffi, bit = require("ffi"), require("bit")
local per, now, templates = %(events)d, %(now)d, %(templates)d
local counter = 0
function setup(thread) counter = counter + 1; thread:set("seed", counter * 7919 + %(seed)d) end
local hex = ffi.new("uint8_t[16]")
for i = 0, 15 do hex[i] = string.byte("0123456789abcdef", i + 1) end
local r = math.random
local function word() return string.format("%%08x", r(0, 2147483647)) end
local people, apps = {}, {}
local commands = {"start", "stop", "restart", "reload"}
local versions = {"1.2.0", "1.3.0", "1.3.1", "1.4.0"}
local function event()
  return '{"id":"00000000-0000-7000-a' .. string.sub(word(), 6) .. '-' .. string.sub(word(), 5) ..
    word() .. '","installationId":"' .. people[r(20000)] .. '","application":{"name":"' ..
    apps[r(500)] .. '","env":"' .. apps[r(3)] .. '"},"timestamp":' .. (now - r(0, 86400000)) ..
    ',"cli":{"version":"' .. versions[r(4)] .. '","command":"' .. commands[r(4)] ..
    '"},"runtime":"2.0.0"}'
end
local buffers, lengths, places = {}, {}, {}
function init(args)
  math.randomseed(seed)
  for i = 1, 20000 do people[i] = string.rep(word(), 8) end
  for i = 1, 500 do apps[i] = string.rep(word(), 8) end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  %(close)s
  for n = 0, templates - 1 do
    local parts = {}
    for i = 1, per do parts[i] = event() end
    local text = wrk.format(nil, "/v1/events", nil,
      '{"tool":"stratus","events":[' .. table.concat(parts, ",") .. ']}')
    lengths[n] = #text
    buffers[n] = ffi.new("uint8_t[?]", #text)
    ffi.copy(buffers[n], text, #text)
    local found, at = ffi.new("int32_t[?]", per), 0
    for i = 0, per - 1 do
      at = string.find(text, '{"id":"', at + 1, true) + 6
      found[i] = at
    end
    places[n] = found
  end
  first, second, turn = r(0, 2147483647), 0, 0
end
local function write(buffer, at, number, digits)
  for i = digits - 1, 0, -1 do
    buffer[at + i] = hex[bit.band(number, 15)]
    number = bit.rshift(number, 4)
  end
end
function request()
  local buffer, at = buffers[turn], places[turn]
  for i = 0, per - 1 do
    second = second + 1
    write(buffer, at[i], second, 8)
    write(buffer, at[i] + 24, first, 8)
  end
  local length = lengths[turn]
  turn = turn + 1
  if turn == templates then turn = 0 end
  return ffi.string(buffer, length)
end
"""
CLOSE = 'wrk.headers["Connection"] = "close"'


def send(
    url: str, events: int, connections: int, seconds: int, *, threads: int = 1, close: bool = False
) -> dict[str, float]:
    """Send requests of so many events for some seconds; return what wrk measured.

    With 0 events they are wrk's own, a GET. `close`: a connection of its own for each. `load
    µs/request` is what wrk itself took.
    """
    with tempfile.TemporaryDirectory(prefix="askfirst-load-") as folder:
        words = ["-s", _script(Path(folder), events, close=close)] if events else []
        before = os.times()
        done = subprocess.run(
            ["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s",
             "--timeout", "30s", "--latency", *words, url],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        after = os.times()
    text = done.stdout
    if "Non-2xx" in text or "Socket errors" in text:
        print(text, file=sys.stderr)
    requests, took = re.findall(r"(\d+) requests in ([\d.]+)(?:s|m)", text)[0]
    [p99] = re.findall(r"99%\s+([\d.]+)(us|ms|s)", text)
    took = float(took) * (60 if f"in {took}m" in text else 1)
    own = sum(after[2:4]) - sum(before[2:4])
    return {
        "seconds": took,
        "requests/s": int(requests) / took,
        "events/s": int(requests) * events / took,
        "p99 ms": float(p99[0]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[1]],
        "load µs/request": own / max(int(requests), 1) * 1e6,
    }


def _script(folder: Path, events: int, *, close: bool) -> str:
    script = folder / "load.lua"
    script.write_text(
        SCRIPT
        % {
            "events": events,
            "templates": max(200, 20_000 // events),
            "now": int(time.time() * 1000) - 60_000,
            "seed": time.monotonic_ns() % 1_000_000,
            "close": CLOSE if close else "",
        }
    )
    return str(script)
