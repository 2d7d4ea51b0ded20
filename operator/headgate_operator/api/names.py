"""Names that users and other programs see: group, kinds, labels, annotations. Changing one breaks somebody."""

GROUP = "headgate.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FIELD_MANAGER = "headgate-operator"
"""The one field manager of every server-side apply, and the source of every Event."""

CATEGORY = "headgate"

# Labels of everything rendered.
LABEL_FLEET = "headgate.dev/fleet"
"""The fleet that an object was rendered for; pruning and watching select by it."""
LABEL_COMPONENT = "headgate.dev/component"
"""What the object is: gateway, config, credentials, route."""
LABEL_REPO = "headgate.dev/repo"
"""On a repo's own objects: the repo's name."""
LABEL_REPO_NAMESPACE = "headgate.dev/repo-namespace"
LABEL_TRACK = "headgate.dev/track"
"""On gateway pods: stable or canary."""
LABEL_NAME = "app.kubernetes.io/name"
LABEL_INSTANCE = "app.kubernetes.io/instance"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"

ANNOTATION_CONFIG_HASH = "headgate.dev/config-hash"
"""Patched onto gateway pods so that kubelets refresh their volumes at once; means nothing else."""

TRACK_STABLE = "stable"
"""The value of the track label that serves everybody."""

PORT_HTTP = 8080
PORT_ADMIN = 8081

CONFIG_DIR = "/etc/headgate"
"""Where a gateway finds its shards and credentials, in one projected volume."""
