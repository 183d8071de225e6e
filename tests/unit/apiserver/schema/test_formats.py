"""What names, labels and keys look like, and what is said of those that do not."""

import pytest

from starlink.apiserver.schema import formats

PART = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


@pytest.mark.parametrize(
    ("key", "faults"),
    [
        ("app", []),
        ("example.com/app", []),
        ("", ["name part must be non-empty", f"name part {PART}"]),
        ("a" * 64, ["name part must be no more than 63 characters"]),
        ("/app", ["prefix part must be non-empty"]),
        ("Example.com/app", [f"prefix part {formats.SUBDOMAIN_RULE}"]),
        ("-app", [f"name part {PART}"]),
        (
            "a/b/c",
            [f"a qualified name {PART} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"],
        ),
    ],
)
def test_qualified_names(key: str, faults: list[str]) -> None:
    assert formats.qualified_faults(key) == faults
    assert formats.is_qualified(key) is not bool(faults)


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        ("a-1", []),
        ("a.b", ["must not contain dots"]),
        ("A", [formats.LABEL_RULE]),
        ("a" * 64, ["must be no more than 63 characters"]),
        ("-" * 64, ["must be no more than 63 characters", formats.LABEL_RULE]),
    ],
)
def test_dns_labels(name: str, faults: list[str]) -> None:
    assert formats.label_faults(name) == faults
    assert formats.is_label(name) is not bool(faults)


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        ("a.b", []),
        ("system:node", []),
        ("..", ["may not be '..'"]),
        ("a/%", ["may not contain '/'", "may not contain '%'"]),
    ],
)
def test_path_segments(name: str, faults: list[str]) -> None:
    assert formats.path_segment_faults(name) == faults
    assert formats.is_path_segment(name) is not bool(faults)


@pytest.mark.parametrize(("value", "fits"), [("", True), ("A_b.c", True), ("not so", False), ("a" * 64, False)])
def test_label_values(value: str, fits: bool) -> None:
    assert formats.is_label_value(value) is fits
    assert bool(formats.label_value_faults(value)) is not fits


@pytest.mark.parametrize(
    ("key", "said"),
    [("..", "must not be '..'"), ("..a", "must not start with '..'"), ("a b", "a valid config key must consist of")],
)
def test_keys_that_are_no_files(key: str, said: str) -> None:
    assert any(why.startswith(said) for why in formats.config_key_faults(key))
    assert formats.is_config_key("tls.crt")
