"""An OCI runtime that takes out of a container's spec what this machine cannot give, then becomes runc.

On a machine whose capability bounding set lacks CAP_SYS_RESOURCE runc fails for `--privileged` containers
and for negative OOM scores. This file is copied into the cache and run by the engine as
`python -I -S oci_runtime.py RUNC ARGS...`; so it imports little of the standard library (every
start of a container waits for it) and nothing of this package.
"""

import json
import os
import sys

CAPABILITY = "CAP_SYS_RESOURCE"


def strip_process(process: dict) -> dict:  # type: ignore[type-arg]
    """An OCI `process` without the capability and without a negative oomScoreAdj."""
    slimmer = dict(process)
    if "capabilities" in slimmer:
        slimmer["capabilities"] = {
            kind: [name for name in names or [] if name != CAPABILITY]
            for kind, names in slimmer["capabilities"].items()
        }
    if (slimmer.get("oomScoreAdj") or 0) < 0:
        del slimmer["oomScoreAdj"]
    return slimmer


def strip_spec(spec: dict) -> dict:  # type: ignore[type-arg]
    """A bundle's config.json with its process stripped."""
    return {**spec, "process": strip_process(spec["process"])} if "process" in spec else spec


def value_after(args: list, *names: str):  # type: ignore[type-arg, no-untyped-def]
    """The value of the first of these options, written `--name value`, `--name=value` or `-n value`."""
    for position, word in enumerate(args):
        if word in names and position + 1 < len(args):
            return args[position + 1]
        for name in names:
            if name.startswith("--") and word.startswith(name + "="):
                return word[len(name) + 1 :]
    return None


def rewrite(path: str, change) -> None:  # type: ignore[no-untyped-def]
    """Replace a JSON file by what `change` makes of it."""
    with open(path) as source:  # noqa: PTH123
        content = json.load(source)
    with open(path, "w") as sink:  # noqa: PTH123
        json.dump(change(content), sink)


def main(argv: list) -> None:  # type: ignore[type-arg]
    """Strip what this call is about to start, then exec runc."""
    runc, args = argv[0], argv[1:]
    if "create" in args or "run" in args:
        rewrite((value_after(args, "--bundle", "-b") or ".") + "/config.json", strip_spec)
    elif "exec" in args:
        process = value_after(args, "--process", "-p")
        if process:
            rewrite(process, strip_process)
    os.execv(runc, [runc, *args])


if __name__ == "__main__":
    main(sys.argv[1:])
