"""MemoryData: batches from arrays that a program passes to `Net.set_input_arrays`. A net file alone cannot provide them."""

from netc.data.source import Column, Description, Request, Table, TopSpec
from netc.errors import DataError
from netc.registry import source


@source("MemoryData")
def memory_data(request: Request) -> Table:
    """Images of (channels, height, width) from the program, and labels."""
    param = request.layer.memory_data_param
    shape = int(param.channels), int(param.height), int(param.width)
    if min(shape) < 1:
        raise DataError(f"`channels`, `height` and `width` are {shape}. Each must be 1 or more.", field="channels")

    def load() -> tuple[Column, ...]:
        raise DataError(f"Layer {request.layer.name!r}: MemoryData gets its rows from Python. Call Net.set_input_arrays.")

    return Table(Description(request.layer.name, (TopSpec("float32", shape), TopSpec("float32", ())), None), load)
