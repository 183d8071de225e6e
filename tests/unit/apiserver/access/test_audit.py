"""The audit log: what is written down, and what becomes of the file."""

import asyncio
import datetime
import logging
import os
import random
import resource
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.integration.conftest import ADMIN, Core

from starlink.apiserver.handler import Api
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.requests import audit
from starlink.apiserver.requests.audit import AuditLog, bounded, entry, is_audited
from starlink.apiserver.requests.route import route
from starlink.apiserver.resources.encoding import finder
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.certificates.pki import Pki
from starlink.http.message import Request, Response, User
from starlink.store.memory import MemoryStore

NOW = 1_900_000_000.0
REGISTRY = Registry(builtin_resources())
SECRETS = "/api/v1/namespaces/default/secrets"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WORD = "c2VjcmV0LXdvcmQ="


def lines(path: Path) -> list[Any]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


def opened(path: Path, **options: Any) -> AuditLog:
    return AuditLog(path, lambda: NOW, **options)


# What is written


@pytest.mark.parametrize(
    ("method", "path", "audited"),
    [
        ("POST", "/api/v1/namespaces/a/configmaps", True),
        ("PUT", "/api/v1/namespaces/a/configmaps/x", True),
        ("PATCH", "/api/v1/namespaces/a/configmaps/x", True),
        ("DELETE", "/api/v1/namespaces/a/configmaps/x", True),
        ("DELETE", "/api/v1/namespaces/a/configmaps", True),
        ("GET", "/api/v1/namespaces/a/configmaps", False),
        ("GET", "/api/v1/namespaces/a/secrets", True),
        ("GET", "/api/v1/namespaces/a/secrets/x", True),
        ("POST", "/api/v1/namespaces/a/serviceaccounts/x/token", True),
        ("PUT", f"{LEASES}/x", False),
        ("POST", REVIEWS, False),
    ],
)
def test_what_is_audited(method: str, path: str, audited: bool) -> None:
    assert is_audited(route(REGISTRY, Request(method, path))) is audited


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (Response(201, b'{"kind":"ConfigMap","metadata":{"name":"made-x7k2p"},"data":{"name":"no"}}'), "made-x7k2p"),
        (Response(409, b'{"kind":"Status","metadata":{},"details":{"name":"there"},"code":409}'), "there"),
        (Response(400, b'{"kind":"Status","metadata":{},"code":400}'), None),
        (Response(500, b"<no json>"), None),
    ],
)
def test_what_a_create_was_of_is_in_its_answer(answer: Response, name: str | None) -> None:
    request = Request("POST", "/api/v1/namespaces/a/configmaps")
    assert entry(request, route(REGISTRY, request), answer, "", {}).get("name") == name


def test_pages_are_not_audited() -> None:
    assert not is_audited(None)


def test_the_fields() -> None:
    user = User("jane", ("devs",), "7")
    headers = {"user-agent": "kubectl", "authorization": "Bearer word"}
    request = Request("PATCH", f"{SECRETS}/x", {"fieldManager": "m"}, headers, b"{}", user, "192.0.2.1")
    asked = route(REGISTRY, request)
    assert entry(request, asked, Response(403), "because", {"p/a": "b"}) == {
        "user": "jane",
        "groups": ("devs",),
        "sourceIP": "192.0.2.1",
        "userAgent": "kubectl",
        "verb": "patch",
        "resource": "secrets",
        "namespace": "default",
        "name": "x",
        "requestURI": f"{SECRETS}/x",
        "code": 403,
        "reason": "because",
        "annotations": {"p/a": "b"},
    }


def test_who_sent_it_and_as_whom() -> None:
    acting = User("jane", ("devs",), "7", (("scopes", ("view",)),))
    request = Request("DELETE", f"{SECRETS}/x", user=acting, sender=User("admin", ("system:masters",)))
    told = entry(request, route(REGISTRY, request), Response(200), "", {})
    assert (told["user"], told["groups"]) == ("admin", ("system:masters",))
    info = {"username": "jane", "uid": "7", "groups": ["devs"], "extra": {"scopes": ["view"]}}
    assert told["impersonatedUser"] == info


