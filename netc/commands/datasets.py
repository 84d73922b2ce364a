"""`netc data list` and `netc data fetch`: the data sets that go by name, where they are, and getting them."""

from collections.abc import Iterator, Sequence

from netc import registry
from netc.data.named import catalogue
from netc.data.named.dataset import DataSet
from netc.data.named.lookup import found, unpacked
from netc.errors import DataError, SpecError, UnavailableError, near


def listed() -> Iterator[tuple[str, str, str, str, str]]:
    """(name, what it is, size, licence, where it is or how it comes) of every data set."""
    for name in sorted(registry.dataset):
        record, what = catalogue.record(name), summary(name)
        if record is None:
            yield name, what, "", "", "a plug-in's"
        else:
            yield name, what, _size(record.download_size), record.licence, where(record)


def summary(name: str) -> str:
    """What a data set is: the first line of its function's docstring."""
    return (registry.dataset[name].__doc__ or "").strip().partition("\n")[0]


def where(record: DataSet) -> str:
    """Where a set is on this machine, or how it comes."""
    paths = [found(record, file) for file in record.files]
    if paths[0] is not None and all(paths):
        return f"here: {paths[0].parent}"
    if record.package and record.package.place is not None:
        return f"here: package {record.package.name}"
    return f"netc data fetch {record.name}"


def fetch(names: Sequence[str]) -> Iterator[str]:
    """Gets the files of data sets into the cache, unless they are here; a line for each set. Unknown names are said before any work."""
    unknown = [f"there is no data set {name!r}. {near(name, registry.dataset)}" for name in names if name not in registry.dataset]
    if unknown:
        raise SpecError(*unknown)
    errors, unavailable = [], True
    for name in names:
        record = catalogue.record(name)
        if record is None:
            errors.append(f"{name}: comes from a plug-in, which gets it itself")
            unavailable = False
            continue
        try:
            size = sum(len(unpacked(record, file)) for file in record.files)
            files = f"{len(record.files)} file{'s' if len(record.files) > 1 else ''}"
            yield f"{name}: {files}, {_size(size)}, sha256 as recorded; {where(record)}"
        except DataError as e:
            errors.append(str(e))
            unavailable = unavailable and isinstance(e, UnavailableError)
    if errors:
        raise (UnavailableError if unavailable else DataError)("\n".join(errors))


def _size(count: float) -> str:
    """Bytes as a person reads them."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
