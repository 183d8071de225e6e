"""What a kubeconfig says of the way to a cluster, and what is refused of it, in words."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.client.kubeconfigs import SERVER, kubeconfig, plugin

from starlink.client.config import BadConfig, load

NONE: dict[str, str] = {}


def test_a_context_is_chosen_by_its_name(tmp_path: Path) -> None:
    one = kubeconfig(tmp_path / "one", name="one", cluster={"server": "https://one:1"}, context={"namespace": "a"})
    two = kubeconfig(tmp_path / "two", name="two", cluster={"server": "https://two:2"}, context={"namespace": "b"})
    assert (load(one, two).server, load(one, two).namespace) == ("https://one:1", "a")
    chosen = load(one, two, context="two")
    assert (chosen.server, chosen.namespace, chosen.token) == ("https://two:2", "b", "token-of-two")
    with pytest.raises(BadConfig, match=r"contexts has no entry 'three'; there are one, two"):
        load(one, two, context="three")


def test_data_comes_before_the_file_and_a_file_is_beside_its_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "ca.crt").write_bytes(b"of the file")
    of_file = kubeconfig(tmp_path / "a" / "file", cluster={"certificate-authority": "ca.crt"})
    both = {"certificate-authority": "gone.crt", "certificate-authority-data": base64.b64encode(b"inline").decode()}
    assert load(of_file).ca == b"of the file"
    assert load(kubeconfig(tmp_path / "both", cluster=both)).ca == b"inline"


def test_a_user_may_be_none_at_all(tmp_path: Path) -> None:
    found = load(kubeconfig(tmp_path / "k", context={"user": ""}))
    assert (found.bearer(), found.certificate, found.plugin) == ("", None, None)


def test_insecure_and_the_name_of_the_certificate(tmp_path: Path) -> None:
    found = load(kubeconfig(tmp_path / "k", cluster={"insecure-skip-tls-verify": True, "tls-server-name": "api"}))
    assert found.insecure and found.server_name == "api"
    assert f"insecure-skip-tls-verify is set for {SERVER}" in found.warning
    assert load(kubeconfig(tmp_path / "k")).warning == ""


def test_a_token_goes_before_exec(tmp_path: Path) -> None:
    both = load(kubeconfig(tmp_path / "k", user={"token": "t", **plugin("program")}))
    assert both.plugin is None and both.token == "t"


def test_who_acts_as_another_says_so_in_each_request(tmp_path: Path) -> None:
    user = {"token": "t", "as": "ann", "as-groups": ["dev", "ops"], "as-uid": "7", "as-user-extra": {"Reason/x": ["a"]}}
    assert load(kubeconfig(tmp_path / "k", user=user)).headers == (
        ("Impersonate-User", "ann"), ("Impersonate-Uid", "7"), ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"), ("Impersonate-Extra-reason%2Fx", "a"),
    )  # fmt: skip


def test_no_secret_is_in_what_is_printed_of_a_configuration(tmp_path: Path) -> None:
    user = {
        "client-key-data": base64.b64encode(b"SECRET").decode(),
        **plugin("p", args=["SECRET"], env=[{"name": "A", "value": "SECRET"}]),
    }
    shown = [load(kubeconfig(tmp_path / "k", user=user)), load(kubeconfig(tmp_path / "l", user={"token": "SECRET"}))]
    shown.append(load(kubeconfig(tmp_path / "m", cluster={"proxy-url": "http://me:SECRET@proxy:1"})))
    assert "SECRET" not in repr(shown)


@pytest.mark.parametrize(
    ("cluster", "user", "said"),
    [
        ({"insecure-skip-tls-verify": "yes"}, None, r"clusters\[\]\.cluster\.insecure-skip-tls-verify is 'yes'; it must be true or false"),
        ({"insecure-skip-tls-verify": True, "certificate-authority-data": "eA=="}, None, "insecure-skip-tls-verify and certificate-authority exclude each other"),
        ({"proxy-url": "socks5://proxy:1080"}, None, r"proxy-url is 'socks5://proxy:1080'; it must be a URL such as http://"),
        ({"proxy-url": "socks5://me:SECRET@proxy:1080"}, None, r"proxy-url can't be used; it must be a URL such as http://"),
        ({"tls-server-name": 7}, None, r"clusters\[\]\.cluster\.tls-server-name must be one line of text"),
        (None, {"username": "a", "password": "SECRET"}, "Kubernetes takes no passwords since 1.19; give token, tokenFile, client-certificate or exec"),
        (None, {"auth-provider": {"name": "gcp"}}, "auth-provider is not known since Kubernetes 1.26"),
        (None, {"token": "t", "as-groups": ["ops"]}, r"users\[\]\.user\.as is not given"),
        (None, {"token": "t", "as": "a", "as-groups": "ops"}, "as-groups must be a list of texts"),
        (None, {"exec": ["program"]}, r"users\[\]\.user\.exec must be an object"),
        (None, plugin(""), r"users\[\]\.user\.exec\.command names no program"),
        (None, plugin("p", apiVersion="client.authentication.k8s.io/v1alpha1"), "exec.apiVersion is '.*v1alpha1'; it must be .*/v1 or .*/v1beta1"),
        (None, plugin("p", interactiveMode=""), "exec.interactiveMode is ''; it must be Never, IfAvailable or Always"),
        (None, plugin("p", args=[7]), "exec.args must be a list of texts"),
        (None, plugin("p", env=[{"name": "A"}]), "exec.env must be a list of a name and a value each"),
        (None, plugin("p", env={"A": "b"}), "exec.env must be a list of a name and a value each"),
    ],
)  # fmt: skip
def test_what_cant_be_used_is_named_with_what_would_be_right(
    tmp_path: Path, cluster: Any, user: Any, said: str
) -> None:
    file = kubeconfig(tmp_path / "k", cluster=cluster, user=user)
    with pytest.raises(BadConfig, match=said) as told:
        load(file, environment=NONE)
    assert str(file) in str(told.value) and "SECRET" not in str(told.value)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sets(st.sampled_from("abc"), min_size=1), min_size=1, max_size=4), st.sampled_from("abc"))
def test_the_first_file_that_names_something_decides_it(tmp_path: Path, files: list[set[str]], wanted: str) -> None:
    paths = []
    for number, names in enumerate(files):
        path = tmp_path / str(number)
        entries = {
            "clusters": [{"name": name, "cluster": {"server": SERVER}} for name in names],
            "users": [{"name": name, "user": {"token": f"{name}-{number}"}} for name in names],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
        }
        path.write_text(json.dumps(entries))
        paths.append(path)
    first = next((number for number, names in enumerate(files) if wanted in names), None)
    if first is None:
        with pytest.raises(BadConfig, match=f"contexts has no entry '{wanted}'"):
            load(*paths, context=wanted, environment=NONE)
    else:
        assert load(*paths, context=wanted, environment=NONE).token == f"{wanted}-{first}"
