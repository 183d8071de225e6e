"""The contract of stores, over a real etcd, and what only a shared store must do besides."""

import asyncio
import contextlib
import datetime
import ipaddress
import itertools
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.conftest import soon
from tests.contract.test_store import (  # noqa: F401 - the contract, with the `store` of this module
    A,
    B,
    take,
    test_a_topic_needs_its_resource,
    test_a_watch_by_topic_outlasts_what_does_not_concern_it,
    test_a_watch_by_topic_sees_what_enters_stays_and_leaves,
    test_a_watch_sees_every_event_once_and_resumes,
    test_a_wrong_expectation_writes_nothing,
    test_closing_ends_watches,
    test_closing_ends_watches_by_topic,
    test_lists_are_sorted_and_by_namespace,
    test_what_is_too_old_is_refused,
    test_write_read_delete,
)
from tests.etcd_server import EtcdServer, Tls

from starlink.store.base import (
    Conflict,
    Event,
    Expired,
    Key,
    Record,
    Store,
    StoreRefused,
    StoreUnavailable,
    Watch,
)
from starlink.store.keyfile import KeyFile, SealKey
from starlink.store.seal import MARK, AesGcmSeal, Plain, Seal

pytest.importorskip("grpc", reason="the extra [etcd] is not installed")
from starlink.store.etcd import EtcdStore
from starlink.store.etcd.compaction import Compaction

_numbers = itertools.count()


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path_factory.mktemp("etcd")) as server:
        yield server


@pytest.fixture
def prefix() -> str:
    return f"/test{next(_numbers)}/"


@pytest.fixture
async def store(etcd: EtcdServer, prefix: str) -> AsyncIterator[Store]:
    async with opened(etcd.endpoints, prefix, kept=20) as made:
        yield made


@contextlib.asynccontextmanager
async def opened(
    endpoints: Sequence[str],
    prefix: str = "/starlink/",
    kept: int = 10_000,
    tls: Tls | None = None,
    seal: Seal | None = None,
) -> AsyncIterator[EtcdStore]:
    files = (tls.ca, tls.cert, tls.key) if tls else (None, None, None)
    made = EtcdStore(
        endpoints, prefix=prefix, kept=kept, ca=files[0], cert=files[1], key=files[2], seal=seal or Plain()
    )
    await made.open()
    try:
        yield made
    finally:
        await made.close()


