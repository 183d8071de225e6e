"""Client certificates and tokens over a real wire: whom the server takes, and what it says to those it does not."""

import asyncio
import datetime
import gc
import re
import socket
import ssl
import time
import warnings
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL import SSL
from tests.conftest import soon
from tests.integration.apiserver.serving import Serving, made_pki, serving

from starlink.apiserver.security.certificates.serving import ServerCertificate
from starlink.http.tls import TlsContext, TlsRefused


def token(server: Serving) -> str:
    issued, _ = server.tokens.issue("agents", "a", "1", 600, time.time())
    return f"Authorization: Bearer {issued}"


async def test_a_certificate_names_its_user_and_groups(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        answer = await server.ask(server.pki.client("jane", ["devs", "ops"]))
        assert answer.json["user"] == "jane"
        assert answer.json["groups"] == ["devs", "ops", "system:authenticated"]
        assert answer.json["remote"] == "127.0.0.1"
        assert (await server.ask()).json["user"] == "system:anonymous"
        assert (await server.ask(None, token(server))).json["user"] == "system:serviceaccount:agents:a"


async def test_bad_certificates_get_a_status_that_says_why(tmp_path: Path) -> None:
    async with serving(tmp_path / "a") as server:
        unrelated = made_pki(tmp_path / "b").client("jane")
        (tmp_path / "old").mkdir()
        for name in ("ca.crt", "ca.key"):
            (tmp_path / "old" / name).write_bytes((tmp_path / "a" / name).read_bytes())
        expired = made_pki(tmp_path / "old", days=-400).client("jane")
        for pair, reason in (
            (unrelated, "x509: certificate signed by unknown authority"),
            (expired, "x509: certificate has expired or is not yet valid: current time "),
            (server.pki.server(["127.0.0.1"]), "x509: certificate specifies an incompatible key usage"),
        ):
            async with server.talk(pair) as talk:
                first = await talk.ask()
                assert (first.status, first.json["reason"], first.json["kind"]) == (401, "Unauthorized", "Status")
                assert reason in first.json["message"]
                assert (await talk.ask()).status == 401, "the connection is kept"
                assert (await talk.ask("GET / HTTP/1.1", token(server))).status == 200, "a good token makes up for it"
                both = await talk.ask("GET / HTTP/1.1", "Authorization: Bearer none")
                assert reason in both.json["message"]
                assert "invalid bearer token" in both.json["message"]


async def test_a_certificate_that_openssl_takes_and_nobody_else_is_refused_in_words(tmp_path: Path) -> None:
    """Of a version that there is not."""
    async with serving(tmp_path) as server:
        certificate, key = server.pki.client("jane")
        der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
        assert der.count(b"\xa0\x03\x02\x01\x02") == 1
        odd = tmp_path / "odd.crt"
        odd.write_text(ssl.DER_cert_to_PEM_cert(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07")))
        failures: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["message"]))
        answer = await server.ask((odd, key))
        assert (answer.status, answer.json["reason"]) == (401, "Unauthorized")
        async with server.talk((odd, key)):
            pass
        assert (await server.ask(server.pki.client("joe"))).status == 200
    assert not failures


async def test_a_connection_that_is_gone_gives_its_tls_back_at_once(tmp_path: Path) -> None:
    """And not when cycles are collected, which is seldom: it is 40 KB of which the collector does not know."""

    def living() -> int:
        return sum(isinstance(one, SSL.Connection) for one in gc.get_objects())

    async with serving(tmp_path) as server:
        gc.collect()
        before = living()
        gc.disable()
        try:
            for _ in range(10):
                assert (await server.ask(server.pki.client("jane"))).status == 200
            await soon(lambda: living() == before, "what the connections held is free")
        finally:
            gc.enable()


async def test_authorities_change_while_connections_are_open(tmp_path: Path) -> None:
    async with serving(tmp_path / "a") as server:
        other = made_pki(tmp_path / "b")
        old, new = server.pki.client("old"), other.client("new")
        first = server.pki.ca.read_bytes()
        async with server.talk(old) as olds, server.talk(new, server.context(new, server.pki.ca)) as news:
            assert ((await olds.ask()).status, (await news.ask()).status) == (200, 401)
            server.pki.ca.write_bytes(other.ca.read_bytes() + first)
            server.tls.look()
            assert ((await olds.ask()).status, (await news.ask()).status) == (200, 200)
            server.pki.ca.write_bytes(b"-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
            server.tls.look()
            assert ((await olds.ask()).status, (await news.ask()).status) == (200, 200), "a broken file changes nothing"
            server.pki.ca.write_bytes(other.ca.read_bytes())
            server.tls.look()
            assert ((await olds.ask()).status, (await news.ask()).status) == (401, 200)


async def test_a_new_key_of_the_authority_makes_the_servers_certificate_anew(tmp_path: Path) -> None:
    async with serving(tmp_path / "a") as server:
        other = made_pki(tmp_path / "b")
        other.client("anyone")
        server.pki.ca.write_bytes(other.ca.read_bytes() + server.pki.ca.read_bytes())
        certificate = ServerCertificate(tmp_path / "a", "127.0.0.1", lambda: datetime.datetime.now(datetime.UTC))
        tls = TlsContext(*certificate.issue(), server.pki.ca, renew=certificate.issue)
        (tmp_path / "a" / "ca.key").write_bytes((tmp_path / "b" / "ca.key").read_bytes())
        tls.look()
        server.tls.look()
        async with server.talk(context=server.context(ca=other.ca)) as talk:
            assert (await talk.ask()).status == 200


async def test_the_servers_certificate_follows_the_addresses(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        addresses = ["127.0.0.1"]
        certificate = ServerCertificate(
            tmp_path, "0.0.0.0", lambda: datetime.datetime.now(datetime.UTC), lambda: addresses
        )
        certificate.issue()
        addresses.append("192.0.2.7")
        certificate.issue()
        server.tls.look()
        async with server.talk() as talk:
            der = talk.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert "192.0.2.7" in [str(address) for address in names.value.get_values_for_type(x509.IPAddress)]


async def test_old_protocols_are_refused_and_http1_is_agreed(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        context = server.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        async with server.talk(context=context) as talk:
            assert talk.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        context = server.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        async with server.talk(server.pki.client("jane"), context) as talk:
            assert (await talk.ask()).status == 200
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with server.talk(context=context):
                pass


async def test_a_resumed_session_keeps_its_certificate(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        context = server.context(server.pki.client("jane"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2

        def ask(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool, bytes]:
            with socket.create_connection(("127.0.0.1", server.port)) as plain:
                client = context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                return client.session, bool(client.session_reused), client.recv(9999)

        session, _, _ = await asyncio.to_thread(ask, None)
        _, reused, answer = await asyncio.to_thread(ask, session)
        assert reused
        assert b'"user": "jane"' in answer


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /api"])
async def test_plain_http_is_told_so(tmp_path: Path, sent: bytes) -> None:
    async with serving(tmp_path) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
    assert answer == b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"


@pytest.mark.parametrize(
    "sent", [b"\x00\x01\x02", b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + b"a" * 70000]
)
async def test_what_is_no_tls_is_dropped(tmp_path: Path, sent: bytes) -> None:
    async with serving(tmp_path) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(10):
            assert b"HTTP" not in await reader.read()
        writer.close()
        assert (await server.ask()).status == 200


def test_files_that_make_no_tls_are_named(tmp_path: Path) -> None:
    pki = made_pki(tmp_path)
    certificate, key = pki.server(["127.0.0.1"])
    _, other = pki.client("jane")
    with pytest.raises(TlsRefused, match=re.escape(f"{tmp_path}/none: No such file")):
        TlsContext(certificate, tmp_path / "none", pki.ca)
    with pytest.raises(TlsRefused, match=re.escape("jane.key")):
        TlsContext(certificate, other, pki.ca)
    with pytest.raises(TlsRefused, match="is no certificate authority"):
        TlsContext(certificate, key, certificate)