def test_a_line_is_an_entry_with_its_time(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "audit.log"
    log = opened(path)
    log.write({"user": "jané\n"})
    log.close()
    log = opened(path)
    log.write({"user": "b"})
    log.close()
    assert lines(path) == [
        {"time": "2030-03-17T17:46:40.000000Z", "user": "jané\n"},
        {"time": "2030-03-17T17:46:40.000000Z", "user": "b"},
    ]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


TEXTS = st.one_of(st.text(max_size=40), st.integers(1000, 1040).map("x".__mul__))
VALUES = st.recursive(
    TEXTS | st.integers(0, 600),
    lambda values: st.lists(values, max_size=70) | st.dictionaries(TEXTS, values, max_size=70),
    max_leaves=80,
)


@given(st.dictionaries(st.sampled_from(["user", "groups", "reason", "annotations"]), VALUES, max_size=4))
def test_every_line_is_bounded_however_it_was_made(entry: dict[str, Any]) -> None:
    line = audit._line(entry)
    assert line == msgspec.json.encode(bounded(entry)) + b"\n"


# Rotation


def test_a_full_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = opened(path, max_bytes=150, kept=2)
    for number in range(11):
        log.write({"n": number})
    log.close()
    kept = {file.name: [line["n"] for line in lines(file)] for file in tmp_path.iterdir()}
    assert kept == {"audit.log": [9, 10], "audit.log.1": [6, 7, 8], "audit.log.2": [3, 4, 5]}
    for file in tmp_path.iterdir():
        assert file.stat().st_size <= 150 and file.stat().st_mode & 0o777 == 0o600


def test_an_entry_larger_than_a_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = opened(path, max_bytes=100)
    log.write({"reason": "x" * 300})
    log.write({"n": 1})
    log.close()
    assert [line.get("n") for line in lines(path)] == [1]
    assert len(lines(path.with_name("audit.log.1"))[0]["reason"]) == 300


def test_a_rotation_that_fails_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, blocked = tmp_path / "audit.log", tmp_path / "audit.log.1"
    blocked.mkdir()
    log = opened(path, max_bytes=100, kept=1)
    for number in range(4):
        log.write({"n": number})
    assert [line["n"] for line in lines(path)] == [0, 1, 2, 3]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    blocked.rmdir()
    log.write({"n": 4})
    log.close()
    assert [line["n"] for line in lines(path)] == [4]
    assert [line["n"] for line in lines(blocked)] == [0, 1, 2, 3]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_a_file_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = opened(path, max_bytes=60)
    log.write({"n": 0})
    path.unlink()
    log.write({"n": 1})
    log.close()
    assert [line["n"] for line in lines(path)] == [1]


# A full disk


def test_a_full_disk_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "audit.log"
    log = opened(path)
    log.write({"n": 0})
    before, limits = path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before + 10, limits[1]))  # a part of a line fits
    try:
        for number in (1, 2):
            log.write({"n": number})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.stat().st_size == before, "no half line stays"
    for number in (3, 4):
        log.write({"n": number})
    log.close()
    assert [line["n"] for line in lines(path)] == [0, 3, 4]
    told = [(record.levelname, record.message) for record in caplog.records]
    assert told == [
        ("ERROR", "the audit log can't be written; entries may be lost"),
        ("WARNING", "the audit log is written again"),
    ]
    assert vars(caplog.records[1])["lost"] == 2


# Lines that wait for each other


