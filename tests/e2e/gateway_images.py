"""Gateway images made from ours that differ in one thing, for upgrades that end well and upgrades that must not."""

import json
from pathlib import Path

from tests.e2e.release import Release

_PRODUCER = "/opt/headgate/app/headgate_gateway/kafka/producer.py"
"""Every request's records go through it, whichever way they come."""
# Compiled modules would hide what is edited: such an image runs interpreted.
_SCRIPT = """\
import pathlib, py_compile
for compiled in pathlib.Path('/opt/headgate/app').rglob('*.so'):
    compiled.unlink()
text = pathlib.Path({file!r}).read_text()
for old, new in {edits!r}:
    assert old in text, old
    text = text.replace(old, new)
pathlib.Path({file!r}).write_text(text)
py_compile.compile({file!r}, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""
_VARIANTS = {
    "same": "FROM {image}\nLABEL headgate.dev/variant=same\n",
    "crashing": 'FROM {image}\nENTRYPOINT ["python3", "-c", "raise SystemExit(3)"]\n',
}
MARK = "slow-image"
"""The header of records that went through the slow image: that an answer was late may have other reasons."""
_ACCEPTS = "submission = Submission(records, now_ms, now, on_done, on_late)"
EDITS: dict[str, tuple[tuple[str, str], ...]] = {
    "failing": ((_ACCEPTS, "raise RuntimeError"),),
    "slow": (
        ("submission.resolve()", "self._loop.call_later(0.4, submission.resolve)"),
        (_ACCEPTS, f"records.headers += (({MARK!r}, b''),); {_ACCEPTS}"),
    ),
}


def build_variant(release: Release, folder: Path, variant: str) -> str:
    """The reference of an image in every node: `same` code, `crashing` at start, `failing` (500) or `slow` (400 ms)."""
    image = release.images.gateway
    if variant in _VARIANTS:
        text = _VARIANTS[variant].format(image=image)
    else:
        script = _SCRIPT.format(file=_PRODUCER, edits=EDITS[variant])
        text = f"FROM {image}\nUSER 0\nRUN {json.dumps(['python3', '-c', script])}\nUSER 65532:65532\n"
    dockerfile = folder / f"Dockerfile.{variant}"
    dockerfile.write_text(text)
    reference = f"{image}-{variant}"
    release.cluster.build_image(dockerfile, reference)
    release.cluster.load_image(reference)
    return reference
