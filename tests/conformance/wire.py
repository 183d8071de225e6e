"""The wire to the server under test: requests, answers, refusals and watches."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx
import pytest

Obj = dict[str, Any]

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
SECONDS = 30.0
"""How long anything that happens beside the requests may take."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered; `json` is None when the body is not JSON."""

    status: int
    headers: httpx.Headers
    json: Any
    body: bytes

    def expect(self, status: int) -> Any:
        """The decoded body of an answer with this status; the test fails on any other."""
        assert self.status == status, f"wanted {status}, got {self.status}: {self.body.decode(errors='replace')}"
        return self.json

    def fails(self, status: int, reason: str) -> Obj:
        """The Status of a refusal with this code and reason; the test fails on anything else."""
        refused: Obj = self.expect(status)
        assert (refused["apiVersion"], refused["kind"], refused["status"]) == ("v1", "Status", "Failure"), refused
        assert (refused["code"], refused.get("reason")) == (status, reason), refused
        return refused

    @property
    def warnings(self) -> list[str]:
        """The texts of the Warning headers."""
        found = re.findall(r'299 - ("(?:[^"\\]|\\.)*")', ", ".join(self.headers.get_list("warning")))
        return [json.loads(text) for text in found]


def causes(status: Obj) -> dict[str, str]:
    """The field and message of every cause of a Status."""
    found = status.get("details", {}).get("causes", [])
    return {cause.get("field", ""): cause["message"] for cause in found}


class Http:
    """A raw HTTPS session with the credentials of a kubeconfig."""

    def __init__(self, client: httpx.Client, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.client = client
        self._headers = tuple(headers)

    def acting(self, user: str, groups: Sequence[str] = ()) -> "Http":
        """The same session as somebody else, by impersonation."""
        named = [("Impersonate-User", user), *(("Impersonate-Group", group) for group in groups)]
        return Http(self.client, named)

    def request(
        self, method: str, path: str, body: Any = None, *,
        headers: Mapping[str, str] | None = None, query: Mapping[str, Any] | None = None,
    ) -> Answer:  # fmt: skip
        """Sends one request. Bytes and text go as they are; any other body as JSON, typed so unless `headers` say."""
        content, given = _encoded(body, dict(headers or {}))
        sent = [*self._headers, *given.items()]
        done = self.client.request(method, path, content=content, headers=sent, params=_query(query or {}) or None)
        return Answer(done.status_code, done.headers, _decoded(done), done.content)

    def get(self, path: str, *, accept: str = "", **query: Any) -> Answer:
        return self.request("GET", path, headers={"Accept": accept} if accept else {}, query=query)

    def post(self, path: str, body: Any, **query: Any) -> Answer:
        return self.request("POST", path, body, query=query)

    def put(self, path: str, body: Any, **query: Any) -> Answer:
        return self.request("PUT", path, body, query=query)

    def delete(self, path: str, body: Any = None, **query: Any) -> Answer:
        return self.request("DELETE", path, body, query=query)

    def patch(self, path: str, body: Any, media: str = MERGE, **query: Any) -> Answer:
        return self.request("PATCH", path, body, headers={"Content-Type": media}, query=query)

    def apply(self, path: str, body: Any, manager: str = "conformance", **query: Any) -> Answer:
        """A server-side apply."""
        return self.patch(path, body, APPLY, fieldManager=manager, **query)


def _encoded(body: Any, headers: dict[str, str]) -> tuple[bytes | None, dict[str, str]]:
    if body is None:
        return None, headers
    if isinstance(body, bytes | str):
        return body if isinstance(body, bytes) else body.encode(), headers
    return json.dumps(body).encode(), {"Content-Type": "application/json", **headers}


def _query(query: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in query.items()}


def _decoded(done: httpx.Response) -> Any:
    if not done.content or "json" not in done.headers.get("content-type", ""):
        return None
    return done.json()


class Watch:
    """The events of one watch, until the server ends it; waiting longer than the deadline fails the test."""

    def __init__(self, http: Http, path: str, accept: str, query: Mapping[str, Any]) -> None:
        self._end = time.monotonic() + SECONDS
        headers = [*http._headers, *([("Accept", accept)] if accept else [])]
        asked = http.client.build_request(
            "GET", path, headers=headers, params=_query({"watch": True, **query}), timeout=SECONDS
        )
        self._response = http.client.send(asked, stream=True)
        if self._response.status_code != 200:
            self._response.read()
        self._lines = self._response.iter_lines()

    @property
    def refusal(self) -> Answer | None:
        """The answer, when the watch was refused."""
        done = self._response
        return Answer(done.status_code, done.headers, _decoded(done), done.content) if done.is_closed else None

    @property
    def headers(self) -> httpx.Headers:
        return self._response.headers

    def __iter__(self) -> "Watch":
        return self

    def __next__(self) -> Obj:
        if self._response.status_code != 200:
            pytest.fail(f"the watch was refused: {self._response.text}")
        try:
            event: Obj = json.loads(next(self._lines))
        except httpx.TimeoutException:
            self._late()
        if time.monotonic() > self._end:
            self._late()
        return event

    def until(self, type_: str, name: str = "") -> Obj:
        """The object of the next event of this type (and name), past all others."""
        for event in self:
            if event["type"] == type_ and name in ("", event["object"]["metadata"].get("name")):
                found: Obj = event["object"]
                return found
        pytest.fail(f"the watch ended before {type_} {name}")

    def take(self, count: int) -> list[tuple[str, str]]:
        """The types and names of the next `count` events."""
        taken = [next(self) for _ in range(count)]
        return [(event["type"], event["object"]["metadata"].get("name", "")) for event in taken]

    def close(self) -> None:
        self._response.close()

    def _late(self) -> NoReturn:
        pytest.fail(f"the watch gave nothing that was waited for within {SECONDS:g} s")


Watching = Callable[..., Watch]
"""What the fixture `watch` is."""
