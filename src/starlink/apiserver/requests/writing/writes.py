"""Create, update, patch and delete: a request's change, made to what is stored."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from starlink.api import errors
from starlink.api.errors import StatusError
from starlink.apiserver import aside
from starlink.apiserver.definitions.lifecycle import Definitions
from starlink.apiserver.names import CRDS, CREATED_BY_UPDATE, NAMESPACES, NO_VERSION, PROTECTED_NAMESPACES
from starlink.apiserver.objects import Admission, Change, Objects, Written, scale
from starlink.apiserver.objects.envelope import check_envelope
from starlink.apiserver.objects.many import for_each
from starlink.apiserver.objects.options import NOTHING, DeleteOptions, WriteOptions
from starlink.apiserver.requests import bodies, options, questions
from starlink.apiserver.requests.reading import listing
from starlink.apiserver.requests.reading.accepting import check_accept
from starlink.apiserver.requests.route import Route
from starlink.apiserver.requests.writing import json_patch, patches
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.encoding import Obj, dump
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.apiserver.security.authentication.serviceaccounts import TOKEN_REQUEST, request_token
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.http.media import JSON
from starlink.http.message import Request, Response
from starlink.http.warning_header import header
from starlink.store.base import Key, Record

AdmissionOf = Callable[[Request, Route, bool], Admission]


class Writes:
    """Writing requests over one store."""

    def __init__(
        self,
        objects: Objects,
        registry: Registry,
        definitions: Definitions,
        tokens: TokenIssuer,
        admission_of: AdmissionOf,
        now: Callable[[], float],
    ) -> None:
        self._objects = objects
        self._store = objects.store
        self._registry = registry
        self._definitions = definitions
        self._tokens = tokens
        self._admission_of = admission_of
        self._now = now

    async def create(self, request: Request, asked: Route) -> Response:
        """POST to a collection, or for a ServiceAccount's token."""
        check_accept(request, asked)
        if asked.subresource == "token":
            return await self._token(request, asked)
        return await self._create(request, asked, *await self._read(request, asked.resource))

    async def _token(self, request: Request, asked: Route) -> Response:
        namespace, kind = asked.namespace or "", self._registry.find_kind(*TOKEN_REQUEST)
        assert kind is not None
        obj = await aside.run(
            bodies.weight(request), lambda: questions.read(request, self._registry, kind, namespace, asked.name)
        )
        account = encoding.to_object(self._objects.record(asked.resource, namespace, asked.name), asked.resource)
        answer = request_token(self._tokens, account, obj, self._now(), self._secret_uid)
        return Response(201, dump(answer), JSON)

    async def _read(self, request: Request, resource: Resource) -> tuple[Obj, WriteOptions]:
        """The body of a create or an update, and how it is to be written. Raises StatusError 400 or 415."""

        def read() -> tuple[Obj, WriteOptions]:
            wanted = options.write_options(request)
            obj = bodies.read(request, self._registry, exact=_is_exact(resource))
            return obj, _of_body(wanted, request, obj)

        return await aside.run(bodies.weight(request), read)

    async def _create(self, request: Request, asked: Route, obj: Obj, wanted: WriteOptions) -> Response:
        namespace = asked.namespace or ""
        if asked.resource.namespaced:
            self._check_namespace(asked.resource, namespace, obj)
        if not wanted.dry_run and _is_versioned(obj.get("metadata")):
            raise errors.bad_request("resourceVersion should not be set on objects to be created")
        self._definitions.check_creation(asked.resource)
        admission = self._admission(request, asked, namespace, wanted.dry_run)
        written = await self._objects.create(asked.resource, namespace, obj, wanted, admission)
        return _response(await self._definitions.written(asked.resource, written))

    def _admission(self, request: Request, asked: Route, namespace: str, dry_run: bool) -> Admission:
        """Of a create. What takes its time, beside the loop, looks at its namespace again at the end."""
        admission = self._admission_of(request, asked, dry_run)
        if not asked.resource.namespaced:
            return admission
        return _LateCheck(admission, lambda obj: self._check_namespace(asked.resource, namespace, obj))

    def _secret_uid(self, namespace: str, name: str) -> str | None:
        record = self._store.latest(Key("/secrets", namespace, name))
        return str(encoding.raw(record)["metadata"]["uid"]) if record else None

    def _check_namespace(self, resource: Resource, namespace: str, obj: Obj) -> None:
        record = self._store.latest(Key(NAMESPACES, "", namespace))
        if record is None:
            raise errors.not_found("", "namespaces", namespace)
        if b'"deletionTimestamp"' in record.body and encoding.raw(record)["metadata"].get("deletionTimestamp"):
            meta = obj.get("metadata")
            name = str(meta.get("name", "")) if isinstance(meta, dict) else ""
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            told = f"namespace {namespace} is being terminated"
            refused = errors.forbidden(resource.group, resource.plural, name, why)
            raise replace(refused, causes=(errors.Cause("NamespaceTerminating", told, "metadata.namespace"),))

    async def update(self, request: Request, asked: Route) -> Response:
        """PUT of an object or a subresource."""
        check_accept(request, asked)
        obj, wanted = await self._read(request, asked.resource)
        if asked.subresource == "scale":
            return await self._change(request, asked, _scaled(asked.resource, lambda _: obj), wanted)
        check_envelope(asked.resource, asked.namespace or "", asked.name, obj)
        missing = not self._objects.exists(asked.resource, asked.namespace or "", asked.name)
        if missing and not asked.subresource and asked.resource.storage in CREATED_BY_UPDATE:
            return await self._create(request, asked, obj, wanted)
        return await self._change(request, asked, lambda _: {**obj, "metadata": dict(obj["metadata"])}, wanted)

    async def patch(self, request: Request, asked: Route) -> Response:
        """PATCH by any of the patch formats that the resource takes."""
        check_accept(request, asked)
        media = bodies.media_type(request)
        accepted = patches.accepted(asked.resource)
        if media not in accepted:
            raise errors.unsupported_media_type(accepted)
        if media == patches.APPLY:
            return await self._apply(request, asked)
        patch, wanted = await aside.run(len(request.body), lambda: _read_patch(request, asked.resource))
        change = patches.change(asked.resource, patch, media)
        if asked.subresource == "scale":
            change = _scaled(asked.resource, patches.change(asked.resource, patch, media))
        return await self._change(request, asked, change, wanted)

    async def _apply(self, request: Request, asked: Route) -> Response:
        wanted = _weighed(options.write_options(request, apply=True), len(request.body))
        config = await aside.run(bodies.weight(request), lambda: bodies.read(request, self._registry))
        wanted = replace(wanted, brought=config)
        namespace = asked.namespace or ""
        if asked.subresource == "scale":
            raise errors.unsupported_media_type(patches.accepted(asked.resource)[:-1])
        if asked.resource.namespaced and not self._objects.exists(asked.resource, namespace, asked.name):
            self._check_namespace(asked.resource, namespace, config)
        admission = self._admission(request, asked, namespace, wanted.dry_run)
        written = await self._objects.apply(
            asked.resource, namespace, asked.name, config, wanted, subresource=asked.subresource, admission=admission
        )
        return _response(await self._definitions.written(asked.resource, written))

    async def _change(self, request: Request, asked: Route, change: Change, wanted: WriteOptions) -> Response:
        written = await self._objects.update(
            asked.resource,
            asked.namespace or "",
            asked.name,
            change,
            wanted,
            subresource=asked.subresource,
            admission=self._admission_of(request, asked, wanted.dry_run),
        )
        written = await self._definitions.written(asked.resource, written)
        if asked.subresource == "scale":
            assert asked.resource.scale is not None
            return Response(200, dump(scale.read(asked.resource.scale, bodies.read_json(written.body))), JSON)
        return _response(written)

    async def delete(self, request: Request, asked: Route) -> Response:
        """DELETE of an object."""
        check_accept(request, asked)
        if asked.resource.storage == NAMESPACES and asked.name in PROTECTED_NAMESPACES:
            raise errors.forbidden("", "namespaces", asked.name, "this namespace may not be deleted")
        wanted = await self._delete_options(request)
        admission = self._admission_of(request, asked, wanted.dry_run)
        namespace = asked.namespace or ""
        return _response(await self._objects.delete(asked.resource, namespace, asked.name, wanted, admission))

    async def delete_collection(self, request: Request, asked: Route, part: listing.Page) -> Response:
        """DELETE of the objects of `part`; those that have gone meanwhile are passed over. The first refusal is the
        answer, and what was deleted before it stays so.

        https://github.com/kubernetes/apiserver/blob/master/pkg/registry/generic/registry/store.go (DeleteCollection)
        """
        wanted = await self._delete_options(request)
        admission = self._admission_of(request, asked, wanted.dry_run)

        async def delete(record: Record) -> None:
            try:
                await self._objects.delete(asked.resource, record.key.namespace, record.key.name, wanted, admission)
            except StatusError as error:
                if error.code != 404:
                    raise

        await for_each(part.records, delete)
        return Response(200, listing.body(asked.resource, part), JSON)

    async def _delete_options(self, request: Request) -> DeleteOptions:
        return await aside.run(bodies.weight(request), lambda: options.delete_options(request, self._registry))


