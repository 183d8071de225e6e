"""Impersonation: as whom a request's headers want it done, and what its sender must be allowed for that. Pure.

Sources: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
and https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/filters/impersonation.go
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from starlink.api import errors
from starlink.apiserver.security.authorization.rbac import Attributes
from starlink.http import subject
from starlink.http.message import ANONYMOUS, AUTHENTICATED, IMPERSONATION, UNAUTHENTICATED, User, separator

_USER = f"{IMPERSONATION}user"
_GROUP = f"{IMPERSONATION}group"
_UID = f"{IMPERSONATION}uid"
_EXTRA = f"{IMPERSONATION}extra-"
_API_GROUP = "authentication.k8s.io"
_ESCAPED = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")


def is_wanted(headers: Mapping[str, str]) -> bool:
    """Whether any header may speak of it: what every request is asked, so that it must be quick."""
    return IMPERSONATION in "".join(headers)


@dataclass(frozen=True, slots=True)
class Impersonation:
    """What the headers say."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def user(self) -> User:
        """The user that is meant, with the groups that follow from the name where none are said."""
        account = subject.account_named(self.name, "")
        groups = self.groups
        if account is not None and not groups:
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{account.namespace}")
        return User(self.name, (*groups, *self._implied(groups)), self.uid, self.extra)

    def _implied(self, groups: tuple[str, ...]) -> tuple[str, ...]:
        if self.name == ANONYMOUS.name:
            return () if UNAUTHENTICATED in groups else (UNAUTHENTICATED,)
        return () if {AUTHENTICATED, UNAUTHENTICATED} & set(groups) else (AUTHENTICATED,)

    def needed(self) -> Iterator[Attributes]:
        """What the sender must be allowed, each."""
        account = subject.account_named(self.name, "")
        if account is None:
            yield Attributes("impersonate", resource="users", name=self.name)
        else:
            where = account.namespace
            yield Attributes("impersonate", resource="serviceaccounts", namespace=where, name=account.name)
        for group in self.groups:
            yield Attributes("impersonate", resource="groups", name=group)
        for key, values in self.extra:
            for value in values:
                yield Attributes("impersonate", _API_GROUP, "v1", "userextras", key, name=value)
        if self.uid:
            yield Attributes("impersonate", _API_GROUP, "v1", "uids", name=self.uid)


def read(headers: Mapping[str, str]) -> Impersonation | None:
    """What the headers want, None when they want nothing. Raises StatusError 400."""
    name, uid = (_values(headers, header)[0] if header in headers else "" for header in (_USER, _UID))
    groups = _values(headers, _GROUP) if _GROUP in headers else ()
    extra = tuple((_key(header), _values(headers, header)) for header in headers if header.startswith(_EXTRA))
    if name:
        return Impersonation(name, groups, uid, extra)
    told = [f"groups {' '.join(groups)}"] if groups else []
    told += [f"uid {uid}"] if uid else []
    told += [f"extra {key}" for key, _ in extra]
    if told:
        raise errors.bad_request(f"requested {', '.join(told)} without impersonating a user")
    return None


def _values(headers: Mapping[str, str], header: str) -> tuple[str, ...]:
    return tuple(_text(value.strip()) for value in headers[header].split(separator(header)))


def _text(value: str) -> str:
    """A header's value as UTF-8, which clients write names in, where it is that."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _key(header: str) -> str:
    key = header.removeprefix(_EXTRA)
    return unquote(key) if _ESCAPED.fullmatch(key) else key
