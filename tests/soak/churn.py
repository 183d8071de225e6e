"""Objects that come and go: tasks, pools, servers, namespaces, CRDs, watchers, tokens. A lap leaves nothing behind."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.conftest import eventually

from starlink.store.history import DEFAULT_KEPT

Obj = dict[str, Any]

STARLINK = "/apis/starlink.dev/v1alpha1"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "churn.example.com"
SERVICES = 4
USUAL_BYTES = 3_500
MERGE = {"content-type": "application/merge-patch+json"}


def task(name: str, command: list[str], **spec: Any) -> Obj:
    """A task whose instances want next to nothing."""
    template = {"command": command, "resources": {"requests": {"cpu": "1m"}}}
    body = {"template": template, **spec}
    return {"apiVersion": "starlink.dev/v1alpha1", "kind": "Task", "metadata": {"name": name}, "spec": body}


@dataclass
class Churn:
    """Laps against one API server, as its administrator."""

    client: httpx.Client
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def lap(self) -> str:
        """Makes a namespace and all that belongs to a lap, changes it while it runs, and deletes it. Returns its name;
        the namespace is still on its way out then."""
        name = f"churn-{next(self.numbers)}"
        self._post("/api/v1/namespaces", {"metadata": {"name": name}})
        self._tasks(name)
        self._cluster_scoped(name)
        self._account(name)
        self._watchers(name)
        eventually(lambda: self._are_ready(name), f"the services of {name}")
        self._change(name)
        self._remove(name)
        return name

    def fill_history(self) -> None:
        """Writes until the API server keeps as many events as it ever does, each of the size that is usual."""
        maps = "/api/v1/namespaces/default/configmaps"
        self._post(maps, {"metadata": {"name": "filler"}, "data": {"text": "x" * USUAL_BYTES}})
        for number in range(DEFAULT_KEPT * 9 // 8):
            self._patch(f"{maps}/filler", {"data": {"number": str(number)}})
        self.client.delete(f"{maps}/filler").raise_for_status()

    def is_gone(self, namespace: str) -> bool:
        return self.client.get(f"/api/v1/namespaces/{namespace}").status_code == 404

    def _tasks(self, name: str) -> None:
        tasks = self._path(name, "tasks")
        for number in range(SERVICES):
            self._post(tasks, task(f"service-{number}", ["sleep", "1000"], replicas=2))
        self._post(tasks, task("batch", ["true"], type="Batch"))
        self._post(tasks, task("crashes", ["false"]))
        unplaceable = task("unplaceable", ["sleep", "1000"])
        unplaceable["spec"]["template"]["resources"]["requests"]["cpu"] = "5000"
        self._post(tasks, unplaceable)

    def _cluster_scoped(self, name: str) -> None:
        starlink = {"apiVersion": "starlink.dev/v1alpha1", "metadata": {"name": name}}
        selector = {"churn": name}
        self._post(f"{STARLINK}/pools", {**starlink, "kind": "Pool", "spec": {"selector": selector}})
        self._post(f"{STARLINK}/servers", {**starlink, "kind": "Server", "spec": {}})
        plural = name.replace("-", "")
        names = {"plural": plural, "singular": plural, "kind": plural.title(), "listKind": f"{plural.title()}List"}
        size = {"type": "integer", "minimum": 0}
        spec = {"type": "object", "properties": {"size": size}, "x-kubernetes-validations": [{"rule": "self.size < 9"}]}
        schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
        version = {"name": "v1", "served": True, "storage": True, "schema": schema}
        definition = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}
        self._post(CRDS, {"metadata": {"name": f"{plural}.{GROUP}"}, "spec": definition})
        objects = f"/apis/{GROUP}/v1/namespaces/{name}/{plural}"
        eventually(lambda: self.client.get(objects).status_code == 200, f"{plural} served")
        for number in range(3):
            custom = {"apiVersion": f"{GROUP}/v1", "kind": names["kind"], "metadata": {"name": f"thing-{number}"}}
            self._post(objects, {**custom, "spec": {"size": number}})

    def _account(self, name: str) -> None:
        """An account of the lap's own: its token reads, and is refused."""
        accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
        self._post(accounts, {"metadata": {"name": "reader"}})
        subject = {"kind": "ServiceAccount", "name": "reader", "namespace": name}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
        bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings"
        self._post(bindings, {"metadata": {"name": "reads"}, "roleRef": role, "subjects": [subject]})
        token = self._post(f"{accounts}/reader/token", {"spec": {"expirationSeconds": 600}})["status"]["token"]
        headers = {"authorization": f"Bearer {token}"}
        maps = f"/api/v1/namespaces/{name}/configmaps"
        eventually(lambda: self.client.get(maps, headers=headers).status_code == 200, "the account may read")
        assert self.client.get("/api/v1/nodes", headers=headers).status_code in (403, 404)

    def _watchers(self, name: str) -> None:
        """Watchers that go after their first events, by labels, by fields, and of namespaces that are not there."""
        for query in (f"labelSelector=churn={name}", "fieldSelector=metadata.name=service-0", "limit=1"):
            for path in (self._path(name, "tasks"), self._path(f"{name}-absent", "tasks")):
                self.client.get(f"{path}?{query}")
                with self.client.stream("GET", f"{path}?watch=1&timeoutSeconds=1&{query}") as stream:
                    assert stream.status_code == 200

    def _are_ready(self, name: str) -> bool:
        found = self.client.get(self._path(name, "tasks")).json()["items"]
        services = [item for item in found if item["metadata"]["name"].startswith("service")]
        return all(item.get("status", {}).get("ready", 0) >= item["spec"]["replicas"] for item in services)

    def _change(self, name: str) -> None:
        """A rollout, a scaling and a suspended service."""
        tasks = self._path(name, "tasks")
        self._patch(f"{tasks}/service-0", {"spec": {"template": {"command": ["sleep", "2000"]}}})
        self._patch(f"{tasks}/service-1", {"spec": {"replicas": 4}})
        self._patch(f"{tasks}/service-2", {"spec": {"replicas": 0}})
        eventually(lambda: self._are_ready(name), f"the changed services of {name}")

    def _remove(self, name: str) -> None:
        for path in (
            f"{STARLINK}/pools/{name}",
            f"{STARLINK}/servers/{name}",
            f"{CRDS}/{name.replace('-', '')}.{GROUP}",
            f"/api/v1/namespaces/{name}",
        ):
            self.client.delete(path).raise_for_status()

    @staticmethod
    def _path(namespace: str, plural: str) -> str:
        return f"{STARLINK}/namespaces/{namespace}/{plural}"

    def _post(self, path: str, body: Obj) -> Obj:
        answer = self.client.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        made: Obj = answer.json()
        return made

    def _patch(self, path: str, body: Obj) -> None:
        answer = self.client.patch(path, json=body, headers=MERGE)
        assert answer.status_code == 200, answer.text
