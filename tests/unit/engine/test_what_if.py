"""Servers that are only thought of."""

import pytest
from tests.world import Cluster

from starlink.engine.foresight.what_if import addition, what_if


def test_all_words_are_read() -> None:
    found = addition("arch=arm64, cpu=16,memory=64Gi,count=3,gpu=2,label.disk=ssd,feature=kvm,feature=avx2,a.b/c=1")
    assert (found.architecture, found.count) == ("arm64", 3)
    assert found.allocatable == {"cpu": "16", "memory": "64Gi", "gpu": "2", "a.b/c": "1"}
    assert (found.labels, found.features) == ({"disk": "ssd"}, ("kvm", "avx2"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is not NAME=VALUE; write such as arch=arm64"),
        ("arch=arm64,cpu", "'cpu' is not NAME=VALUE"),
        ("cpu=1", "arch and memory are missing"),
        ("arch=arm64,cpu=1", "memory is missing"),
        ("arch=arm,cpu=1,memory=1Gi", "arch=arm: no such architecture; write amd64, arm64, riscv64"),
        ("arch=arm64,cpu=many,memory=1Gi", "cpu=many: 'many' is not a quantity"),
        ("arch=arm64,cpu=1,memory=1GB", "memory=1GB: '1GB' is not a quantity"),
        ("arch=arm64,cpu=1,memory=1Gi,cpu=2", "cpu is given twice"),
        ("arch=arm64,cpu=1,memory=1Gi,ram=2", "ram=2: no such word; write arch, count, cpu"),
        ("arch=arm64,cpu=1,memory=1Gi,gpu=0.5", "gpu=0.5: write a whole number"),
        ("arch=arm64,cpu=1,memory=1Gi,count=0", "count=0: write a number from 1 to 10000"),
        (
            "arch=arm64,cpu=999999999999999999999,memory=1Gi",
            "cpu=999999999999999999999: '999999999999999999999' is more than can be counted",
        ),
        ("arch=arm64,cpu=1,memory=9999999999Ti", "memory=9999999999Ti: '9999999999Ti' is more than can be counted"),
        ("arch=arm64,cpu=0,memory=1Gi", "cpu=0: write more than 0"),
        ("arch=arm64,cpu=1,memory=0", "memory=0: write more than 0"),
        ("arch=arm64,cpu=1,memory=64", "memory=64: that is 64 bytes; write a unit, such as memory=64Gi"),
        ("arch=arm64,cpu=1,memory=64k", "memory=64k: that is 64000 bytes; write a unit, such as memory=64Gi"),
        (
            "arch=arm64,cpu=1,memory=1Gi,ephemeral-storage=1.5",
            "that is 2 bytes; write a unit, such as ephemeral-storage=64Gi",
        ),
        ("arch=arm64,cpu=1,memory=1Gi,label.=x", "label.=x: no label that Kubernetes takes"),
        ("arch=arm64,cpu=1,memory=1Gi,label.zone=ü!", "label.zone=ü!: no label that Kubernetes takes"),
        ("arch=arm64,cpu=1,memory=1Gi,label.kubernetes.io/arch=amd64", "a server sets kubernetes.io/arch itself"),
        ("arch=arm64,cpu=1,memory=1Gi,/x=1", "/x is no name of a resource"),
        ("arch=arm64,cpu=1,memory=1Gi,count=²", "count=²: write a number"),
    ],
)
def test_a_bad_word_is_named(text: str, said: str) -> None:
    with pytest.raises(ValueError) as error:
        addition(text)
    assert said in str(error.value)


def test_names_are_free_ones() -> None:
    cluster = Cluster()
    cluster.server("new-arm64-1")
    both = [addition("arch=arm64,cpu=1,memory=1Gi,count=2"), addition("arch=arm64,cpu=2,memory=1Gi")]
    assert what_if(cluster.world(), (), "", both).added == ("new-arm64-2", "new-arm64-3", "new-arm64-4")
