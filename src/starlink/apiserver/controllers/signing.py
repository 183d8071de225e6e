"""The background work on CertificateSigningRequests: approving, signing, and sweeping away those that are done.

What is kept how long is what the real csrcleaner keeps:
https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/certificates/cleaner/cleaner.go
"""

import asyncio
import base64
import contextlib
import logging
from collections.abc import Callable

from cryptography import x509

from starlink.api.errors import StatusError
from starlink.api.timestamp import format_time, parse_time
from starlink.apiserver.names import SERVICE_ACCOUNTS
from starlink.apiserver.objects import Objects
from starlink.apiserver.objects.options import DeleteOptions, WriteOptions
from starlink.apiserver.resources.encoding import Obj, raw
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.certificates import issuing, signing_requests
from starlink.apiserver.security.certificates.issuing import NotIssued, Signer
from starlink.apiserver.security.certificates.signing_requests import (
    APPROVED,
    DENIED,
    FAILED,
    conditions,
    has_condition,
)
from starlink.http.subject import MALFORMED
from starlink.store.base import Expired, Key, Record, StoreUnavailable

log = logging.getLogger(__name__)

APPROVED_SECONDS = 3600.0
DENIED_SECONDS = 3600.0
PENDING_SECONDS = 24 * 3600.0
SWEEP_SECONDS = 60.0
_OPTIONS = WriteOptions(manager="starlink-certificates")


class CertificateController:
    """Follows the requests over one store; `now` is epoch seconds. Without a signer nothing is approved or signed
    here, and who signs elsewhere writes the status."""

    def __init__(self, objects: Objects, registry: Registry, sign: Signer | None, now: Callable[[], float]) -> None:
        resource = registry.get(signing_requests.GROUP, "v1", signing_requests.PLURAL)
        assert resource is not None
        self._resource = resource
        self._objects = objects
        self._store = objects.store
        self._sign = sign
        self._now = now

    async def run(self) -> None:
        """Approves and signs until cancelled."""
        while True:
            with contextlib.suppress(Expired):
                watch = self._store.watch(signing_requests.STORAGE, None, self._store.revision)
                await self.handle_all()
                try:
                    async for events in watch:
                        for event in events:
                            await self._handle(self._store.get(event.record.key))
                except StoreUnavailable:
                    return
            await asyncio.sleep(0)

    async def sweep(self) -> None:
        """Deletes what is done until cancelled, and tries again what could not be signed."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await self.handle_all()
            await self.delete_done()

    async def handle_all(self) -> None:
        """Brings every request a step on: what is pending to approval, what is approved to a certificate."""
        for record in tuple(self._store.list(signing_requests.STORAGE)):
            await self._handle(record)

    async def delete_done(self) -> None:
        """Deletes the requests that nobody waits for any more."""
        now = self._now()
        for record in tuple(self._store.list(signing_requests.STORAGE)):
            if is_done(raw(record), now):
                with contextlib.suppress(StatusError):
                    await self._objects.delete(self._resource, "", record.key.name, DeleteOptions())

    async def _handle(self, record: Record | None) -> None:
        """One request; none keeps the others from their certificates."""
        if record is None or self._sign is None:
            return
        try:
            csr = raw(record)
            if csr["spec"]["signerName"] in issuing.SIGNERS and not csr["metadata"].get("deletionTimestamp"):
                await self._step(csr, self._sign)
        except StatusError as error:  # another write came between, or the store is away; it is looked at again
            log.debug("a certificate request was not written", extra={"csr": record.key.name, "why": error.message})
        except Exception:
            log.exception("a certificate request could not be handled", extra={"csr": record.key.name})

    async def _step(self, csr: Obj, sign: Signer) -> None:
        if not conditions(csr) and issuing.is_approved_unasked(csr, self._account_uid):
            why = "Auto approving agent client certificate"
            await self._write(csr, "approval", lambda obj: self._with(obj, APPROVED, "AutoApproved", why))
        elif is_to_sign(csr):
            await self._issue(csr, sign)

    async def _issue(self, csr: Obj, sign: Signer) -> None:
        try:
            pem = sign(issuing.issue(csr, self._account_uid, self._now()))
        except NotIssued as error:
            why = str(error)
            await self._write(csr, "status", lambda obj: self._with(obj, FAILED, "SignerValidationFailure", why))
        except (OSError, ValueError):
            log.exception("a certificate could not be signed", extra={"csr": csr["metadata"]["name"]})
        else:
            await self._write(csr, "status", lambda obj: _with_certificate(obj, pem))

    async def _write(self, csr: Obj, subresource: str, change: Callable[[Obj], Obj]) -> None:
        """Writes the change unless somebody else was first; the request must still be the same."""
        meta = csr["metadata"]

        def changed(obj: Obj) -> Obj:
            unchanged = obj["metadata"]["uid"] == meta["uid"] and obj.get("status") == csr.get("status")
            return change(obj) if unchanged else obj

        await self._objects.update(self._resource, "", meta["name"], changed, _OPTIONS, subresource=subresource)

    def _with(self, csr: Obj, kind: str, reason: str, message: str) -> Obj:
        now = format_time(self._now())
        condition = {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastUpdateTime": now,
            "lastTransitionTime": now,
        }
        return {**csr, "status": {**(csr.get("status") or {}), "conditions": [*conditions(csr), condition]}}

    def _account_uid(self, namespace: str, name: str) -> str | None:
        record = self._store.get(Key(SERVICE_ACCOUNTS, namespace, name))
        if record is None:
            return None
        meta = raw(record)["metadata"]
        return None if meta.get("deletionTimestamp") else str(meta["uid"])


def is_to_sign(csr: Obj) -> bool:
    """Whether it is approved and has come to nothing yet."""
    refused = has_condition(csr, DENIED) or has_condition(csr, FAILED)
    return has_condition(csr, APPROVED) and not refused and not _certificate(csr)


def is_done(csr: Obj, now: float) -> bool:
    """Whether nobody waits for it any more; `now` in epoch seconds."""
    if not conditions(csr):
        return _age(csr["metadata"]["creationTimestamp"], now) > PENDING_SECONDS
    if _certificate(csr):
        return _since(csr, APPROVED, now) > APPROVED_SECONDS or _has_ended(csr, now)
    if has_condition(csr, DENIED) or has_condition(csr, FAILED):
        return max(_since(csr, DENIED, now), _since(csr, FAILED, now)) > DENIED_SECONDS
    return _since(csr, APPROVED, now) > PENDING_SECONDS


def _certificate(csr: Obj) -> str:
    return (csr.get("status") or {}).get("certificate") or ""


def _with_certificate(csr: Obj, pem: bytes) -> Obj:
    return {**csr, "status": {**(csr.get("status") or {}), "certificate": base64.b64encode(pem).decode()}}


def _since(csr: Obj, kind: str, now: float) -> float:
    """How long a condition has been there; 0 when it has not."""
    found = (
        c.get("lastUpdateTime") or csr["metadata"]["creationTimestamp"] for c in conditions(csr) if c["type"] == kind
    )
    return max((_age(moment, now) for moment in found), default=0.0)


def _age(moment: str, now: float) -> float:
    try:
        return now - parse_time(moment)
    except ValueError:
        return 0.0


def _has_ended(csr: Obj, now: float) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(base64.b64decode(_certificate(csr)))
    except MALFORMED:
        return False
    return certificate.not_valid_after_utc.timestamp() < now
