"""Each way to an API server over the wire: TLS, proxies, plugins, tokens that rotate, and a pod's own files."""

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.apiserver.serving import Serving, serving
from tests.integration.client.ways import calls, connect, program
from tests.unit.client.kubeconfigs import kubeconfig, plugin

from starlink.client import credentials, reach
from starlink.client.config import Config, load
from starlink.client.credentials import Credentials
from starlink.client.errors import Unauthorized, Unreachable
from starlink.client.kube import Client
from starlink.http.message import Request, Response
from starlink_operator.session import session

V1 = "client.authentication.k8s.io/v1"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(tmp_path / "pki") as made:
        yield made


def config(server: Serving, **fields: Any) -> Config:
    return Config(f"https://127.0.0.1:{server.port}", server.pki.ca.read_bytes(), **fields)


def token(server: Serving, seconds: int = 600) -> str:
    return server.tokens.issue("agents", "a", "1", seconds, time.time())[0]


async def who(client: Client) -> Any:
    return json.loads(await client.raw("GET", "/who"))


# TLS


async def test_the_certificate_must_name_the_server_or_what_tls_server_name_says(server: Serving) -> None:
    elsewhere = dataclasses.replace(config(server), server=f"https://127.0.0.2:{server.port}")
    async with connect(server.port) as proxy, Client(through(elsewhere, proxy.port)) as client:
        with pytest.raises(Unreachable, match="IP address mismatch"):
            await client.raw("GET", "/who")
        named = dataclasses.replace(through(elsewhere, proxy.port), server_name="127.0.0.1")
        async with Client(named) as other:
            assert (await who(other))["user"] == "system:anonymous"


async def test_insecure_believes_whoever_answers(server: Serving) -> None:
    strange = Config(f"https://127.0.0.1:{server.port}")
    async with Client(strange) as client:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await client.raw("GET", "/who")
    async with Client(dataclasses.replace(strange, insecure=True, token=token(server))) as client:
        assert (await who(client))["user"] == "system:serviceaccount:agents:a"


async def test_a_servers_url_may_have_a_path(server: Serving) -> None:
    below = dataclasses.replace(config(server), server=f"https://127.0.0.1:{server.port}/clusters/one")
    async with Client(below) as client:
        assert (await who(client))["path"] == "/clusters/one/who"


# Proxies


def through(config: Config, port: int, userinfo: str = "") -> Config:
    from starlink.client.proxy import Proxy

    return dataclasses.replace(config, proxy=Proxy(f"http://{userinfo}127.0.0.1:{port}"))


async def test_a_proxy_leads_to_a_server_that_only_it_knows(server: Serving) -> None:
    unknown = dataclasses.replace(config(server), server="https://api.invalid:6443", server_name="127.0.0.1")
    async with connect(server.port) as proxy, Client(through(unknown, proxy.port, "me:p%40ss@")) as client:
        assert (await who(client))["path"] == "/who"
        events = client._http.stream("/who", {}, {}, 20.0)
        async with events as (status, parts):
            assert status == 200 and json.loads(await parts.rest())["path"] == "/who"
    assert len(proxy.asked) == 2 and all(
        asked.startswith("CONNECT api.invalid:6443 HTTP/1.1\r\n") and "Proxy-Authorization: Basic bWU6cEBzcw==" in asked
        for asked in proxy.asked
    )


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
async def test_what_a_proxy_refuses_is_told_without_its_password(server: Serving, status: str) -> None:
    async with connect(server.port, status) as proxy, Client(through(config(server), proxy.port, "me:PASS@")) as client:
        with pytest.raises(
            Unreachable, match=f"by the proxy http://127.0.0.1:{proxy.port}: it answers '{status}"
        ) as told:
            await client.raw("GET", "/who")
    assert "PASS" not in str(told.value)


async def test_a_proxy_that_is_away_is_told(server: Serving) -> None:
    async with Client(through(config(server), 1)) as client:
        with pytest.raises(Unreachable, match=r"by the proxy http://127\.0\.0\.1:1: connection refused"):
            await client.raw("GET", "/who")


