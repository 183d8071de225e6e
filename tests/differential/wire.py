"""What both servers are asked, and one of them over one connection that is kept."""

import http.client
import json
import re
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from starlink.client.config import Config

UID, VERSION, CONTINUE = "<uid>", "<version>", "<continue>"
"""What a request says in place of what each server makes for itself: the UID and resourceVersion of the object at its
path as this server last told them, and the continue of its last list."""
CLOSED = 0
"""The code where the connection was closed without an answer."""
SECONDS = 60.0
_WARNING = re.compile(r'299 - ("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `path` is that of the object or list, `tail` a subresource with its slash."""

    method: str
    path: str
    body: str = ""
    query: tuple[tuple[str, str], ...] = ()
    media: str = "application/json"
    accept: str = "application/json"
    tail: str = ""

    @property
    def is_dry(self) -> bool:
        return ("dryRun", "All") in self.query

    @property
    def writes(self) -> bool:
        return self.method != "GET" and not self.is_dry

    def __str__(self) -> str:
        asked = f"{self.path}{self.tail}?{urlencode(self.query)}" if self.query else self.path + self.tail
        told = "".join(f" [{word}]" for word in (self.media, self.accept) if word != "application/json")
        return f"{self.method} {asked}{told} {self.body[:1500]}".rstrip()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; `body` is decoded where it is JSON. `uid` and `version` are the object's, before and after
    where it was written."""

    code: int
    media: str = ""
    warnings: tuple[str, ...] = ()
    body: Any = None
    uids: frozenset[str] = frozenset()
    versions: tuple[str, ...] = ()


@dataclass
class Server:
    """One of the two."""

    config: Config
    _connection: http.client.HTTPSConnection | None = None
    _known: dict[str, tuple[str, str]] = field(default_factory=dict)
    _continue: str = ""

    def ask(self, ask: Ask) -> Answer:
        """Sends a request and gives the answer, as this server's own."""
        uid, version = self._known.get(ask.path, ("", ""))
        code, headers, content = self._exchange(ask, uid, version)
        media = headers.get("Content-Type", "").partition(";")[0]
        body = _decoded(media, content)
        warnings = tuple(json.loads(text) for text in _WARNING.findall(", ".join(headers.get_all("Warning") or ())))
        made = self._note(ask, body)
        return Answer(code, media, warnings, body, frozenset({uid, made[0]} - {""}), (version, made[1]))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, ask: Ask, uid: str, version: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        own = ((UID, uid or "none"), (VERSION, version or "1"), (CONTINUE, self._continue or "none"))
        body, query = ask.body, urlencode(ask.query, errors="surrogatepass")
        for word, value in own:
            body, query = body.replace(word, value), query.replace(quote(word), quote(value))
        target = f"{quote(ask.path + ask.tail, safe='/%')}?{query}".rstrip("?")
        headers = {"Content-Type": ask.media, "Accept": ask.accept, "User-Agent": "differential"}
        try:
            return self._send(ask.method, target, body.encode(errors="surrogatepass"), headers)
        except (http.client.HTTPException, ConnectionError):
            self.close()
            return CLOSED, http.client.HTTPMessage(), b""

    def _send(
        self, method: str, target: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        if self._connection is None:
            self._connection = self._connected()
        self._connection.request(method, target, body or None, {name: told for name, told in headers.items() if told})
        answer = self._connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def _connected(self) -> http.client.HTTPSConnection:
        host, _, port = self.config.server.rpartition("/")[2].rpartition(":")
        tls = self.config.tls()
        assert isinstance(tls, ssl.SSLContext)
        return http.client.HTTPSConnection(host, int(port), context=tls, timeout=SECONDS)

    def _note(self, ask: Ask, body: Any) -> tuple[str, str]:
        """Remembers what the answer tells of the object at the path, and gives its UID and resourceVersion."""
        meta = body.get("metadata") if isinstance(body, dict) else None
        if not isinstance(meta, dict):
            return "", ""
        if "continue" in meta:
            self._continue = meta["continue"] or self._continue
        uid, version = meta.get("uid", ""), meta.get("resourceVersion", "")
        if uid and not ask.is_dry:
            self._known[_path_of(ask, meta)] = (uid, version)
        return uid, version


def _path_of(ask: Ask, meta: dict[str, Any]) -> str:
    return f"{ask.path}/{meta['name']}" if ask.method == "POST" and not ask.tail else ask.path


def _decoded(media: str, content: bytes) -> Any:
    if media != "application/json":
        return content.decode(errors="replace")
    return json.loads(content) if content else ""
