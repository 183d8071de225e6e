"""What a library says of a value reaches nobody: neither an answer's reader nor those who read the logs."""

import base64
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
from bench.core import ADMIN, core

from starlink.apiserver.handler import Api
from starlink.apiserver.requests.audit import AuditLog
from starlink.http.message import Request, Response
from starlink.store.etcd import rpc

MARKER = "Hunter2Hunter2"
NUMBER = 4815162342
SHOWN = (MARKER, str(NUMBER), base64.b64encode(MARKER.encode()).decode()[:16])
SECRETS = "/api/v1/namespaces/default/secrets"
GADGETS = "/apis/words.example.com/v1/namespaces/default/gadgets"
JSON, YAML = "application/json", "application/yaml"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
APPLY, JSON_PATCH = "application/apply-patch+yaml", "application/json-patch+json"
HEAD = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  pw: "


def secret(**parts: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}, **parts}


def gadget(**spec: Any) -> dict[str, Any]:
    meta = {"name": "g", "namespace": "default"}
    return {"apiVersion": "words.example.com/v1", "kind": "Gadget", "metadata": meta, "spec": spec}


RULES = ("int(self.word) > 0", "duration(self.word) > duration('1s')", "timestamp(self.word) > timestamp('2020-01-01T00:00:00Z')",
         "self.word.matches(self.word + '(')", "quantity(self.word).isGreaterThan(quantity('1'))", "url(self.word).getHost() == ''",
         "ip(self.word).family() == 4", "[self.word][self.number] == ''", "double(self.word) > 0.0", "[1][int(self.number)] == 1",
         "{'a': 1}[self.word] > 0", "self.number * 9000000000000000 > 0")  # fmt: skip
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.words.example.com"},
    "spec": {
        "group": "words.example.com",
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "word": {"type": "string", "maxLength": 100},
                                    "number": {"type": "integer"},
                                    "rule": {"type": "integer"},
                                },
                                "x-kubernetes-validations": [
                                    {"rule": f"self.rule != {place} || ({rule})"} for place, rule in enumerate(RULES)
                                ],
                            }
                        },
                    }
                },
            }
        ],
    },
}


class Told:
    """All that a server tells: its answers, its audit log, its logs."""

    def __init__(self, api: Api, audit: Path, logs: pytest.LogCaptureFixture) -> None:
        self.api = api
        self._audit = audit
        self._logs = logs

    async def ask(self, method: str, path: str, body: Any, media: str = JSON, **query: str) -> tuple[int, str]:
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        if method == "PATCH":
            query |= {"fieldManager": "m"}
        answer = await self.api.handle(Request(method, path, query, {"content-type": media}, content, ADMIN))
        assert isinstance(answer, Response)
        return answer.status, answer.body.decode() + json.dumps(dict(answer.headers))

    async def refused(self, method: str, path: str, body: Any, media: str = JSON, **query: str) -> str:
        """What is told of a request that is refused, the answer and both logs."""
        self._logs.clear()
        seen = self._audit.stat().st_size if self._audit.exists() else 0
        status, told = await self.ask(method, path, body, media, **query)
        assert 400 <= status < 500, (status, told)
        audited = self._audit.read_text()[seen:]
        assert '"reason":"' in audited
        return told + audited + self._logs.text


@pytest.fixture
async def told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Told]:
    caplog.set_level(logging.DEBUG)
    async with core(tmp_path) as api:
        api._audit = AuditLog(tmp_path / "audit.log", time.time)
        made = Told(api, tmp_path / "audit.log", caplog)
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        for path, obj in ((definitions, DEFINITION), (SECRETS, secret(stringData={"pw": MARKER}))):
            status, said = await made.ask("POST", path, obj)
            assert status == 201, said
        yield made


def shows(text: str) -> list[str]:
    return [one for one in SHOWN if one in text]


