"""Whatever goes wrong, a person gets words and an exit status, never a traceback."""

import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.conftest import ROOT, _let_pass

from starlink.cli import extras, faults, names
from starlink.cli.datadir import DataDir, NotStarted
from starlink.cli.main import COMMANDS, cli
from starlink.client.config import Config, render

SECONDS = 90.0


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)


# Data directories


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    _let_pass(tmp_path)
    made = DataDir(tmp_path / "data")
    made.create()
    return made


@pytest.mark.parametrize("name", ["logs", "starlink.lock", "run.json", "settings.json", "pki", "admin.kubeconfig"])
def test_a_file_in_the_place_of_a_directory_and_the_other_way_round_is_named(data: DataDir, name: str) -> None:
    path = data.root / name
    if path.is_dir():
        path.rmdir()
        path.touch()
    else:
        path.unlink(missing_ok=True)
        path.touch() if name == "pki" else path.mkdir()
    verb = {"run.json": "down", "admin.kubeconfig": "get"}.get(name, "up")
    command = [sys.executable, "-m", "starlink.cli", verb, *(["tasks"] if verb == "get" else [])]
    done = subprocess.run(
        [*command, "--data-dir", str(data.root)], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 1 and str(path) in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.startswith("Error: ") and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("content", ["[1]", "junk", '{"pid": "x"}', '{"pid": 1}', "\0"])
def test_a_broken_note_of_what_runs_is_as_none(data: DataDir, content: str) -> None:
    data.state.write_text(content)
    for verb in ("status", "down"):
        done = run(verb, "--data-dir", data.root)
        assert done.exit_code == 1 and f"StarLink does not run on {data.root}" in done.output


@pytest.mark.parametrize("name", ["ca.key", "ca.crt"])
def test_a_broken_key_is_named(tmp_path: Path, data: DataDir, name: str) -> None:
    from starlink.cli.launcher import Standalone

    standalone = Standalone(data)
    standalone.url = "https://127.0.0.1:1"
    standalone._write_kubeconfigs()
    (data.pki / name).write_text("junk")
    with pytest.raises(NotStarted, match=f"{data.pki / name} holds no .* in PEM; restore the pki folder"):
        standalone._write_kubeconfigs()


def test_a_broken_certificate_is_made_anew(data: DataDir) -> None:
    from starlink.cli.launcher import Standalone

    standalone = Standalone(data)
    standalone.url = "https://127.0.0.1:1"
    standalone._write_kubeconfigs()
    (data.pki / "starlink-admin.crt").write_text("junk")
    standalone._write_kubeconfigs()
    assert "BEGIN CERTIFICATE" in (data.pki / "starlink-admin.crt").read_text()


# Names


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("Rack_1", "rack-1"), ("a..b", "a.b"), (".a-", "a"), ("host.-x", "host.x"), ("ß", "server"), ("a" * 300, "a" * 253),
        ("-A b_", "a-b"),
    ],
)  # fmt: skip
def test_a_name_that_no_server_can_have_is_answered_with_one_that_it_can(name: str, instead: str) -> None:
    assert names.proposed(name) == instead == names.proposed(instead)
    for words in (("up", "--name", name), ("agent", "--name", name), ("server", "add", "--", name)):
        done = run(*words)
        assert done.exit_code == 2 and f"such as {instead}\n" in done.output, done.output
        assert "lowercase letters, digits, '-' and '.'" in done.output


# Kubeconfigs