@dataclass
class Turn:
    """The end of a turn of the loop, which comes when the test says so."""

    calls: list[Callable[[], None]] = field(default_factory=list)

    def end(self) -> None:
        calls = list(self.calls)
        self.calls.clear()
        for call in calls:
            call()


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many lines each write to the system has."""
    found: list[int] = []
    write = os.write

    def noted(file: int, data: bytes) -> int:
        found.append(data.count(b"\n"))
        return write(file, data)

    monkeypatch.setattr(os, "write", noted)
    return found


def test_the_lines_of_a_turn_are_written_at_once(tmp_path: Path, writes: list[int]) -> None:
    path, turn = tmp_path / "audit.log", Turn()
    log = opened(path, later=turn.calls.append)
    for number in range(50):
        log.write({"n": number})
    assert log.waits and lines(path) == [] and len(turn.calls) == 1
    turn.end()
    assert not log.waits and writes == [50]
    log.write({"n": 50})
    log.flush()
    assert not log.waits and [line["n"] for line in lines(path)] == list(range(51))
    turn.end()
    log.write({"n": 51})
    log.close()
    assert writes == [50, 1, 1] and len(lines(path)) == 52


def test_lines_that_a_file_does_not_take_go_into_the_next(tmp_path: Path, writes: list[int]) -> None:
    path, turn = tmp_path / "audit.log", Turn()
    log = opened(path, max_bytes=150, kept=2, later=turn.calls.append)
    for number in range(11):
        log.write({"n": number})
    turn.end()
    log.close()
    kept = {file.name: [line["n"] for line in lines(file)] for file in tmp_path.iterdir()}
    assert kept == {"audit.log": [9, 10], "audit.log.1": [6, 7, 8], "audit.log.2": [3, 4, 5]}
    assert writes == [3, 3, 3, 2]
    for file in tmp_path.iterdir():
        assert file.stat().st_size <= 150


def test_of_lines_that_the_disk_does_not_take_those_that_it_takes_are_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, turn = tmp_path / "audit.log", Turn()
    log = opened(path, later=turn.calls.append)
    log.write({"n": 0})
    turn.end()
    size, limits = path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size * 3 + 10, limits[1]))  # two more lines, and a part of one
    try:
        for number in range(1, 6):
            log.write({"n": number})
        turn.end()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [line["n"] for line in lines(path)] == [0, 1, 2]
    log.write({"n": 6})
    turn.end()
    log.close()
    assert [line["n"] for line in lines(path)] == [0, 1, 2, 6]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert vars(caplog.records[1])["lost"] == 3


# In the server


@pytest.fixture
async def api(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """An API server whose audit log is the parameter, by default a file of the test's own."""
    store = MemoryStore()
    tokens = TokenIssuer(Pki(tmp_path / "pki", datetime.datetime.fromtimestamp(NOW, datetime.UTC)).token_key)
    log = opened(getattr(request, "param", tmp_path / "audit.log"))
    made = Api(
        store, Registry(builtin_resources()), tokens, version="v1.32.0", now=lambda: NOW, clock=lambda: 0.0,
        authenticate=Authenticator(tokens, finder(store), lambda: NOW).of_token, rng=random.Random(1), audit=log,
    )  # fmt: skip
    await made.start()
    yield made
    await made.stop()
    log.close()


async def test_no_body_and_no_token_is_written(api: Api, tmp_path: Path) -> None:
    core = Core(api)
    secret = {"metadata": {"name": "s"}, "data": {"password": WORD}}
    body = msgspec.json.encode(secret)
    headers = {"content-type": "application/json", "authorization": "Bearer bearer-word"}
    made = await api.handle(Request("POST", SECRETS, {"pretty": "query-word"}, headers, body, ADMIN))
    assert isinstance(made, Response) and made.status == 201
    await core("GET", f"{SECRETS}/s")
    await core("GET", SECRETS)
    await core("GET", SECRETS, user=User("jane"))
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await core("POST", accounts, {"metadata": {"name": "a"}})
    token = (await core("POST", f"{accounts}/a/token", {"spec": {}})).body["status"]["token"]
    await core("DELETE", f"{SECRETS}/s")
    text = (tmp_path / "audit.log").read_text()
    for word in (WORD, "secret-word", "bearer-word", "query-word", token, token.split(".")[2]):
        assert word not in text
    told = [
        (line["verb"], line["resource"], line.get("subresource", ""), line["code"])
        for line in lines(tmp_path / "audit.log")
    ]
    assert told == [
        ("create", "secrets", "", 201), ("get", "secrets", "", 200), ("list", "secrets", "", 200),
        ("list", "secrets", "", 403), ("create", "serviceaccounts", "", 201),
        ("create", "serviceaccounts", "token", 201), ("delete", "secrets", "", 200),
    ]  # fmt: skip


@pytest.mark.parametrize("api", [Path("/dev/full")], indirect=True)
async def test_a_full_disk_fails_no_request(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    core = Core(api)
    with caplog.at_level(logging.ERROR):
        for name in ("a", "b"):
            assert (await core("POST", SECRETS, {"metadata": {"name": name}})).status == 201
    assert [record.message for record in caplog.records] == ["the audit log can't be written; entries may be lost"]
    assert vars(caplog.records[0])["error"] == "No space left on device"


async def test_who_goes_away_before_the_answer_leaves_a_line(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for may have been done."""
    begun = asyncio.Event()

    async def put(*_: Any, **__: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(api.store, "put", put)
    body = msgspec.json.encode({"metadata": {"name": "s"}})
    asking = asyncio.create_task(api.handle(Request("POST", SECRETS, {}, {}, body, ADMIN)))
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    (line,) = lines(tmp_path / "audit.log")
    assert (line["verb"], line["requestURI"], line["code"]) == ("create", SECRETS, 499)
    assert line["reason"] == "the client went away before it was answered; what it asked for may have been done"
