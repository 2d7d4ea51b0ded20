"""Volumes for claims: the testbed's cluster has no provisioner, so directories of its nodes are offered beforehand.

Local volumes rather than hostPath ones: kubelets make them writable for a pod's group, and pods stay where theirs are.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.api import Manifest
from tests.e2e.release import Release

ROOT = "/var/lib/headgate-e2e-volumes"
PER_NODE = 2


@contextmanager
def local_volumes(release: Release, per_node: int = PER_NODE, access: str = "ReadWriteOnce") -> Iterator[str]:
    """The name of a storage class with so many volumes on each node; all of it goes at the end of the block.

    A ReadWriteMany one is a directory of its node as well: all pods that mount it are there.
    """
    name = f"e2e-local-{secrets.token_hex(2)}"
    docker, nodes = release.cluster.docker, release.cluster.nodes
    volumes = [_volume(name, node, index, access) for node in nodes for index in range(per_node)]
    for node in nodes:
        folders = [each["spec"]["local"]["path"] for each in volumes if _node_of(each) == node]
        docker.call("exec", node, "mkdir", "-p", *folders)
    release.api.apply(_storage_class(name), *volumes)
    try:
        yield name
    finally:
        for each in volumes:
            release.api.delete(f"api/v1/persistentvolumes/{each['metadata']['name']}")
        release.api.delete(f"apis/storage.k8s.io/v1/storageclasses/{name}")
        for node in nodes:
            docker.call("exec", node, "rm", "-rf", f"{ROOT}/{name}")


def _storage_class(name: str) -> Manifest:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "kubernetes.io/no-provisioner",
        # A pod is placed first, and then takes a volume of its node.
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _volume(name: str, node: str, index: int, access: str) -> Manifest:
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{name}-{node}-{index}"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": [access],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": name,
            "local": {"path": f"{ROOT}/{name}/{node}-{index}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
        },
    }


def _node_of(volume: Manifest) -> str:
    (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    node: str = term["matchExpressions"][0]["values"][0]
    return node