CONTENTS: dict[str, dict[str, Any]] = {
    "a number": {"stringData": {"pw": NUMBER}},
    "a list": {"stringData": {"pw": [MARKER]}},
    "an object": {"data": {"pw": {"a": MARKER}}},
    "no base64": {"data": {"pw": f"{MARKER}!"}},
    "no map": {"data": MARKER},
    "no map of text": {"stringData": [MARKER]},
    "a number as data": {"data": NUMBER},
    "too long": {"data": {"pw": base64.b64encode(MARKER.encode() * 100_000).decode()}},
    "of its type": {"type": "kubernetes.io/tls", "stringData": {"pw": MARKER}},
    "also immutable": {"immutable": MARKER, "stringData": {"pw": MARKER}},
}


@pytest.mark.parametrize("contents", CONTENTS)
async def test_no_refusal_shows_what_a_secret_was_to_hold(told: Told, contents: str) -> None:
    """However it is sent: also by who may well know it, for others read the logs."""
    body = secret(**CONTENTS[contents])
    for method, path, media in (
        ("POST", SECRETS, JSON), ("POST", SECRETS, YAML), ("PUT", f"{SECRETS}/s", JSON), ("PATCH", f"{SECRETS}/s", MERGE),
        ("PATCH", f"{SECRETS}/s", STRATEGIC), ("PATCH", f"{SECRETS}/s", APPLY), ("PATCH", f"{SECRETS}/new", APPLY),
    ):  # fmt: skip
        said = await told.refused(
            method, path, body if method != "POST" else {**body, "metadata": {"name": "t"}}, media
        )
        assert not shows(said), (method, media, said)
        assert "data" in said or "immutable" in said, said


@pytest.mark.parametrize(
    "text",
    [
        f"!!int {MARKER}", f"!!bool {MARKER}", f"!!float {MARKER}", f"!{MARKER} x", f"!!{MARKER} x", f"*{MARKER}", f'"{MARKER}\\q"',
        f'"{MARKER}', f"[{MARKER}", f"{MARKER}: {MARKER}: x", f"@{MARKER}", f"x\n  {MARKER}", f"{NUMBER}{NUMBER}{NUMBER}", f"&{MARKER} x\n  pw2: &{MARKER} y",
        f"\t{MARKER}\x01", f"? {MARKER}", f"{NUMBER}", f"!<tag:yaml.org,2002:{MARKER}> x", f"{NUMBER}e999", f"|\n {MARKER}",
    ],
)  # fmt: skip
async def test_yaml_that_is_none_is_told_by_its_place(told: Told, text: str) -> None:
    for body in (f"{HEAD}{text}", HEAD.replace("Secret", "ConfigMap").replace("stringData", "data") + text):
        for method, path, media in (("POST", SECRETS, YAML), ("PATCH", f"{SECRETS}/s", APPLY)):
            said = await told.refused(method, path, body.encode(errors="surrogatepass"), media)
            assert not shows(said), said


@pytest.mark.parametrize(
    "body",
    [
        f'{{"stringData":{{"pw":"{MARKER}', f'{{"stringData":{{"pw":"{MARKER}\\q"}}}}', f'{{"a":"{MARKER}" "{MARKER}"}}', f'"{MARKER}"', f'["{MARKER}"]',
        f'{{"a":{NUMBER}e999}}', f'{{"a":{NUMBER}.}}', f'{{"b":1,"a":{MARKER}}}', f"{NUMBER}", f'{{"a":"{MARKER}\udcff"}}',
    ],
)  # fmt: skip
async def test_json_that_is_none_is_told_by_its_place(told: Told, body: str) -> None:
    for method, path, media in (
        ("POST", SECRETS, JSON), ("PUT", f"{SECRETS}/s", JSON), ("PATCH", f"{SECRETS}/s", MERGE), ("PATCH", f"{SECRETS}/s", JSON_PATCH),
        ("PATCH", f"{SECRETS}/s", APPLY), ("DELETE", f"{SECRETS}/s", JSON), ("POST", SECRETS, "application/vnd.kubernetes.protobuf"),
    ):  # fmt: skip
        said = await told.refused(method, path, body.encode(errors="surrogateescape"), media)
        assert not shows(said), said