class Proxy:
    """A way to one port that can be held up or cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.requests = asyncio.Event()
        self.answers = asyncio.Event()
        self.open = True
        self.endpoint = ""

    async def __aenter__(self) -> "Proxy":
        self.requests.set()
        self.answers.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.endpoint = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()

    def cut(self) -> None:
        """Ends every connection, with what is held up in it, and lets no new ones through."""
        self.open = False
        for pump in self._pumps:
            pump.cancel()
        for writer in self._writers:
            writer.transport.abort()
        self._pumps.clear()
        self._writers.clear()

    def heal(self) -> None:
        self.requests.set()
        self.answers.set()
        self.open = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.open:
            writer.transport.abort()
            return
        back, forth = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, forth}
        for source, sink, gate in ((reader, forth, self.requests), (back, writer, self.answers)):
            self._pumps.add(asyncio.create_task(self._pump(source, sink, gate)))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await gate.wait()
                sink.write(data)
                await sink.drain()
        sink.close()


@pytest.fixture
async def proxy(etcd: EtcdServer) -> AsyncIterator[Proxy]:
    async with Proxy(etcd.ports[0]) as made:
        yield made


class Collector:
    """Gathers the events of a watch, by a task of its own: it has them some turns of the loop after the store."""

    def __init__(self, watch: Watch) -> None:
        self.events: list[Event] = []
        self.end: Exception | None = None
        self._task = asyncio.create_task(self._run(watch))

    async def _run(self, watch: Watch) -> None:
        try:
            async for batch in watch:
                self.events += batch
        except (Expired, StoreUnavailable) as error:
            self.end = error

    @property
    def revisions(self) -> list[int]:
        return [event.record.revision for event in self.events]

    async def reaches(self, revision: int) -> None:
        """Waits until it was told the event of a revision, or a later one."""
        await soon(lambda: self.revisions[-1:] >= [revision], f"the event of revision {revision}")

    async def ends(self) -> None:
        """Waits until the watch has ended."""
        await soon(lambda: self.end is not None, "the end of the watch")


async def put(store: Store, key: Key, body: bytes) -> Record:
    current = store.latest(key)
    return await store.put(key, body, expect=current.revision if current else 0)


async def test_writes_of_one_key_at_once_are_all_done(store: Store) -> None:
    """A revision is known when etcd has given it, so writers that race meet Conflict and try again."""

    async def until_done(body: bytes) -> Record:
        while True:
            with contextlib.suppress(Conflict):
                return await put(store, A, body)

    await store.put(A, b"0", expect=0)
    start = store.revision
    records = await asyncio.gather(*(until_done(str(number).encode()) for number in range(1, 10)))
    events = await take(store.watch("g/things", None, start), 9)
    assert sorted(records, key=lambda record: record.revision) == [event.record for event in events]
    assert store.get(A) == events[-1].record == store.latest(A)


async def test_keys_of_any_characters_come_back(etcd: EtcdServer, prefix: str) -> None:
    keys = [
        Key("/namespaces", "", "system:a"),
        Key("rbac.example.org/roles", "n/s", "a%2Fb/c"),
        Key("g/things", "", "%"),
        Key("g/things", "ä", ""),
    ]
    async with opened(etcd.endpoints, prefix) as store:
        for key in keys:
            await store.put(key, b"x", expect=0)
    etcd.call("/v3/kv/put", {"key": "L3Rlc3Q=", "value": "eA=="})
    async with opened(etcd.endpoints, prefix) as store:
        found = [record.key for resource in store.resources() for record in store.list(resource)]
        assert sorted(found) == sorted(keys)
        assert (await store.delete(keys[1], expect=store.list("rbac.example.org/roles")[0].revision)).body == b"x"


async def test_more_than_a_page_is_read(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix) as store:
        await asyncio.gather(*(store.put(Key("g/things", "", str(n)), b"x" * 2000, expect=0) for n in range(1201)))
        written = store.list("g/things")
    async with opened(etcd.endpoints, prefix) as store:
        assert list(store.list("g/things")) == list(written) and len(written) == 1201


async def test_two_stores_tell_the_same_events_in_the_same_order(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix) as one, opened(etcd.endpoints, prefix) as two:
        start = one.revision
        told = [Collector(store.watch(None, None, start)) for store in (one, two)]

        async def write(store: Store, writer: int) -> int:
            done = 0
            for number in range(60):
                key = Key("g/things", "ns", str(number % 4))
                with contextlib.suppress(Conflict):
                    current = store.latest(key)
                    if current is not None and number % 5 == 0:
                        await store.delete(key, expect=current.revision)
                    else:
                        await put(store, key, f"{writer} {number}".encode())
                    done += 1
            return done

        done = sum(await asyncio.gather(*(write(store, n) for n, store in enumerate([one, two, one, two]))))
        await soon(lambda: all(len(collector.events) >= done for collector in told), "all events")
        assert told[0].events == told[1].events and len(told[0].events) == done
        assert list(one.list("g/things")) == list(two.list("g/things"))
        assert {store.revision for store in (one, two)} == {told[0].revisions[-1]}
        print(f"{done} of 240 racing writes were done, the others met Conflict")


async def test_a_slow_server_says_when_it_has_reached_what_another_told(
    etcd: EtcdServer, prefix: str, proxy: Proxy
) -> None:
    async with opened(etcd.endpoints, prefix) as fast, opened([proxy.endpoint], prefix) as slow:
        proxy.answers.clear()
        seen = await fast.put(A, b"1", expect=0)
        assert not await slow.reaches(seen.revision, 0.05) and slow.get(A) is None
        waiting = asyncio.ensure_future(slow.reaches(seen.revision, 20))
        proxy.heal()
        assert await waiting and slow.get(A) == seen


async def test_what_only_a_note_moved_on_is_reached_too(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix) as one, opened(etcd.endpoints, prefix) as two:
        assert await one.reaches(two.revision, 20)


@pytest.mark.parametrize("change", ["create", "update", "delete", "overwritten"])
async def test_a_write_whose_answer_is_lost_is_known_to_be_done(
    etcd: EtcdServer, prefix: str, proxy: Proxy, change: str
) -> None:
    async with opened([proxy.endpoint], prefix) as store, opened(etcd.endpoints, prefix) as other:
        told = Collector(other.watch(None, None, other.revision))
        before = 0 if change == "create" else (await store.put(A, b"1", expect=0)).revision
        proxy.answers.clear()
        writing = asyncio.ensure_future(
            store.delete(A, expect=before) if change == "delete" else store.put(A, b"2", expect=before)
        )
        await soon(lambda: other.revision > before and (other.get(A) is None) is (change == "delete"), "the write")
        done = last = other.revision
        if change == "overwritten":
            last = (await other.put(A, b"3", expect=done)).revision
        proxy.cut()
        proxy.heal()
        record = await writing
        assert record == Record(A, done, b"1" if change == "delete" else b"2")
        await told.reaches(last)
        assert len(told.events) == {"create": 1, "overwritten": 3}.get(change, 2)
        await soon(lambda: store.revision == other.revision, "the store to catch up")
        assert store.get(A) == other.get(A) == store.latest(A)


@pytest.mark.parametrize("change", ["create", "update"])
async def test_a_write_that_is_lost_is_not_said_to_be_done(
    etcd: EtcdServer, prefix: str, proxy: Proxy, change: str
) -> None:
    async with opened([proxy.endpoint], prefix) as store, opened(etcd.endpoints, prefix) as other:
        before = 0 if change == "create" else (await store.put(A, b"1", expect=0)).revision
        proxy.requests.clear()
        writing = asyncio.ensure_future(store.put(A, b"2", expect=before))
        await asyncio.sleep(0.2)
        await soon(lambda: other.revision >= before, "the first write")
        theirs = await other.put(A, b"3", expect=before)
        proxy.cut()
        proxy.heal()
        # Whether a creation may still be on its way can't be known; a change from a revision is past.
        with pytest.raises(StoreUnavailable if change == "create" else Conflict):
            await writing
        assert other.get(A) == theirs == store.latest(A)


async def test_an_etcd_that_is_away_makes_writes_unavailable(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        async with opened(server.endpoints) as store:
            first = await store.put(A, b"1", expect=0)
            server.kill(0)
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await store.put(A, b"2", expect=first.revision)
            assert time.monotonic() - began < 8
            assert store.get(A) == first == store.latest(A)
        with pytest.raises(StoreUnavailable, match="no answer"):
            await EtcdStore(server.endpoints).open()


async def test_a_value_that_etcd_refuses_is_told(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="too large"):
        await store.put(A, b"x" * 2_000_000, expect=0)
    assert (await store.put(A, b"x" * 1_400_000, expect=0)).revision == store.revision


async def test_a_restart_of_the_only_member_is_resumed(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        async with opened(server.endpoints) as store:
            told = Collector(store.watch(None, None, store.revision))
            first = await store.put(A, b"1", expect=0)
            server.kill(0)
            writing = asyncio.ensure_future(store.put(A, b"2", expect=first.revision))
            await asyncio.to_thread(server.restart, 0)
            second = await writing
            third = await store.put(A, b"3", expect=second.revision)
            await told.reaches(third.revision)
            assert [event.record for event in told.events] == [first, second, third]
            assert told.end is None


async def test_a_compaction_while_the_watch_is_broken_makes_watchers_list_again(
    etcd: EtcdServer, prefix: str, proxy: Proxy
) -> None:
    async with opened([proxy.endpoint], prefix) as store, opened(etcd.endpoints, prefix) as other:
        first = await store.put(A, b"1", expect=0)
        told = Collector(store.watch(None, None, first.revision))
        await soon(lambda: other.revision == first.revision, "the other store")
        proxy.cut()
        for number in range(30):
            await put(other, B, str(number).encode())
        await other.delete(A, expect=first.revision)
        etcd.compact(other.revision)
        proxy.heal()
        await soon(lambda: store.revision >= other.revision, "the store to catch up")
        await told.ends()
        assert isinstance(told.end, Expired) and told.events == []
        assert store.get(A) is None and store.list("g/things") == other.list("g/things")
        with pytest.raises(Expired):
            store.watch(None, None, first.revision)
        again = store.watch(None, None, store.revision)
        record = await store.put(A, b"2", expect=0)
        assert [event.record for event in await take(again, 1)] == [record]


async def test_a_compaction_behind_a_broken_watch_costs_nothing(etcd: EtcdServer, prefix: str, proxy: Proxy) -> None:
    async with opened([proxy.endpoint], prefix) as store, opened(etcd.endpoints, prefix) as other:
        first = await store.put(A, b"1", expect=0)
        told = Collector(store.watch(None, None, first.revision))
        proxy.cut()
        etcd.compact(first.revision)
        later = [await put(other, B, str(number).encode()) for number in range(30)]
        proxy.heal()
        await soon(lambda: store.revision == other.revision, "the store to catch up")
        await told.reaches(later[-1].revision)
        assert [event.record for event in told.events] == later and told.end is None


async def test_progress_without_events_is_followed(tmp_path: Path) -> None:
    with EtcdServer(tmp_path, flags=["--experimental-watch-progress-notify-interval", "200ms"]) as server:
        async with opened(server.endpoints) as store:
            told = Collector(store.watch(None, None, store.revision))
            for _ in range(10):
                server.call("/v3/kv/put", {"key": "eA==", "value": "eA=="})
            await soon(lambda: store.revision == server.revision(), "the revision of others' writes")
            server.compact(store.revision)
            server.kill(0)
            await asyncio.to_thread(server.restart, 0)
            record = await store.put(A, b"1", expect=0)
            await told.reaches(record.revision)
            assert [event.record for event in told.events] == [record] and told.end is None


async def test_an_etcd_that_lost_its_data_is_read_again(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        async with opened(server.endpoints) as store:
            for number in range(5):
                await put(store, A, str(number).encode())
            told = Collector(store.watch(None, None, store.revision))
            server.kill(0)
            shutil.rmtree(server.data(0))
            await asyncio.to_thread(server.restart, 0)
            await soon(lambda: store.get(A) is None, "the store to see it")
            await told.ends()
            assert isinstance(told.end, Expired)
            assert (await store.put(A, b"x", expect=0)).revision == server.revision()


def compaction(store: EtcdStore) -> Compaction:
    assert store._running is not None
    return store._running.compaction


async def test_one_of_two_servers_compacts(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        async with opened(server.endpoints, kept=20) as one, opened(server.endpoints, kept=20) as two:
            await soon(lambda: one.revision == two.revision, "the other server")
            start = one.revision
            for store in (one, two) * 2:
                for number in range(30):
                    await put(one, A, str(number).encode())
                await soon(lambda: one.revision == two.revision, "the other server")
                await compaction(store).once()
            # one and two noted 30 and 60 events; then only one could claim, at 60 of 90: what it had noted.
            assert (compaction(one).done, compaction(two).done) == (start + 30, 0)
            with pytest.raises(OSError, match="400"):
                server.compact(start + 30)
            watch = server.call("/v3/kv/range", {"key": "AA==", "revision": str(start + 30)})
            assert watch["header"]
            with pytest.raises(OSError, match="400"):
                server.call("/v3/kv/range", {"key": "AA==", "revision": str(start + 29)})


async def test_tls_with_client_certificates(tmp_path: Path) -> None:
    tls = certificates(tmp_path)
    with EtcdServer(tmp_path, tls=tls) as server:
        async with opened(server.endpoints, tls=tls) as store:
            record = await store.put(A, b"1", expect=0)
            assert store.get(A) == record


def certificates(folder: Path) -> Tls:
    """A CA that is its own server and client."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "etcd")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(private.public_key()), False)
        .sign(private, hashes.SHA256())
    )
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return Tls(cert, cert, key)