class _LateCheck:
    """An admission that looks, before it and after it, whether a new object may be there still."""

    def __init__(self, admission: Admission, check: Callable[[Obj], None]) -> None:
        self._admission = admission
        self._check = check

    def prepare(self, obj: Obj, old: Obj | None) -> None:
        self._admission.prepare(obj, old)

    async def review(self, operation: str, obj: Obj | None, old: Obj | None, weight: int) -> Sequence[str]:
        """Raises StatusError also when `check` does."""
        if operation != "CREATE" or obj is None:
            return await self._admission.review(operation, obj, old, weight)
        self._check(obj)
        warnings = await self._admission.review(operation, obj, old, weight)
        self._check(obj)
        return warnings


def _is_exact(resource: Resource) -> bool:
    """Whether a number with a fraction is no whole one: of kinds that the real server reads into Go's types, but for
    the schemas of a CRD."""
    return not resource.custom and resource.storage != CRDS


def _read_patch(request: Request, resource: Resource) -> tuple[Any, WriteOptions]:
    """A patch, and how what it makes is to be written: by a copy, a few bytes can make many. Raises StatusError 400."""
    wanted = options.write_options(request)
    is_typed = bodies.media_type(request) != patches.STRATEGIC  # which is merged as plain JSON first
    patch = bodies.read_json(request.body, exact=is_typed and _is_exact(resource))
    wanted = _of_body(wanted, request, patch)
    if bodies.media_type(request) != patches.JSON_PATCH:
        return patch, replace(wanted, brought=patch)
    if json_patch.uses_stored(patch):
        wanted = _weighed(replace(wanted, brought=NOTHING), json_patch.MAX_COPIED)
    else:
        wanted = replace(wanted, brought=patch)
    return json_patch.with_texts(patch, request.body), wanted


