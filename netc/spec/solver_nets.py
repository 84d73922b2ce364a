"""The nets that a solver file names or contains, and how to tell a solver file from a net file."""

from dataclasses import replace
from pathlib import Path

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, SpecError, near
from netc.spec import paths
from netc.spec.document import Document, Dropped
from netc.spec.loader import PROTOTXT, form_of, read, read_bytes
from netc.spec.overrides import NET_FIELDS, SOLVER_FIELDS

MOST_TESTS = 100


def is_solver(path: str) -> bool:
    """Whether a protobuf text is a solver.

    The first field that only nets or only solvers have decides. YAML files are nets.
    """
    if not Path(path).is_file():
        return False
    data = read_bytes(path)
    if form_of(data, Path(path).suffix) != PROTOTXT and form_of(data, Path(path).suffix, pb.SolverParameter) != PROTOTXT:
        return False
    for line in data.decode(errors="replace").splitlines():
        words = line.split("#")[0].replace(":", " ").replace("{", " ").split()
        if words and words[0] in SOLVER_FIELDS ^ NET_FIELDS:
            return words[0] in SOLVER_FIELDS
    return False


def nets_of(document: Document, dropped: Dropped) -> list[Document]:
    """Like `_nets`; if there are no nets, also raises the errors in the solver's text."""
    try:
        return _nets(document, dropped)
    except SpecError as e:
        raise SpecError(*document.errors, *e.diagnostics) from e


def _nets(document: Document, dropped: Dropped) -> list[Document]:
    """The nets that a solver names or contains: the training net, then the test nets in the order of its test_iter.

    A solver that names only a net for training does not test: the published net is then that net in phase TEST.

    The test nets are test_net_param, then test_net. The net itself (net or net_param) fills the remaining numbers of test_iter.
    """
    solver = document.message
    loaded: dict[str, Document] = {}

    def found(field: str, k: int | None = None) -> Document:
        path = (field,) if k is None else (field, k)
        value = getattr(solver, field) if k is None else getattr(solver, field)[k]
        if isinstance(value, str):
            if value not in loaded:
                loaded[value] = _named(document, field, value, dropped)
            return loaded[value]
        positions = {p[len(path) :]: at for p, at in document.positions.items() if p[: len(path)] == path}
        return replace(document, message=value, positions=positions)

    _check_count(document, len(solver.test_net_param) + len(solver.test_net))
    generic = next((f for f in ("net_param", "net") if solver.HasField(f)), None)
    field = next((f for f in ("train_net_param", "train_net") if solver.HasField(f)), generic)
    if field is None:
        text = 'The solver names no net to train. Add `net: "FILE"`, a path relative to the current folder or to this file.'
        raise SpecError(Diagnostic(document.place(), text))
    train = found(field)
    tests = [found(f, k) for f in ("test_net_param", "test_net") for k in range(len(getattr(solver, f)))]
    if generic is not None:
        tests += [train if generic == field else found(generic)] * count_of_tests(document, solver, len(tests))
    if not tests and not solver.test_iter:
        return [train, train]
    if len(solver.test_iter) not in (0, len(tests)):
        text = f"There are {len(solver.test_iter)} `test_iter` for {len(tests)} test nets. Add one for each, or none."
        raise SpecError(Diagnostic(document.place("test_iter"), text))
    return [train, *tests]


def count_of_tests(document: Document, solver: pb.SolverParameter, specific: int) -> int:
    """How often the net itself is tested, in addition to `specific` test nets."""
    wanted = len(solver.test_iter) or (0 if specific else max(1, len(solver.test_state)))
    _check_count(document, wanted)
    return max(0, wanted - specific)


def _check_count(document: Document, tests: int) -> None:
    if tests > MOST_TESTS:
        raise SpecError(Diagnostic(document.place(), f"There are {tests} test nets. The limit is {MOST_TESTS}."))


def _named(document: Document, field: str, name: str, dropped: Dropped) -> Document:
    """The net file that a solver names, relative to the current folder as in Caffe, or else to the solver's folder."""
    own = paths.published(document.path)
    if own and not paths.inside(Path(document.path).parent, name):
        raise SpecError(Diagnostic(document.place(field), f"{name!r} is outside of the folder of the solver, which comes from a zoo."))
    folder = Path(document.path).parent
    folders = (folder,) if own else (Path("."), folder)
    for path in (f / name for f in folders):
        if path.is_file():
            return read(str(path), dropped=dropped)
    beside = {p.name for f in folders for p in f.glob("*.prototxt")} - {Path(document.path).name}
    here = " in the folder of the solver, which comes from a zoo" if own else ", neither in the current folder nor in that of the solver"
    text = f"There is no file {name!r}{here}."
    raise SpecError(Diagnostic(document.place(field), text, near(name, beside) if beside else None))