# What happened before a server was started


async def test_watchers_resume_across_a_restart_of_their_server(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix) as store:
        start = store.revision
        live = store.watch(None, None, start)
        first = await store.put(A, b"1", expect=0)
        second = await store.put(A, b"2", expect=first.revision)
        await store.delete(A, expect=second.revision)
        last = await store.put(B, b"3", expect=0)
        told = await take(live, 4)
    async with opened(etcd.endpoints, prefix) as again:
        assert await take(again.watch(None, None, start), 4) == told
        assert await take(again.watch("g/things", None, second.revision), 2) == told[2:]
        after = await again.put(B, b"4", expect=last.revision)
        assert [event.record for event in await take(again.watch(None, None, last.revision), 1)] == [after]


async def test_no_more_history_is_told_than_is_kept_or_than_etcd_has(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        async with opened(server.endpoints) as store:
            for number in range(30):
                await put(store, A, str(number).encode())
            end = store.revision
        async with opened(server.endpoints, kept=10) as store:
            with pytest.raises(Expired):
                store.watch(None, None, end - 10)
            assert len(await take(store.watch(None, None, end - 5), 5)) == 5
        server.compact(end - 3)
        async with opened(server.endpoints) as store:
            with pytest.raises(Expired):
                store.watch(None, None, end - 4)
            events = await take(store.watch(None, None, end - 3), 3)
            assert [event.record.body for event in events] == [b"27", b"28", b"29"]
            assert events[0].previous == Record(A, end - 3, b"26")


# Secrets


SECRET = Key("/secrets", "ns", "a")


def sealed_with(*numbers: int) -> Seal:
    return AesGcmSeal(KeyFile(Path("encryption.key"), tuple(SealKey(bytes([number]) * 32) for number in numbers)))


async def test_secrets_are_sealed_in_etcd_and_plain_in_memory(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix, seal=sealed_with(1)) as store:
        first = await store.put(SECRET, b"hidden", expect=0)
        await store.put(A, b"shown", expect=0)
        assert store.get(SECRET) == first and first.body == b"hidden"
        held = {name.removeprefix(prefix): value for name, (_, _, value) in etcd.held(prefix).items()}
        assert held["/secrets/ns/a"].startswith(MARK) and b"hidden" not in held["/secrets/ns/a"]
        assert b"shown" in held.values()
        assert (await store.delete(SECRET, expect=first.revision)).body == b"hidden"
    async with opened(etcd.endpoints, prefix, seal=sealed_with(1)) as store:
        told = await take(store.watch("/secrets", None, first.revision - 1), 2)
        assert [event.record.body for event in told] == [b"hidden", b"hidden"]


async def test_a_server_with_another_key_is_refused(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix, seal=sealed_with(1)):
        pass
    for seal in (sealed_with(2), Plain()):
        with pytest.raises(StoreRefused, match="is sealed with the key"):
            async with opened(etcd.endpoints, prefix, seal=seal):
                pass


async def test_a_new_key_seals_everything_anew(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix, seal=sealed_with(1)) as store:
        first = await store.put(SECRET, b"hidden", expect=0)
    async with opened(etcd.endpoints, prefix, seal=sealed_with(2, 1)) as store:
        await soon(lambda: (found := store.get(SECRET)) and found.revision > first.revision, "the secret anew")
        assert store.get(SECRET).body == b"hidden"  # type: ignore[union-attr]
    etcd.compact(etcd.revision())
    async with opened(etcd.endpoints, prefix, seal=sealed_with(2)) as store:
        assert store.get(SECRET).body == b"hidden"  # type: ignore[union-attr]


async def test_a_write_that_cannot_be_read_is_waited_for(
    etcd: EtcdServer, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that lacks the new key of another must not serve as if there had been nothing."""
    async with (
        opened(etcd.endpoints, prefix, seal=sealed_with(1)) as old,
        opened(etcd.endpoints, prefix, seal=sealed_with(2, 1)) as new,
    ):
        await new.put(SECRET, b"hidden", expect=0)
        later = await new.put(A, b"1", expect=0)
        await soon(lambda: "nothing after it is seen here" in caplog.text, "the old server to say so")
        assert old.get(A) is None and not await old.reaches(later.revision, 0.05)


# Endpoints


@pytest.mark.parametrize("text", ["", "host", "ftp://host:1", "host:port", "http://host:1/path", "::1:2379", ":2379"])
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write HOST:PORT or https://HOST:PORT"):
        EtcdStore([text])


async def test_endpoints_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="http://b:2379 is in the clear"):
        EtcdStore(["https://a:2379", "http://b:2379"])
    with pytest.raises(ValueError, match="given together"):
        EtcdStore(["https://[::1]:2379/"], cert=tmp_path / "c")
    with pytest.raises(FileNotFoundError, match="absent"):
        await EtcdStore(["a:2379"], ca=tmp_path / "absent").open()
