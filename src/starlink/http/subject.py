"""Whom a certificate's subject names. Pure."""

from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

UID_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57683.2")
"""The attribute of a subject that holds the user's UID, as Kubernetes names it (KEP 4633)."""

MALFORMED = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for a certificate or request that makes no sense, when it is read or looked into."""

ACCOUNT_PREFIX = "system:serviceaccount:"


class Account(NamedTuple):
    """The service account that a certificate names; `uid` is empty when the certificate does not say it."""

    namespace: str
    name: str
    uid: str


def account(subject: x509.Name) -> Account | None:
    """The account that the subject of a client certificate names, None when it names another user.

    Such a certificate is good only while the account lives: what authenticates must refuse it unless `uid` is that of
    the account as it is now. One without a UID is never good.
    """
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return account_named(str(names[-1].value), uid_of(subject)) if names else None


def account_named(user: str, uid: str) -> Account | None:
    """The same of a user's name and UID, as a subject says them."""
    parts = user.removeprefix(ACCOUNT_PREFIX).split(":")
    return Account(parts[0], parts[1], uid) if user.startswith(ACCOUNT_PREFIX) and len(parts) == 2 else None


def uid_of(subject: x509.Name) -> str:
    """The user's UID that a subject says, empty when it says none or several."""
    uids = subject.get_attributes_for_oid(UID_OID)
    return str(uids[0].value) if len(uids) == 1 else ""


def organizations(subject: x509.Name) -> list[str]:
    """The groups that a subject says."""
    return [str(part.value) for part in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
