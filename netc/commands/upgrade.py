"""`netc upgrade`: write old files of Caffe, and files of its forks, in Caffe's current format."""

from pathlib import Path

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, Place, RunError, SpecError
from netc.files import replace_file
from netc.formats.caffe_weights import plain_blob
from netc.spec import load, to_prototxt
from netc.spec.document import NOTHING, Dropped
from netc.spec.loader import BINARY, PROTOTXT
from netc.spec.solver_nets import is_solver


def upgrade_file(source: str, output: str, dropped: Dropped = NOTHING) -> str:
    """Write the net or solver in `source` to `output` in Caffe's current format. The suffixes select text or binary.

    Learned blobs are kept; values that a fork stores as bytes become numbers. Fields in `dropped` are removed. SpecError if the source
    is wrong.
    """
    suffix = Path(output).suffix
    if suffix not in (*PROTOTXT, *BINARY):
        raise SpecError(Diagnostic(Place(output), f"The suffix {suffix!r} is unknown. Use one of {', '.join((*PROTOTXT, *BINARY))}."))
    document = load(source, pb.SolverParameter if is_solver(source) else pb.NetParameter, dropped)
    message = document.message
    for layer in message.layer if isinstance(message, pb.NetParameter) else ():
        blobs = [plain_blob(blob, f"{source}: Layer {layer.name!r}, blob {k}") for k, blob in enumerate(layer.blobs)]
        layer.ClearField("blobs")
        layer.blobs.extend(blobs)
    content = message.SerializeToString() if suffix in BINARY else to_prototxt(message).encode()
    try:
        replace_file(Path(output), content)
    except OSError as e:
        raise RunError(f"Cannot write {output}: {e.strerror or e}") from e
    return "".join(f"{warning}\n" for warning in document.warnings) + f"{output} is written\n"
