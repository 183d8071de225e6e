"""YAML as kubectl reads it, and what is said of values that may surprise."""

from typing import Any

import pytest
from tests.kubectl_yaml import DOCUMENTS, REFUSED, REFUSED_BY_US, SCALARS

from starlink.manifest import BadManifest, load_all


def same(found: Any, wanted: Any) -> bool:
    return type(found) is type(wanted) and bool(found == wanted)


@pytest.mark.parametrize(("text", "value"), [*SCALARS.items(), *DOCUMENTS.items()])
def test_a_value_is_what_kubectl_makes_of_it(text: str, value: Any) -> None:
    (found,) = load_all(f"x: {text}\n", "f.yaml")
    assert same(found["x"], value), found


@pytest.mark.parametrize("text", [*REFUSED, *REFUSED_BY_US])
def test_what_can_not_be_told_is_refused(text: str) -> None:
    with pytest.raises(BadManifest, match=r"f\.yaml"):
        load_all(f"x: {text}\n", "f.yaml")


def warnings(text: str) -> list[str]:
    found: list[str] = []
    load_all(text, "f.yaml", warn=found.append)
    return found


def test_values_that_bite_are_told_with_file_line_and_what_to_write() -> None:
    assert warnings("a: b\nvalue: y\nmode: 0777\nat: 1:30\nsize: 1_000\n") == [
        'f.yaml, line 2: y is read as true, as kubectl does; write "y" for the text, or true',
        'f.yaml, line 3: 0777 is read as the number 511, as kubectl does; write "0777" for the text, or 511',
        'f.yaml, line 4: 1:30 is text here and in kubectl, but a number of base 60 to other readers of YAML 1.1; write "1:30"',
        'f.yaml, line 5: 1_000 is read as the number 1000, as kubectl does; write "1_000" for the text, or 1000',
    ]
    assert warnings("on: [push]\n") == [
        'f.yaml, line 1: on is read as true, as kubectl does; write "on" for the text, or true'
    ]
    assert warnings("b: &b {q: 1}\nx: {q: 2, <<: *b}\n") == [
        "f.yaml, line 1: << replaces q, which stands before it, as with kubectl; put << first"
    ]


def test_what_everybody_reads_alike_is_not_told() -> None:
    plain = [
        "true",
        "1",
        "-1",
        "0",
        "1.5",
        "0.5",
        "1e3",
        "10Gi",
        "500m",
        "10.0.0.1",
        "2001-12-14",
        "a:b",
        "~",
        "nobody",
        "yes1",
        "http://h:80",
        "sha256:00aa",
    ]
    assert warnings("".join(f"- {text}\n" for text in (*plain, "'y'", '"0777"', "|\n  on\n", "!!str y"))) == []


def test_a_bomb_of_merges_is_bounded() -> None:
    many = ", ".join(f"k{n}: {n}" for n in range(900))
    text = f"a: &a {{{many}}}\n" + "".join(f"b{n}: {{<<: [{', '.join(['*a'] * 9)}]}}\n" for n in range(100))
    with pytest.raises(BadManifest, match="more than 20000 values"):
        load_all(text, "f.yaml", 20_000)
