"""What is built of a Go module is kept, and built anew where it is broken or where what it is made of has changed."""

import shutil
from pathlib import Path

import pytest
from tests.kube.programs import Build


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """A small module that requires the version which its program says."""
    if not shutil.which("go"):
        pytest.skip("go is needed: https://go.dev/doc/install")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("STARLINK_TEST_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "module"
    for path, text in {
        "go.mod": "module example.com/program\n\ngo 1.21\n\nrequire example.com/of v1.2.3\n\nreplace example.com/of => ./of\n",
        "go.sum": "",
        "main.go": 'package main\n\nimport "os"\n\nfunc main() { os.Stdout.WriteString("Kubernetes v1.2.3\\n") }\n',
        "of/go.mod": "module example.com/of\n\ngo 1.21\n",
        "of/of.go": "package of\n",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return Build(folder, "example.com/of", {"program": "."}, lambda version: f"-X main.version={version}")


def without_go(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> str:
        raise RuntimeError("go is needed")

    monkeypatch.setattr("tests.kube.programs._go", absent)


def test_what_is_built_is_kept(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    assert build.found("program") == ""
    build.bring()
    assert build.found("program") == str(build.kept / "program")
    without_go(monkeypatch)
    build.bring()


@pytest.mark.parametrize("broken", ["cut off", "another's", "gone"])
def test_what_is_broken_is_built_anew(build: Build, broken: str) -> None:
    build.bring()
    program = build.kept / "program"
    whole = program.read_bytes()
    if broken == "gone":
        program.unlink()
    else:
        program.write_bytes(whole[:1000] if broken == "cut off" else b"#!/bin/sh\necho Kubernetes v1.2.4\n")
    build.bring()
    assert program.read_bytes() == whole
    assert [path.name for path in build.kept.parent.iterdir()] == [build.kept.name]


def test_a_build_that_fails_leaves_nothing(build: Build) -> None:
    (build.folder / "main.go").write_text("package main\n")
    with pytest.raises(RuntimeError, match=r"(?s)\. can't be built: .*function main is undeclared"):
        build.bring()
    assert build.found("program") == "" and list(build.kept.parent.iterdir()) == []


def test_a_program_that_says_another_version_is_not_kept(build: Build) -> None:
    main = build.folder / "main.go"
    main.write_text(main.read_text().replace("1.2.3", "1.2.4"))
    with pytest.raises(RuntimeError, match=r"program was built, and says that it is 1\.2\.4, not 1\.2\.3"):
        build.bring()
    assert build.found("program") == ""


def test_what_it_is_made_of_names_where_it_is_kept(build: Build) -> None:
    before = build.kept
    (build.folder / "go.sum").write_text("\n")
    assert build.kept != before


def test_assets_come_first(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But those of another minor version aren't taken."""
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    without_go(monkeypatch)
    build.bring()
    for said, found in (("1.2.9", str(tmp_path / "program")), ("1.3.3", "")):
        (tmp_path / "program").write_text(f"#!/bin/sh\necho Kubernetes v{said}\n")
        (tmp_path / "program").chmod(0o755)
        assert build.found("program") == found