def _weighed(wanted: WriteOptions, weight: int) -> WriteOptions:
    """With the weight where it counts, so that most requests share their options."""
    return wanted if weight < aside.LARGE else replace(wanted, weight=weight)


def _of_body(wanted: WriteOptions, request: Request, value: object) -> WriteOptions:
    """The options with the body's weight and a warning for each field that the body repeats, or that no operation of a
    JSON patch has. `value` is the decoded body."""
    wanted = _weighed(wanted, len(request.body))
    warnings = tuple(f'duplicate field "{path}"' for path in bodies.doubled(request, value))
    if bodies.media_type(request) == patches.JSON_PATCH:
        warnings += tuple(f'unknown field "{path}"' for path in json_patch.unknown_fields(value))
        warnings = tuple(f"json patch {warning}" for warning in warnings)
    return replace(wanted, body_warnings=warnings) if warnings else wanted


def _is_versioned(meta: object) -> bool:
    """Whether metadata names a version of an object that is there already. One that can't be any names none."""
    version = meta.get("resourceVersion") if isinstance(meta, dict) else None
    return isinstance(version, str) and version.isdecimal() and version.strip(NO_VERSION) != ""


def _scaled(resource: Resource, change: Callable[[Obj], Obj]) -> Change:
    """What a change of the Scale makes of the object."""
    of = resource.scale
    assert of is not None

    def changed(obj: Obj) -> Obj:
        return scale.write(resource, of, obj, change(scale.read(of, obj)))

    return changed


def _response(written: Written) -> Response:
    return Response(201 if written.created else 200, written.body, {**JSON, **header(written.warnings)})
