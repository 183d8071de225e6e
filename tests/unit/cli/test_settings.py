"""What is kept of the options of `up` and `agent`, and what an upgrade takes from the files of an earlier version."""

import datetime
import json
from dataclasses import asdict
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from starlink.apiserver.security.certificates.pki import Pki
from starlink.cli import options
from starlink.cli.agent_tokens import server_of
from starlink.cli.datadir import DataDir
from starlink.cli.earlier import settings_of
from starlink.cli.etcd import EtcdOptions
from starlink.cli.main import cli
from starlink.cli.settings import BadSettings, JoinedSettings, UpSettings, load, merged, save
from starlink.client.config import Config, render

ALL = UpSettings(
    name="rack1", address="10.0.0.5", artifact_dir="/srv/artifacts", allow_local_artifacts=True, cache_size="1Gi",
    cache_age="24h", resources=("a.b/c=2",),
    task_user="alice", task_uids="", listen="0.0.0.0:6443", tls_san=("star.example",), durability="normal",
    etcd=EtcdOptions("http://10.0.0.1:2379", "/other", "/ca"), debug=True,
)  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    made = DataDir(tmp_path / "data")
    made.create()
    return made


def given(*words: str, table: tuple[options.Option, ...] = options.UP) -> dict[str, object]:
    """What a command with the options gets for these words."""
    found: list[dict[str, object]] = []

    @click.command()
    @options.kept(table)
    def command(given: dict[str, object]) -> None:
        found.append(given)

    done = CliRunner().invoke(command, [*words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return found[0]


def test_each_option_has_a_field_and_each_field_an_option() -> None:
    for table, settings in ((options.UP, UpSettings), (options.AGENT, JoinedSettings)):
        assert sorted(option.field for option in table) == sorted(settings.__struct_fields__)


def test_all_of_it_comes_back_and_only_the_owner_reads_it(data: DataDir) -> None:
    save(data.settings, ALL)
    assert load(data.settings, UpSettings, "") == ALL == settings_of(data)
    assert data.settings.stat().st_mode & 0o777 == 0o600


def test_what_is_not_given_is_as_the_last_time() -> None:
    assert given() == {}
    assert merged(ALL, given()) == ALL
    assert merged(ALL, given("--name", "rack2")).name == "rack2"


def test_each_option_can_be_put_back_to_its_default() -> None:
    texts = (
        "name",
        "address",
        "artifact-dir",
        "cache-size",
        "cache-age",
        "resource",
        "task-user",
        "listen",
        "tls-san",
        "durability",
        "etcd",
    )
    words = [word for text in texts for word in (f"--{text}", "")]
    assert merged(ALL, given(*words, "--no-debug", "--no-allow-local-artifacts")) == UpSettings()
    joined = JoinedSettings(kubeconfig="/k", log_level="debug", task_uids="50000-50999")
    words = ["--kubeconfig", "", "--log-level", "", "--task-uids", ""]
    assert merged(joined, given(*words, table=options.AGENT)) == JoinedSettings()


def test_an_option_takes_the_place_of_its_rival() -> None:
    settled = merged(ALL, given("--task-uids", "50000-50999"))
    assert (settled.task_user, settled.task_uids) == ("", "50000-50999")
    assert merged(settled, given("--task-user", "bob")).task_uids == ""
    assert merged(settled, given("--task-user", "")).task_uids == "50000-50999"


def test_a_change_is_one_line() -> None:
    after = merged(
        ALL, given("--task-user", "bob", "--tls-san", "", "--no-debug", "--etcd", "", "--durability", "full")
    )
    assert [*options.changes(options.UP, ALL, after)] == [
        "further names: star.example → none",
        "task user: alice → bob",
        "durability: normal → full",
        "objects in: http://10.0.0.1:2379, below /other → SQLite",
        "debug: on → off",
    ]
    assert [*options.changes(options.UP, ALL, ALL)] == [] == [*options.changes(options.UP, None, after)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "it is no JSON"),
        (b"\xff", "it is no JSON"),
        (b'{"name": 5}', "Expected `str`, got `int` - at `$.name`"),
        (b'{"later": "s3cret"}', "unknown field `later`"),
        (b"[]", "Expected `object`, got `array`"),
    ],
)
def test_settings_that_cannot_be_read_are_an_error(data: DataDir, content: bytes, told: str) -> None:
    data.settings.write_bytes(content)
    with pytest.raises(BadSettings) as error:
        settings_of(data)
    assert str(data.settings) in str(error.value) and told in str(error.value)
    assert "put it right" in str(error.value) and "remove it" in str(error.value) and "s3cret" not in str(error.value)
    done = CliRunner().invoke(cli, ["up", "--data-dir", str(data.root)])
    assert done.exit_code == 1 and str(data.settings) in done.output
    assert data.settings.read_bytes() == content


