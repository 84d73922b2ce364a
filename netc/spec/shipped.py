"""The nets that come with netc, by name: `netc train lenet` works in an empty folder.

A wheel contains them as netc/nets/. In a checkout they are in nets/, beside the package.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from google.protobuf.message import Message

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, Place, RunError, SpecError, Suggestion, near
from netc.files import replace_file
from netc.spec.loader import BINARY, PROTOTXT, YAML, load
from netc.spec.solver_nets import is_solver

FOLDER = Path("nets")  # the target of copies, and the start of paths in the documentation


def net_file(name: str, say: Callable[[str], None]) -> str:
    """The net file for `name`. A shipped net is copied to nets/ first, unless that file exists.

    `say` receives a sentence about the copied files. SpecError, with similar names, if there is neither a file nor a shipped net.
    """
    path = Path(name)
    if _exists(path) or path.parent not in (Path("."), FOLDER):
        return name  # reading it later gives the error
    known = names()
    beside = [str(p) for p in path.parent.iterdir() if p.suffix in (*YAML, *PROTOTXT, *BINARY)] if path.parent.is_dir() else []
    if any(Path(file).stem == name for file in beside):
        known = {}  # `lenet` probably means the file lenet.yaml here
    if name not in known:
        raise SpecError(Diagnostic(Place(name), "There is no such file.", _near(path, beside, known)))
    target = FOLDER / known[name]
    if not target.exists():
        copied = list(_copies(known[name]))
        say(f"copied {' and '.join(copied)}, which netc ships")
    return str(target)


def _near(path: Path, beside: list[str], known: Mapping[str, str]) -> Suggestion:
    """Suggest similar files and shipped nets for a missing file, or list what exists."""
    shipped = [n for n in known if Path(n).parent == path.parent]
    suggestion = near(str(path), (*beside, *shipped))
    if suggestion or not (beside or shipped):
        return suggestion
    if beside and path.suffix:
        return Suggestion(known=tuple(sorted(beside)), known_as="The net files in this folder are")
    return Suggestion(known=tuple(sorted(shipped)), known_as="The nets that come with netc are")


def _exists(path: Path) -> bool:
    """Whether a file or folder exists.

    Also True if the system does not answer, so that reading the file gives the error.
    """
    try:
        return path.exists()
    except OSError:
        return True


def names() -> Mapping[str, str]:
    """The shipped nets by their names: the stem, and the path in the documentation.

    If a YAML file and another file have the same stem, the stem means the YAML file.
    """
    nets = sorted(f.name for f in _folder().iterdir() if Path(f.name).suffix in (*YAML, *PROTOTXT))
    by_stem = {Path(n).stem: n for n in sorted(nets, key=lambda n: Path(n).suffix in YAML)}
    return by_stem | {f"{FOLDER.name}/{n}": n for n in nets}


def _copies(name: str) -> Iterator[str]:
    """Copy a shipped net and the shipped files that it names. Yields the new paths. Existing files are kept."""
    shipped = _folder()
    try:
        FOLDER.mkdir(exist_ok=True)
        for each in (name, *_named(shipped, name)):
            if not (FOLDER / each).exists():
                replace_file(FOLDER / each, (shipped / each).read_bytes())
                yield str(FOLDER / each)
    except OSError as e:
        raise RunError(f"Cannot write {FOLDER / name}: {e.strerror}") from e


def _named(shipped: Traversable, name: str) -> Iterator[str]:
    """The other shipped files that a shipped net names, such as its data or a solver's net."""
    path = str(shipped / name)
    document = load(path, pb.SolverParameter if is_solver(path) else pb.NetParameter)
    others = {f.name for f in shipped.iterdir()} - {name}
    yield from dict.fromkeys(text for text in _texts(document.message) if text in others)


def _texts(message: Message) -> Iterator[str]:
    """Every text in a message."""
    for field, value in message.ListFields():
        for one in value if field.is_repeated else [value]:
            if isinstance(one, Message):
                yield from _texts(one)
            elif isinstance(one, str):
                yield one


def _folder() -> Traversable:
    package = files("netc")
    inside = package / FOLDER.name
    return inside if inside.is_dir() else package / ".." / FOLDER.name
