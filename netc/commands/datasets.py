"""`netc data list` and `netc data fetch`: list named data sets and download them."""

from collections.abc import Iterator, Sequence

from netc import registry
from netc.data.named import catalogue
from netc.data.named.dataset import DataSet
from netc.data.named.lookup import found, unpacked
from netc.errors import DataError, SpecError, UnavailableError, near


def listed() -> Iterator[tuple[str, str, str, str, str]]:
    """(name, summary, size, licence, location or download command) of every data set."""
    for name in sorted(registry.dataset):
        record, what = catalogue.record(name), summary(name)
        if record is None:
            yield name, what, "", "", "from a plug-in"
        else:
            yield name, what, _size(record.download_size), record.licence, where(record)


def summary(name: str) -> str:
    """A summary of a data set: the first line of its docstring."""
    return (registry.dataset[name].__doc__ or "").strip().partition("\n")[0]


def where(record: DataSet) -> str:
    """The location of a data set on this machine, or the command that downloads it."""
    if not record.files:
        return "present: netc draws it"
    paths = [found(record, file) for file in record.files]
    if paths[0] is not None and all(paths):
        return f"present: {paths[0].parent}"
    if record.package and record.package.place is not None:
        return f"present: package {record.package.name}"
    return f"netc data fetch {record.name}"


def fetch(names: Sequence[str]) -> Iterator[str]:
    """Download missing files of data sets into the cache, with one line per data set. Unknown names are reported first."""
    unknown = [f"there is no data set {name!r}. {near(name, registry.dataset)}" for name in names if name not in registry.dataset]
    if unknown:
        raise SpecError(*unknown)
    errors, unavailable = [], True
    for name in names:
        record = catalogue.record(name)
        if record is None:
            errors.append(f"{name}: belongs to a plug-in, which downloads it itself")
            unavailable = False
            continue
        try:
            size = sum(len(unpacked(record, file)) for file in record.files)
            if not record.files:
                yield f"{name}: netc draws it; there is nothing to download"
                continue
            files = f"{len(record.files)} file{'s' if len(record.files) > 1 else ''}"
            yield f"{name}: {files}, {_size(size)}, sha256 verified; {where(record)}"
        except DataError as e:
            errors.append(str(e))
            unavailable = unavailable and isinstance(e, UnavailableError)
    if errors:
        raise (UnavailableError if unavailable else DataError)("\n".join(errors))


def _size(count: float) -> str:
    """Format a number of bytes."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
