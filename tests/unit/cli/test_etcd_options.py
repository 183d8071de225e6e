from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner

from starlink.cli.etcd import EtcdOptions
from starlink.cli.main import cli


def test_what_was_chosen_is_gone_on_with() -> None:
    chosen = EtcdOptions.of("https://a:2379", "/starlink", Path("/etc/ca.crt"), None, None)
    assert EtcdOptions.remembered({"pid": 1, "etcd": asdict(chosen)}) == chosen
    words = ("--etcd-endpoints", "https://a:2379", "--etcd-prefix", "/starlink", "--etcd-ca", "/etc/ca.crt")
    assert chosen.arguments() == words


def test_files_are_found_from_wherever_the_next_start_is() -> None:
    chosen = EtcdOptions.of("https://a:2379", "/starlink", None, Path("c"), Path("k"))
    assert (chosen.cert, chosen.key) == (str(Path.cwd() / "c"), str(Path.cwd() / "k"))


def test_nothing_chosen_is_sqlite() -> None:
    none = EtcdOptions.remembered({"listen": "127.0.0.1:1"})
    assert none.arguments() == () and none == EtcdOptions("")


@pytest.mark.parametrize("command", [["up"], ["restore", "b"]])
def test_options_of_etcd_without_etcd_are_refused(command: list[str]) -> None:
    done = CliRunner().invoke(cli, [*command, "--etcd-prefix", "/x"])
    assert done.exit_code == 2 and "--etcd-prefix, --etcd-ca, --etcd-cert and --etcd-key need --etcd" in done.output