# An upgrade


def earlier(data: DataDir, hosts: list[str], **state: object) -> None:
    """The files of a StarLink that kept no settings."""
    Pki(data.pki, datetime.datetime.now(datetime.UTC)).server(hosts)
    data.write_state(
        {"pid": 1, "url": "https://127.0.0.1:7443", "listen": "127.0.0.1:7443", "server": "rack1", **state}
    )


def test_an_upgrade_is_the_same_server(data: DataDir) -> None:
    etcd = EtcdOptions("http://10.0.0.1:2379")
    earlier(data, ["127.0.0.1"], etcd=asdict(etcd))
    assert settings_of(data) == UpSettings(name="rack1", listen="127.0.0.1:7443", etcd=etcd)


@pytest.mark.parametrize(("noted", "listen"), [("127.0.0.1:7443", "0.0.0.0:7443"), ("[::1]:7443", "[::]:7443")])
def test_that_it_listened_everywhere_is_told_by_its_certificate(data: DataDir, noted: str, listen: str) -> None:
    earlier(data, ["127.0.0.1", "192.0.2.7"], listen=noted)
    assert settings_of(data) == UpSettings(name="rack1", listen=listen)


def test_without_run_json_the_kubeconfigs_tell(data: DataDir) -> None:
    Pki(data.pki, datetime.datetime.now(datetime.UTC))
    data.admin_kubeconfig.write_text(render(Config("https://10.0.0.5:7443"), "admin"))
    token = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6c3Rhcmxpbmstc2VydmVyczpyYWNrMSJ9.c2ln"
    assert server_of(token) == "rack1" and server_of("a.b.c") == "" and server_of("") == ""
    data.agent_kubeconfig.write_text(render(Config("https://10.0.0.5:7443", token=token), "agent"))
    assert settings_of(data) == UpSettings(name="rack1", listen="10.0.0.5:7443")


def test_a_new_data_dir_has_none(data: DataDir) -> None:
    assert settings_of(data) is None


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_run_json_that_cannot_be_read_is_not_taken_for_sqlite(data: DataDir, content: str) -> None:
    data.state.write_text(content)
    with pytest.raises(BadSettings, match=r"run\.json can't be read.* --etcd"):
        settings_of(data)
    save(data.settings, UpSettings(name="rack1"))
    assert settings_of(data) == UpSettings(name="rack1")


def test_what_is_written_is_for_people_too(data: DataDir) -> None:
    save(data.settings, ALL)
    assert json.loads(data.settings.read_text())["tls_san"] == ["star.example"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cache-size", "much"), "write bytes with an optional unit, such as 10Gi"),
        (("--cache-age", "30d"), "write a time such as 720h"),
    ],
)
def test_a_bad_limit_of_the_cache_is_refused(words: tuple[str, str], said: str) -> None:
    command = options.kept(options.AGENT)(lambda given: None)
    done = CliRunner().invoke(click.command()(command), [*words])
    assert done.exit_code == 2 and words[0] in done.output and said in " ".join(done.output.split())
