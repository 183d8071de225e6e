"""helm, unmodified: a release's life from install to uninstall.

https://helm.sh/docs/helm/
"""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.clients import config_maps
from tests.conformance.conftest import GROUP, SECONDS, Crds, Http
from tests.conftest import eventually
from tests.tools import HELM

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{plural: {plural}, singular: {singular}, kind: {kind}, listKind: {kind}List}}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties: {{size: {{type: integer, maximum: 10}}}}
"""
TEMPLATES = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: "{{{{ .Release.Name }}}}-config"}}
data: {{colour: "{{{{ .Values.colour }}}}"}}
---
apiVersion: v1
kind: Secret
metadata: {{name: "{{{{ .Release.Name }}}}-secret"}}
stringData: {{word: "{{{{ .Values.colour }}}}"}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: "{{{{ .Release.Name }}}}"}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: "{{{{ .Release.Name }}}}"}}
rules: [{{apiGroups: [""], resources: [configmaps], verbs: [get]}}]
---
apiVersion: {group}/v1
kind: {kind}
metadata: {{name: "{{{{ .Release.Name }}}}"}}
spec: {{size: {{{{ .Values.size }}}}}}
"""


@dataclass
class Helm:
    """helm with folders of its own, for one chart in one namespace."""

    binary: str
    env: dict[str, str]
    chart: Path
    namespace: str

    def __call__(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [self.binary, "--namespace", self.namespace, *words],
            capture_output=True, text=True, env=self.env, timeout=90, check=False,
        )  # fmt: skip
        if check and done.returncode:
            pytest.fail(f"helm {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def upgrade(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        return self("upgrade", "web", str(self.chart), "--timeout", "30s", *words, check=check)

    def read(self, *words: str) -> Any:
        return json.loads(self(*words, "-o", "json").stdout)


@pytest.fixture
def helm(http: Http, kubeconfig: Path, namespace: str, tmp_path: Path) -> Iterator[Helm]:
    """helm with a chart of its own, whose CRD is removed when the test ends."""
    plural = f"charted{secrets.token_hex(4)}"
    names = {"group": GROUP, "plural": plural, "singular": plural[:-1] + "x", "kind": plural.capitalize()}
    chart = tmp_path / "chart"
    for folder in ("crds", "templates"):
        (chart / folder).mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: conformance, version: 0.1.0}")
    (chart / "values.yaml").write_text("{colour: red, size: 1}")
    (chart / "crds" / "crd.yaml").write_text(CRD.format(**names))
    (chart / "templates" / "all.yaml").write_text(TEMPLATES.format(**names))
    homes = {f"HELM_{part}_HOME": str(tmp_path / part) for part in ("CACHE", "CONFIG", "DATA")}
    env = {**os.environ, **homes, "KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)}
    yield Helm(HELM.path(), env, chart, namespace)
    http.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{GROUP}")


def colour(http: Http, helm: Helm) -> str:
    return str(http.get(config_maps(helm.namespace, "web-config")).expect(200)["data"]["colour"])


def statuses(helm: Helm) -> list[str]:
    return [one["status"] for one in helm.read("history", "web")]


def test_the_life_of_a_release(http: Http, helm: Helm) -> None:
    first = helm("install", "web", str(helm.chart), "--wait", "--timeout", "30s")
    assert "STATUS: deployed" in first.stdout and "REVISION: 1" in first.stdout
    assert colour(http, helm) == "red"
    http.get(f"/api/v1/namespaces/{helm.namespace}/serviceaccounts/web").expect(200)

    helm.upgrade("--set", "colour=blue", "--wait")
    assert colour(http, helm) == "blue"
    assert statuses(helm) == ["superseded", "deployed"]

    helm("rollback", "web", "1", "--wait")
    assert colour(http, helm) == "red"
    history = helm.read("history", "web")
    assert history[-1]["description"] == "Rollback to 1" and history[-1]["revision"] == 3
    assert [one["name"] for one in helm.read("list")] == ["web"]
    assert "colour: red" in helm("get", "manifest", "web").stdout.replace('"', "")

    assert 'release "web" uninstalled' in helm("uninstall", "web", "--wait", "--timeout", "30s").stdout
    assert http.get(config_maps(helm.namespace, "web-config")).status == 404
    assert helm.read("list") == []


def test_an_atomic_upgrade_that_fails_is_rolled_back(http: Http, helm: Helm) -> None:
    helm("install", "web", str(helm.chart), "--wait", "--timeout", "30s")
    failed = helm.upgrade("--atomic", "--set", "colour=blue,size=99", check=False)
    assert failed.returncode != 0
    assert "has been rolled back due to atomic being set" in failed.stderr
    assert "should be less than or equal to 10" in failed.stderr
    assert colour(http, helm) == "red"
    assert statuses(helm) == ["superseded", "failed", "deployed"]


def test_an_atomic_install_that_fails_leaves_nothing(http: Http, helm: Helm, crd: Crds) -> None:
    words = ("--atomic", "--timeout", "30s", "--set", "size=99")
    failed = helm("install", "web", str(helm.chart), *words, check=False)
    assert failed.returncode != 0 and "has been uninstalled due to atomic being set" in failed.stderr
    eventually(lambda: http.get(config_maps(helm.namespace, "web-config")).status == 404, "nothing is left", SECONDS)
    assert helm.read("list", "--all") == []


def test_a_dry_run_writes_nothing(http: Http, helm: Helm) -> None:
    helm("install", "web", str(helm.chart))
    shown = helm.upgrade("--dry-run=server", "--set", "colour=green").stdout
    assert 'colour: "green"' in shown or "colour: green" in shown
    assert colour(http, helm) == "red"
    assert statuses(helm) == ["deployed"]


def test_install_or_upgrade(http: Http, helm: Helm) -> None:
    for wanted in ("red", "blue"):
        helm.upgrade("--install", "--set", f"colour={wanted}")
        assert colour(http, helm) == wanted
    helm.upgrade("--reuse-values", "--set", "size=2")
    assert colour(http, helm) == "blue"
    assert helm.read("get", "values", "web") == {"colour": "blue", "size": 2}


def test_what_helm_does_not_own_is_not_taken(http: Http, helm: Helm) -> None:
    http.post(config_maps(helm.namespace), {"metadata": {"name": "web-config"}}).expect(201)
    refused = helm("install", "web", str(helm.chart), check=False)
    assert refused.returncode != 0 and "invalid ownership metadata" in refused.stderr


def test_a_release_creates_its_namespace(http: Http, helm: Helm) -> None:
    helm.namespace = f"{helm.namespace}-new"
    try:
        helm("install", "web", str(helm.chart), "--create-namespace")
        assert colour(http, helm) == "red"
    finally:
        http.delete(f"/api/v1/namespaces/{helm.namespace}")