async def test_proxy_url_of_a_kubeconfig_is_taken_even_for_loopback(server: Serving, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(server.pki.ca.read_bytes())
    async with connect(server.port) as proxy:
        cluster = {
            "server": "https://127.0.0.1:1", "certificate-authority": "ca.crt",
            "proxy-url": f"http://127.0.0.1:{proxy.port}",
        }  # fmt: skip
        async with Client(load(kubeconfig(tmp_path / "k", cluster=cluster, user={"token": token(server)}))) as client:
            assert (await who(client))["user"] == "system:serviceaccount:agents:a"


# Plugins


def with_plugin(server: Serving, folder: Path, first: str = "", **fields: Any) -> Config:
    """The configuration of a kubeconfig whose user is told by a program."""
    program(folder, first)
    (folder / "ca.crt").write_bytes(server.pki.ca.read_bytes())
    cluster = {"server": f"https://127.0.0.1:{server.port}", "certificate-authority": "ca.crt"}
    return load(kubeconfig(folder / "k", cluster=cluster, user=plugin(**{"command": "./login", **fields})))


def says(folder: Path, **status: Any) -> None:
    (folder / "status").write_text(json.dumps(status))


async def test_a_plugin_is_asked_once_for_all_who_wait_and_kept(server: Serving, tmp_path: Path) -> None:
    told = with_plugin(server, tmp_path / "p", provideClusterInfo=True)
    says(tmp_path / "p", token=token(server))
    client = Client(told)
    answers = await asyncio.gather(*(who(client) for _ in range(20)))
    assert {answer["user"] for answer in answers} == {"system:serviceaccount:agents:a"}
    (call,) = calls(tmp_path / "p")
    assert json.loads(call)["spec"]["cluster"]["server"] == told.server
    client.close()


async def test_a_plugin_is_asked_again_when_its_credential_ends(server: Serving, tmp_path: Path) -> None:
    now = 1000.0
    says_until = {"token": "t", "expirationTimestamp": "1970-01-01T00:20:00Z"}
    kept = Credentials(with_plugin(server, tmp_path / "p"), lambda: now)
    says(tmp_path / "p", **says_until)
    first = await kept.get()
    now = 1199.0
    assert await kept.get() is first and kept.at_hand() is first
    now = 1200.0
    assert kept.at_hand() is None
    says(tmp_path / "p", token="u")
    assert (await kept.get()).bearer() == "u" and len(calls(tmp_path / "p")) == 2


async def test_a_refused_token_is_asked_for_once_more(server: Serving, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    told = with_plugin(server, folder)
    says(folder, token="stale")
    renewed = json.dumps({"token": token(server)})
    program(
        folder, f"if len(open(folder + '/calls').readlines()) == 2: open(folder + '/status', 'w').write({renewed!r})"
    )
    async with Client(told) as client:
        assert (await who(client))["user"] == "system:serviceaccount:agents:a"
        assert len(calls(folder)) == 2
        says(folder, token="stale")
        client._http._credentials.refused(client._http._who or told)
        with pytest.raises(Unauthorized):
            await client.raw("GET", "/who")
    assert len(calls(folder)) == 4, "a credential that is refused twice is told of"


async def test_a_watch_is_begun_with_a_new_credential_too(server: Serving, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    told = with_plugin(server, folder)
    says(folder, token="stale")
    renewed = json.dumps({"token": token(server)})
    program(
        folder, f"if len(open(folder + '/calls').readlines()) == 2: open(folder + '/status', 'w').write({renewed!r})"
    )
    async with Client(told) as client, client._http.stream("/who", {}, {}, 20.0) as (status, parts):
        assert status == 200
        assert json.loads(await parts.rest())["user"] == "system:serviceaccount:agents:a"


async def test_a_plugins_certificate_changes_who_we_are_on_every_connection(server: Serving, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    told = with_plugin(server, folder)

    def is_now(user: str) -> None:
        certificate, key = server.pki.client(user, ())
        says(folder, clientCertificateData=certificate.read_text(), clientKeyData=key.read_text())

    is_now("ann")
    async with Client(told) as client:
        assert [(await who(client))["user"] for _ in range(2)] == ["ann", "ann"]
        is_now("bob")
        client._http._credentials.refused(client._http._who or told)
        assert (await who(client))["user"] == "bob"


@pytest.mark.parametrize(
    ("first", "why"),
    [
        ("sys.exit(3)", "exec login: it ended with 3; run it by hand"),
        ("print('SECRET'); sys.exit()", "exec login: what it printed is no ExecCredential"),
        ("print('SECRET' * 1000000); sys.exit()", "exec login: it printed more than"),
        ("import time; time.sleep(600)", r"exec login: it did not end within 0\.5 s"),
        ("if os.fork() == 0:\n    import time; time.sleep(600)", r"exec login: it did not end within 0\.5 s"),
        ("sys.exit(4 if sys.stdin.read() == '' else 5)", "exec login: it ended with 4"),
    ],
)
async def test_what_goes_wrong_with_a_plugin_is_told(
    server: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, why: str
) -> None:
    if "sleep" in first:
        monkeypatch.setattr(credentials, "ALONE_SECONDS", 0.5)
    told = with_plugin(server, tmp_path / "p", first)
    says(tmp_path / "p", token="t")
    with pytest.raises(Unreachable, match=f"^{why}") as said:
        await Client(told).raw("GET", "/who")
    assert "SECRET" not in str(said.value)


async def test_a_plugin_that_is_not_there_is_told_with_the_hint(server: Serving, tmp_path: Path) -> None:
    told = with_plugin(server, tmp_path / "p", command="./gone", installHint="Get it at\n https://example.com")
    with pytest.raises(
        Unreachable, match=r"exec gone: it can't be started: no such file.*; Get it at https://example\.com"
    ):
        await Client(told).raw("GET", "/who")
    always = with_plugin(server, tmp_path / "p", interactiveMode="Always")
    with pytest.raises(Unreachable, match="exec login: it has to ask a person"):
        await Client(always).raw("GET", "/who")


async def test_a_plugin_that_fails_is_not_called_for_each_request(server: Serving, tmp_path: Path) -> None:
    client = Client(with_plugin(server, tmp_path / "p", "sys.exit(1)"))
    for _ in range(5):
        with pytest.raises(Unreachable, match="it ended with 1"):
            await client.raw("GET", "/who")
    assert len(calls(tmp_path / "p")) == 1


async def test_no_request_waits_longer_for_a_plugin_than_it_may(server: Serving, tmp_path: Path) -> None:
    """A leader's write that is sent late would be sent by nobody's leader."""
    folder = tmp_path / "p"
    client = Client(
        with_plugin(server, folder, f"import time\nwhile not os.path.exists({str(folder / 'go')!r}): time.sleep(0.01)"),
        timeout=0.3,
    )
    says(folder, token=token(server))
    with pytest.raises(Unreachable, match=r"exec has given no credential within 0\.3 s"):
        await client.raw("GET", "/who")
    (folder / "go").touch()
    await client._http.authenticate()
    assert len(calls(folder)) == 1


# A pod's own files


async def test_a_pods_token_is_read_anew_as_the_kubelet_rotates_it(server: Serving, tmp_path: Path) -> None:
    pod = tmp_path / "serviceaccount"
    for number, content in ((1, token(server)), (2, "revoked"), (3, token(server))):
        version = pod / f"..{number}"
        version.mkdir(parents=True)
        (version / "token").write_text(content)
        (version / "ca.crt").write_bytes(server.pki.ca.read_bytes())
        (version / "namespace").write_text("agents")
    for name in ("token", "ca.crt", "namespace"):
        (pod / name).symlink_to(Path("..data") / name)
    (pod / "..data").symlink_to("..1")
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
    found = reach.find(None, "", environment, pod)
    assert found.namespace == "agents"
    async with Client(found) as client:
        assert (await who(client))["user"] == "system:serviceaccount:agents:a"
        rotate(pod, 2)
        with pytest.raises(Unauthorized):
            await client.raw("GET", "/who")
        rotate(pod, 3)
        assert (await who(client))["user"] == "system:serviceaccount:agents:a"


def rotate(pod: Path, number: int) -> None:
    """As a kubelet does it: the link is replaced by another."""
    (pod / "..new").symlink_to(f"..{number}")
    (pod / "..new").replace(pod / "..data")


# kopf


async def kopf_says(server: Serving, told: Config, path: str = "/who") -> tuple[int, Any]:
    made = await session(told, Credentials(told))
    async with made, made.get(f"{told.server}{path}") as answer:
        return answer.status, await answer.json() if answer.status == 200 else None


async def test_kopf_goes_the_same_way(server: Serving, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token(server))
    unknown = dataclasses.replace(
        config(server, token_file=file), server="https://api.invalid:6443", server_name="127.0.0.1"
    )
    async with connect(server.port) as proxy:
        told = through(unknown, proxy.port, "me:p%40ss@")
        made = await session(told, Credentials(told))
        async with made:
            async with made.get(f"{told.server}/who") as answer:
                assert (await answer.json())["user"] == "system:serviceaccount:agents:a"
            file.write_text("revoked")
            async with made.get(f"{told.server}/who") as answer:
                assert answer.status == 401, "the token is that of the file now"
    assert "Proxy-Authorization: Basic bWU6cEBzcw==" in proxy.asked[0]


async def test_kopf_asks_a_plugin_again_after_a_refusal(server: Serving, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    told = with_plugin(server, folder)
    says(folder, token="stale")
    kept = Credentials(told)
    made = await session(told, kept)
    async with made:
        async with made.get(f"{told.server}/who") as answer:
            assert answer.status == 401
        says(folder, token=token(server))
        async with made.get(f"{told.server}/who") as answer:
            assert (await answer.json())["user"] == "system:serviceaccount:agents:a"
    assert len(calls(folder)) == 2


async def test_who_acts_as_another_says_so_over_the_wire(tmp_path: Path) -> None:
    heard: list[str] = []

    async def handle(request: Request) -> Response:
        heard.append(request.headers.get("impersonate-user", ""))
        return Response(200, b"{}", {"content-type": "application/json"})

    async with serving(tmp_path / "pki", handle) as server:
        told = config(server, headers=(("Impersonate-User", "ann"),))
        async with Client(told) as client:
            await client.raw("GET", "/who")
        await kopf_says(server, told)
    assert heard == ["ann", "ann"]