@pytest.mark.parametrize("rule", range(len(RULES)), ids=RULES)
async def test_an_expression_that_fails_shows_no_value_that_is_stored(told: Told, rule: int) -> None:
    status, said = await told.ask("POST", GADGETS, gadget(word=MARKER, number=NUMBER, rule=-1))
    assert status == 201, said
    for patch, media in (
        ({"spec": {"rule": rule}}, MERGE),
        ([{"op": "add", "path": "/spec/rule", "value": rule}], JSON_PATCH),
        ({**gadget(rule=rule)}, APPLY),
    ):
        said = await told.refused("PATCH", f"{GADGETS}/g", patch, media, force="true")
        assert not shows(said), said


@pytest.mark.parametrize(
    "expression", [rule.replace("self.word", "string(object.data.pw)") for rule in RULES if "number" not in rule]
)
async def test_a_policy_that_fails_shows_no_secret(told: Told, expression: str) -> None:
    """Its message is told to who may write a Secret, and stands in the audit log."""
    policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    meta = {"name": "p.example.com"}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["secrets"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression}],
        "failurePolicy": "Fail",
    }
    api = {"apiVersion": "admissionregistration.k8s.io/v1"}
    status, said = await told.ask(
        "POST", policies, {**api, "kind": "ValidatingAdmissionPolicy", "metadata": meta, "spec": spec}
    )
    assert status == 201, said
    binding = {**api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": meta, "spec": {"policyName": "p.example.com", "validationActions": ["Deny", "Audit"]}}  # fmt: skip
    status, said = await told.ask("POST", f"{policies.removesuffix('policies')}policybindings", binding)
    assert status == 201, said
    for method, path, body, media in (
        ("PATCH", f"{SECRETS}/s", {"metadata": {"labels": {"a": "b"}}}, MERGE),
        ("POST", SECRETS, {**secret(stringData={"pw": MARKER}), "metadata": {"name": "t"}}, JSON),
    ):
        said = await told.refused(method, path, body, media)
        assert not shows(said), said


def refused_by_etcd() -> Iterator[grpc.aio.AioRpcError]:
    for code in grpc.StatusCode:
        yield grpc.aio.AioRpcError(
            code,
            grpc.aio.Metadata(),
            grpc.aio.Metadata(),
            details=f"{MARKER} at ipv4:10.0.0.1:2379",
            debug_error_string=MARKER,
        )


@pytest.mark.parametrize(
    "error", [*refused_by_etcd(), TimeoutError(MARKER)], ids=lambda error: str(getattr(error, "code", type(error)))
)
def test_what_grpc_says_is_told_by_its_code(error: grpc.aio.AioRpcError | TimeoutError) -> None:
    assert rpc.said(error) and not shows(rpc.said(error)) and "10.0.0.1" not in rpc.said(error)


def test_what_etcd_says_itself_is_told() -> None:
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.aio.Metadata(),
        grpc.aio.Metadata(),
        details="etcdserver: mvcc: database space exceeded",
    )
    assert rpc.said(error) == "RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded"


def _token(header: str, payload: str) -> str:
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in (header, payload, MARKER))


@pytest.mark.parametrize(
    "token",
    [
        _token('{"alg":"ES256"}', f'{{"sub":"{MARKER}"}}'),
        _token(f'{{"alg":"{MARKER}"}}', "{}"),
        _token(f'{{"alg":"ES256","kid":{MARKER}}}', "{}"),
        _token(f'{{"alg":"none","{MARKER}":1}}', f'"{MARKER}"'),
        f"{MARKER}.{MARKER}.{MARKER}",
        f"{MARKER[:6]}.{MARKER}{MARKER}"[:23],
    ],
)
async def test_no_token_is_shown_to_who_asks_for_its_review(told: Told, token: str) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    status, said = await told.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert status == 201
    answer = json.loads(said.partition("}{")[0] + "}")
    assert answer["status"]["error"] and not shows(json.dumps(answer["status"]))
