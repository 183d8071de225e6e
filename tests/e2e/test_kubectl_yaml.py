"""The table of what kubectl makes of YAML, held against kubectl itself."""

import json

from tests.conftest import Kubectl
from tests.kubectl_yaml import DOCUMENTS, REFUSED, REFUSED_BY_US, SCALARS
from tests.unit.test_manifest import same

HEAD = "apiVersion: starlink.dev/v1alpha1\nkind: Task\nmetadata: {name: a}\n"
WORDS = ("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-")


def test_the_table_is_kubectls(kubectl: Kubectl) -> None:
    table = {**SCALARS, **DOCUMENTS}
    lines = "".join(f"v{number}: {text}\n" for number, text in enumerate(table))
    found = json.loads(kubectl(*WORDS, stdin=f"{HEAD}{lines}").stdout)
    got = {text: found[f"v{number}"] for number, text in enumerate(table)}
    assert {text: value for text, value in got.items() if not same(value, table[text])} == {}


def test_kubectl_refuses_what_we_refuse_but_for_what_is_listed(kubectl: Kubectl) -> None:
    taken = [text for text in REFUSED if kubectl(*WORDS, stdin=f"{HEAD}x: {text}\n", check=False).returncode == 0]
    assert taken == []
    refused = [text for text in REFUSED_BY_US if kubectl(*WORDS, stdin=f"{HEAD}x: {text}\n", check=False).returncode]
    assert refused == []
