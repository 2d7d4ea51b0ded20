"""Reads templates: those of this package, and overrides from directories. The only I/O of the package, done at start."""

from importlib.resources import files
from pathlib import Path

from headgate_operator.render.templates import TEMPLATE_NAMES, TemplateError, Templates

SUFFIX = ".yaml.j2"


def load_templates(*override_dirs: Path) -> Templates:
    """The package's templates, overridden by files of the same name in these directories; the last one wins.

    Raises TemplateError for a file that names no template, cannot be read or does not compile.
    """
    shipped = files("headgate_operator.render") / "templates"
    texts = {name: (shipped / name).read_text(encoding="utf-8") for name in TEMPLATE_NAMES}
    for directory in override_dirs:
        texts |= _read_directory(directory)
    return Templates(texts)


def _read_directory(directory: Path) -> dict[str, str]:
    if not directory.is_dir():
        raise TemplateError(str(directory), None, "is no directory")
    # A mounted ConfigMap also holds `..data` and its like; only files that look like templates count.
    paths = sorted(path for path in directory.iterdir() if path.name.endswith(SUFFIX) and path.is_file())
    return {path.name: _read(path) for path in paths}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(path.name, None, f"cannot be read: {error}") from error
