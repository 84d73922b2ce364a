"""What pycaffe keeps for the whole process: the seed. Modes and devices are taken and change nothing."""

_seed = 0


def set_random_seed(seed: int) -> None:
    """The seed of the nets that are made from now on (0 if none is set)."""
    global _seed
    _seed = seed


def random_seed() -> int:
    """The seed for a new net."""
    return _seed


def set_mode_cpu() -> None:
    """Nets run on the CPU, as they do anyway."""


def set_mode_gpu() -> None:
    """Taken for the scripts that call it; nets run on the CPU all the same."""


def set_device(number: int) -> None:
    """Taken for the scripts that call it; nets run on the CPU all the same."""
