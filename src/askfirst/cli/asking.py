"""Gets an answer: from a store on this machine, or from a collector over HTTP."""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from askfirst.cli import own_collector
from askfirst.cli.main import Failure
from askfirst.collector import config as settings
from askfirst.collector.announcing import Announcement, who_serves
from askfirst.contract.loading import is_loopback, url_problem
from askfirst.stores.base import Store, StoreError, StoreHeldError
from askfirst.stores.opening import identity, shown

PATIENCE = 120  # seconds; the collector itself waits up to 30 for its loader before it answers
LONGEST = 1 << 28  # bytes of an answer; a store of ten tools and years stays below a hundredth

Answers = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, in one go; `tool` None stands for the only one there is."""

    reports: tuple[str, ...]
    tool: str | None
    as_of: date


def ask_store(asked: Asked, store: str | None, token_file: str | None) -> tuple[Asked, Answers]:
    """Answer from a store, or from the collector that holds it; tell what was asked in the end.

    `store` is its path or URL, None the default. The answers stand by the names of their reports.
    Raises Failure.
    """
    from askfirst.collector.naming import open_own

    try:
        place = settings.place_of(store, os.environ)
    except StoreError as error:
        raise Failure(str(error)) from error
    try:
        with closing(open_own(place, os.environ, create=False)) as opened:
            return _ask(asked, opened, place)
    except StoreHeldError as error:
        holder = holder_of(place, error)
        return asked, ask_server(asked, holder.url, token_file, holder.certificate)
    except StoreError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(
            f"{error.filename or shown(place)} cannot be used: {error.strerror}"
        ) from error


def _ask(asked: Asked, store: Store, place: str) -> tuple[Asked, Answers]:
    from askfirst import questions
    from askfirst.collector.pending import load_pending

    # what a collector acknowledged before it was killed counts like everything else
    load_pending(settings.beside(place, "-log", os.environ), store, lambda _: None)
    tools = list(store.tools())
    known = ", ".join(tools) or "none yet"
    if asked.tool is None and len(tools) != 1:
        raise Failure(f"say which tool, with --tool; the store knows {known}")
    if asked.tool is not None and asked.tool not in tools:
        raise Failure(f"the store knows no tool {asked.tool}; it knows {known}")
    tool = asked.tool or tools[0]
    answers = {name: questions.ask(store, name, tool, asked.as_of) for name in asked.reports}
    return replace(asked, tool=tool), answers


def holder_of(place: str, error: StoreError) -> Announcement:
    """Return what the collector that holds a store announces. Raises Failure, with `error`, if it
    is none that does.
    """
    path = settings.beside(place, "-server.json", os.environ)
    found = who_serves(path, identity(place))
    if found is None:
        raise Failure(str(error)) from error
    return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to wherever it points."""

    def redirect_request(self, *_: object) -> None:
        return None


def ask_server(
    asked: Asked, url: str, token_file: str | None, certificate: str | None = None
) -> Answers:
    """Answer from a collector, by the names of the reports. Raises Failure.

    `certificate` is the file of the one it has to show; without, its name and authority count.
    """
    opener, token = _opener(url, certificate), _token(token_file)
    parameters = {"as_of": asked.as_of.isoformat(), **({"tool": asked.tool} if asked.tool else {})}
    targets = {name: f"/v1/answers/{name}?{urlencode(parameters)}" for name in asked.reports}
    return {name: _fetch(opener, url, target, token, None) for name, target in targets.items()}


def send(
    url: str,
    target: str,
    body: bytes,
    token_file: str | None,
    patience: float = PATIENCE,
    certificate: str | None = None,
) -> dict[str, Any]:
    """POST JSON to a collector; wait `patience` seconds. Raises Failure."""
    return _fetch(_opener(url, certificate), url, target, _token(token_file), body, patience)


def _opener(url: str, certificate: str | None) -> urllib.request.OpenerDirector:
    problem = url_problem(url)
    if problem:
        raise Failure(problem)
    handlers: list[urllib.request.BaseHandler] = [
        _NoRedirect(),
        own_collector.Handler(Path(certificate))
        if certificate
        else urllib.request.HTTPSHandler(context=_trusting()),
    ]
    if is_loopback(urlsplit(url).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def _fetch(
    opener: urllib.request.OpenerDirector,
    url: str,
    target: str,
    token: str,
    body: bytes | None,
    patience: float = PATIENCE,
) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - url_problem lets only http(s) through
        url.rstrip("/") + target,
        data=body,
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            **({} if body is None else {"Content-Type": "application/json"}),
        },
    )
    try:
        with opener.open(request, timeout=patience) as response:
            answer = response.read(LONGEST)
    except urllib.error.HTTPError as error:
        with error:
            raise Failure(_refusal(url, error)) from error
    except (urllib.error.URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        raise Failure(f"{url} cannot be asked: {reason}; is a collector running there?") from error
    return _decoded(url, answer)


def _decoded(url: str, body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Failure(f"{url} answers, but not as a collector does; check the address")
    return answer


def _refusal(url: str, error: urllib.error.HTTPError) -> str:
    if error.code in (401, 403):
        return f"{url} does not take this token; give the collector's with --token-file"
    try:
        said = json.loads(error.read(LONGEST))["error"]
    except (ValueError, KeyError, TypeError, OSError, HTTPException):
        said = f"{error.code} {error.reason}"
    return f"{url} refuses: {said}"


def _trusting() -> ssl.SSLContext:
    """Trust the system's roots and, besides them, those in SSL_CERT_FILE."""
    context = ssl.create_default_context()
    more = os.environ.get("SSL_CERT_FILE")
    if more:
        try:
            context.load_verify_locations(more)
        except OSError as error:
            raise Failure(f"SSL_CERT_FILE {more} cannot be read: {error.strerror}") from error
    return context


def _token(file: str | None) -> str:
    """Return the token: from --token-file, ASKFIRST_TOKEN, or this user's own collector's."""
    given = os.environ.get("ASKFIRST_TOKEN", "").strip()
    try:
        path = Path(file) if file else settings.state_folder(os.environ) / "token"
    except StoreError as error:  # no home
        raise Failure(str(error)) from error
    if given and not file:
        token = given
    else:
        try:
            token = path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise Failure(
                f"no token: {path}: {error.strerror}; set ASKFIRST_TOKEN or give --token-file"
            ) from error
        except UnicodeDecodeError as error:
            raise Failure(f"{path} holds no token") from error
    if not token or not token.isascii() or not token.isprintable():
        raise Failure("the token is empty or not one line of text; copy it again")
    return token