GOOD = render(Config("https://127.0.0.1:1", ca=b"", token="t"), "somebody")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "is not valid YAML"),
        ("- a", "this is no kubeconfig"),
        ("", "this is no kubeconfig"),
        ("\udcff", "it is no text"),
        ("{}", "current-context is not set"),
        (GOOD.replace('"current-context": "starlink"', '"current-context": "gone"'), "contexts has no entry 'gone'"),
        (GOOD.replace('"cluster": "starlink"', '"cluster": ["x"]'), "clusters has no entry ['x']"),
        (GOOD.replace('"users": [', '"users": {}, "u": ['), "users has no entry 'somebody'"),
        (GOOD.replace("https://127.0.0.1:1", "https://[::1"), "it must be a URL such as"),
        (GOOD.replace("https://127.0.0.1:1", "https://127.0.0.1:x"), "it must be a URL such as"),
        (GOOD.replace("https://127.0.0.1:1", "https://"), "it must be a URL such as"),
        (GOOD.replace('"server":', '"certificate-authority": "gone.crt", "server":'), "'gone.crt' can't be read: No such"),
        (GOOD.replace('"server":', '"certificate-authority-data": "!", "server":'), "data is not base64"),
        (GOOD.replace('"server":', '"certificate-authority-data": 7, "server":'), "data is not base64"),
        (GOOD.replace('"server":', '"certificate-authority": 7, "server":'), "must be one line of text"),
        (GOOD.replace('"server":', '"certificate-authority-data": "anVuaw==", "server":'), "holds no certificate in PEM"),
        (GOOD.replace('"token": "t"', '"token": 7'), "token must be one line of text"),
        (GOOD.replace('"token": "t"', '"token": "a\\r\\nb: c"'), "token must be one line of text"),
        (GOOD.replace('"token": "t"', '"client-certificate-data": "eA==", "client-key-data": "eA=="'), "are no certificate in PEM"),
    ],
)  # fmt: skip
def test_a_broken_kubeconfig_is_told(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "config"
    file.write_bytes(content.encode(errors="surrogateescape"))
    done = run("--kubeconfig", file, "get", "tasks")
    assert done.exit_code == 1 and said in done.output, done.output


def test_a_kubeconfig_that_is_a_directory_or_not_there_is_told(tmp_path: Path) -> None:
    for file, why in ((tmp_path, "Is a directory"), (tmp_path / "gone", "No such file or directory")):
        done = run("--kubeconfig", file, "get", "tasks")
        assert done.exit_code == 1 and f"{file}: the kubeconfig can't be read: {why}" in done.output


# An install without extras

BARE = f"""
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {[name.split(".")[0] for name in (*extras.OF_SERVER, *extras.OF_ETCD)]}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
sys.argv[0] = "starlink"
from starlink.cli.__main__ import main
main()
"""


def bare(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    """`starlink`, as `pip install` without extras gives it."""
    command = [sys.executable, "-c", BARE, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def test_what_extras_bring_is_what_pyproject_says() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    of = {
        name.split(".")[0]: {one.lower().replace("_", "-") for one in whose}
        for name, whose in packages_distributions().items()
    }
    for extra, modules in (("server", extras.OF_SERVER), ("etcd", extras.OF_ETCD)):
        wanted = {re.split("[<>=!\\[]", one)[0] for one in told[extra]} - {"starlink-orchestrator"}
        found = {name: of[name.split(".")[0]] & wanted for name in modules}
        assert all(found.values()), found
        assert set().union(*found.values()) == wanted


@pytest.mark.parametrize("words", [("up",), ("up", "--detach"), ("demo",)])
def test_without_extras_it_is_said_what_to_install_and_nothing_is_made(tmp_path: Path, words: tuple[str, ...]) -> None:
    place = () if words == ("demo",) else ("--data-dir", tmp_path / "data")
    done = bare(*words, *place)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"`starlink {words[0]}` needs " in done.stderr
    assert "pip install 'starlink-orchestrator[server]'" in done.stderr and "starlink agent" in done.stderr
    assert os.listdir(tmp_path) == []


def test_without_extras_each_command_says_what_it_is(tmp_path: Path) -> None:
    listed = bare("--help")
    assert listed.returncode == 0 and all(verb in listed.stdout for verb in COMMANDS)
    for words in (("backup", tmp_path / "b"), ("plan", "-f", ROOT / "examples/hello.yaml"), ("rebalance",)):
        done = bare(*words, "--data-dir", tmp_path)
        assert done.returncode == 1 and "starlink-orchestrator[server]" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    for others in (("get", "tasks"), ("down",), ("kubeconfig",), ("agent", "--name", "Bad_Name")):
        done = bare(*others, "--data-dir", tmp_path)
        assert "pip install" not in done.stderr and "Traceback" not in done.stderr and done.returncode, others


# Signals and pipes


def started(*words: str | Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "starlink.cli", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_who_reads_may_leave(data: DataDir) -> None:
    data.admin_kubeconfig.write_text("x" * 1024 * 1024)
    for words in (("kubeconfig", "--data-dir", data.root), ("--help",)):
        reads, writes = os.pipe()
        os.close(reads)
        command = [sys.executable, "-m", "starlink.cli", *map(str, words)]
        done = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, timeout=SECONDS, check=False)
        os.close(writes)
        assert (done.returncode, done.stderr) == (1, "")


def test_a_disk_that_is_full_is_told(data: DataDir) -> None:
    data.admin_kubeconfig.write_text("x")
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "starlink.cli", "kubeconfig", "--data-dir", str(data.root)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stderr) == (1, "Error: No space left on device\n")


@pytest.mark.parametrize(
    "words",
    [("get", "tasks"), ("delete", "task", "a"), ("apply", "-f", "FILE"), ("plan", "-f", "FILE"), ("rebalance",),
     ("pool", "move", "a", "b"), ("server", "add", "a")],
)  # fmt: skip
def test_ctrl_c_ends_a_command_with_a_word(tmp_path: Path, words: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file = tmp_path / "config"
        file.write_text(render(Config(f"https://127.0.0.1:{silent.getsockname()[1]}"), "somebody"))
        given = [str(ROOT / "examples/hello.yaml") if word == "FILE" else word for word in words]
        process = started("--kubeconfig", file, *given)
        silent.settimeout(SECONDS)
        silent.accept()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=SECONDS)
    assert (process.returncode, said.strip()) == (faults.INTERRUPTED, "Error: interrupted")


@pytest.mark.parametrize("program", ["starlink.cli", "starlink_nodeagent"])
def test_ctrl_c_while_a_program_loads_ends_it_without_a_word(tmp_path: Path, program: str) -> None:
    marked = "import os, signal, sys; os.kill(os.getpid(), signal.SIGINT)"
    for module in ("click", "argparse"):  # what each imports first
        (tmp_path / f"{module}.py").write_text(marked)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", program], capture_output=True, text=True, timeout=SECONDS, check=False, env=env
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_ctrl_c_between_the_command_and_the_agent_ends_the_agent_without_a_word() -> None:
    interrupted = (
        "import os, signal, sys; from starlink import interrupts; interrupts.hold(); "
        "os.kill(os.getpid(), signal.SIGINT); os.execv(sys.executable, [sys.executable, '-m', 'starlink_nodeagent'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", interrupted], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_fault_of_our_own_is_told_as_one() -> None:
    try:
        extras.lacking(7)  # type: ignore[arg-type]
    except AttributeError as error:
        told = faults.in_words(error)
    assert told.startswith("this is a fault of StarLink's own, please report it: AttributeError at extras.py:")
    assert "hunter2" not in faults.in_words(KeyError("hunter2"))
    assert faults.in_words(PermissionError(13, "Permission denied", "/a")) == "/a: Permission denied"
    assert "pip install" in faults.in_words(ModuleNotFoundError("x", name="numpy"))
