"""`netc convert`: convert a net, or a solver with its net, between YAML and protobuf text."""

from pathlib import Path

from netc.errors import Diagnostic, Place, RunError, SpecError
from netc.files import replace_file
from netc.spec.job import Job
from netc.spec.loader import BINARY, PROTOTXT, YAML
from netc.spec.write import to_prototxt, to_yaml


def convert_job(job: Job, output: str | None, full: bool) -> str:
    """Write the net of `job` to `output` in the format of its suffix. Returns a message for the user.

    Without `output`, it returns the net in the other format: protobuf text for YAML, else YAML. A solver is converted together with its
    net, which then contains it. `full` writes all names and blobs in YAML. SpecError if the source is wrong.
    """
    suffix = Path(output).suffix if output else ".prototxt" if Path(job.train.path).suffix in YAML else ".yaml"
    if suffix not in (*YAML, *PROTOTXT, *BINARY[:1]):
        known = ", ".join((".onnx", *YAML, *PROTOTXT, *BINARY[:1]))
        raise SpecError(Diagnostic(Place(str(output)), f"The suffix {suffix!r} is unknown. Use one of {known}."))
    net = job.resolved()
    if not net.solver.ListFields():
        net.ClearField("solver")
    if job.places.current and suffix in YAML:  # paths in YAML start from its own folder
        net = job.places.moved(net, Path(output).parent if output else job.places.own)
    for layer in net.layer:
        layer.ClearField("blobs")
    if suffix in BINARY:
        content = net.SerializeToString(deterministic=True)
    else:
        content = (to_yaml(net, short=not full) if suffix in YAML else to_prototxt(net)).encode()
    if output is None:
        return content.decode()
    _write(output, content)
    return f"{output} is written\n"


def _write(output: str, content: bytes) -> None:
    try:
        replace_file(Path(output), content)
    except OSError as e:
        raise RunError(f"Cannot write {output}: {e.strerror or e}") from e
