"""CertificateSigningRequests: what they are refused for. Pure.

What a request leads to is in `issuing`, and who may approve and sign it in `authorization.signers`. Sources: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
and https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/certificates/validation/validation.go
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

from cryptography import x509

from starlink.api.errors import Cause
from starlink.api.timestamp import format_time
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.schema.formats import is_subdomain
from starlink.http.message import User
from starlink.http.subject import MALFORMED

GROUP = "certificates.k8s.io"
PLURAL = "certificatesigningrequests"
STORAGE = f"{GROUP}/{PLURAL}"
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
AGENT_SIGNER = "starlink.dev/agent"
LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
MIN_SECONDS = 600
USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip

_HEAD = "-----BEGIN CERTIFICATE REQUEST-----"
_SIGNER_PATH = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SIGNER_RULE = "must be a fully qualified domain and path of the form 'example.com/signer-name'"


def conditions(csr: Obj) -> list[Obj]:
    """Those of a request that its schema may not have seen yet."""
    status = csr.get("status")
    found = status.get("conditions") if isinstance(status, dict) else None
    return [condition for condition in found if isinstance(condition, dict)] if isinstance(found, list) else []


def has_condition(csr: Obj, kind: str) -> bool:
    return any(condition.get("type") == kind for condition in conditions(csr))


def prepare(obj: Obj, old: Obj | None, user: User, now: float) -> None:
    """Puts into `obj` who asks, whatever it says; keeps the spec of a request that is there; dates conditions."""
    if old is not None:
        obj["spec"] = old["spec"]
        _date(obj, old, format_time(now))
        return
    obj["status"] = {}
    if not isinstance(obj.get("spec", {}), dict):
        return  # which the schema refuses
    spec = {key: value for key, value in (obj.get("spec") or {}).items() if key not in ("uid", "groups", "extra")}
    obj["spec"] = {**spec, **user.info()}


def _date(obj: Obj, old: Obj, now: str) -> None:
    before = {(condition["type"], condition.get("status")): condition for condition in conditions(old)}
    for condition in conditions(obj):
        same = before.get((condition.get("type", ""), condition.get("status")), {})
        if not condition.get("lastUpdateTime"):
            condition["lastUpdateTime"] = now
        if not condition.get("lastTransitionTime"):
            condition["lastTransitionTime"] = same.get("lastTransitionTime") or now


def parse(text: str) -> x509.CertificateSigningRequest:
    """The request that `spec.request` holds, its signature checked. Raises ValueError with why it is refused."""
    try:
        pem = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("illegal base64 data") from None
    if not pem.decode("ascii", "replace").lstrip().startswith(_HEAD):
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    try:
        request = x509.load_pem_x509_csr(pem)
        signed = request.is_signature_valid
        _ = request.subject, list(request.extensions)
    except MALFORMED:
        raise ValueError("can't be read as a PKCS#10 request; make one with `openssl req -new`") from None
    if not signed:
        raise ValueError("x509: the request's signature is not that of its key")
    return request


def check(obj: Obj, old: Obj | None, subresource: str) -> tuple[Cause, ...]:
    """Why a request, or a change of its conditions or certificate, is refused."""
    found = _spec(obj["spec"]) if old is None else _update(obj, old, subresource)
    return (*found, *_conditions(obj))


def _spec(spec: Obj) -> Iterator[Cause]:
    try:
        parse(spec["request"])
    except ValueError as error:
        yield _invalid("spec.request", f"{spec['request'][:32]}...", str(error))
    if not spec["usages"]:
        yield Cause("FieldValueRequired", "Required value", "spec.usages")
    seen = set()
    for index, usage in enumerate(spec["usages"]):
        if usage not in USAGES:
            supported = ", ".join(map(json.dumps, USAGES))
            why = f"Unsupported value: {json.dumps(usage)}: supported values: {supported}"
            yield Cause("FieldValueNotSupported", why, f"spec.usages[{index}]")
        elif usage in seen:
            yield Cause("FieldValueDuplicate", f"Duplicate value: {json.dumps(usage)}", f"spec.usages[{index}]")
        seen.add(usage)
    domain, _, path = spec["signerName"].partition("/")
    if not spec["signerName"]:
        yield Cause("FieldValueRequired", "Required value", "spec.signerName")
    elif spec["signerName"] == LEGACY_SIGNER:
        yield _invalid("spec.signerName", LEGACY_SIGNER, "the legacy signerName is not allowed via this API version")
    elif not is_subdomain(domain) or "." not in domain or not _SIGNER_PATH.fullmatch(path):
        yield _invalid("spec.signerName", spec["signerName"], _SIGNER_RULE)
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < MIN_SECONDS:
        why = f"may not specify a duration less than {MIN_SECONDS} seconds (10 minutes)"
        yield Cause("FieldValueInvalid", f"Invalid value: {seconds}: {why}", "spec.expirationSeconds")


def _conditions(obj: Obj) -> Iterator[Cause]:
    told = [condition["type"] for condition in conditions(obj)]
    for index, condition in enumerate(conditions(obj)):
        kind, field = condition["type"], f"status.conditions[{index}]"
        if not kind:
            yield Cause("FieldValueRequired", "Required value", f"{field}.type")
        other = {APPROVED: DENIED, DENIED: APPROVED}.get(kind)
        if other in told[:index]:
            yield _invalid(f"{field}.type", kind, "Approved and Denied conditions are mutually exclusive")
        if kind in (APPROVED, DENIED, FAILED) and condition["status"] != "True":
            why = f'Unsupported value: {json.dumps(condition["status"])}: supported values: "True"'
            yield Cause("FieldValueNotSupported", why, f"{field}.status")


def _update(obj: Obj, old: Obj, subresource: str) -> Iterator[Cause]:
    for kind in (APPROVED, DENIED, FAILED):
        before, after = _of(old, kind), _of(obj, kind)
        if before is not None and after is None:
            yield _forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')
        elif subresource != "approval" and kind != FAILED and before is None and after is not None:
            yield _forbidden("status.conditions", f'updates may not add a condition of type "{kind}"')
        elif subresource != "approval" and kind != FAILED and before != after:
            yield _forbidden("status.conditions", f'updates may not modify a condition of type "{kind}"')
    certificate, known = certificate_of(obj), certificate_of(old)
    if certificate == known:
        return
    if known:
        yield _forbidden("status.certificate", "updates may not modify existing certificate content")
    elif not _holds_certificates(certificate):
        yield _invalid("status.certificate", "<certificate data>", "must be PEM blocks of type CERTIFICATE")


def _of(obj: Obj, kind: str) -> Obj | None:
    return next((condition for condition in conditions(obj) if condition["type"] == kind), None)


def certificate_of(obj: Obj) -> str:
    """The certificate of a request, empty when it has none."""
    return (obj.get("status") or {}).get("certificate") or ""


def _holds_certificates(text: str) -> bool:
    try:
        return bool(x509.load_pem_x509_certificates(base64.b64decode(text, validate=True)))
    except MALFORMED:
        return False


def _forbidden(field: str, why: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {why}", field)


def _invalid(field: str, value: Any, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {json.dumps(value)}: {why}", field)
