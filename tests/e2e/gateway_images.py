"""Gateway images made from ours that differ in one thing, for upgrades that end well and upgrades that must not."""

from pathlib import Path

from tests.e2e.release import Release

_PRODUCER = "/opt/headgate/app/headgate_gateway/kafka/producer.py"
"""Every request's records go through it, whichever way they come."""
# Compiled modules would hide what is edited: such an image runs interpreted.
_EDIT = """\
FROM {image}
USER 0
RUN ["python3", "-c", "import pathlib, py_compile; [c.unlink() for c in pathlib.Path('/opt/headgate/app').rglob('*.so')]; p = pathlib.Path('{file}'); t = p.read_text(); assert {old!r} in t; p.write_text(t.replace({old!r}, {new!r})); py_compile.compile('{file}', doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)"]
USER 65532:65532
"""
_VARIANTS = {
    "same": "FROM {image}\nLABEL headgate.dev/variant=same\n",
    "crashing": 'FROM {image}\nENTRYPOINT ["python3", "-c", "raise SystemExit(3)"]\n',
}
EDITS = {
    "failing": ("submission = Submission(records, now_ms, now, on_done, on_late)", "raise RuntimeError"),
    "slow": ("submission.resolve()", "self._loop.call_later(0.4, submission.resolve)"),
}


def build_variant(release: Release, folder: Path, variant: str) -> str:
    """The reference of an image in every node: `same` code, `crashing` at start, `failing` (500) or `slow` (400 ms)."""
    image = release.images.gateway
    if variant in _VARIANTS:
        text = _VARIANTS[variant].format(image=image)
    else:
        old, new = EDITS[variant]
        text = _EDIT.format(image=image, file=_PRODUCER, old=old, new=new)
    dockerfile = folder / f"Dockerfile.{variant}"
    dockerfile.write_text(text)
    reference = f"{image}-{variant}"
    release.cluster.build_image(dockerfile, reference)
    release.cluster.load_image(reference)
    return reference
