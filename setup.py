"""Build the native kernels if there is a C++ compiler. Without one, netc installs without them and says so."""

import os
import platform
import sys
from copy import copy
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

SOURCES = sorted(str(p) for p in Path("netc/runtime/native").glob("*.cpp"))
HEADERS = sorted(str(p) for p in Path("netc/runtime/native").glob("*.h"))
COMMON = [
    "-O3", "-std=c++17", "-fvisibility=hidden", "-Wno-psabi",
    "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-ffp-contract=fast",
]  # fmt: skip
X86_TIERS = {
    "x86_64_v3": ["-march=x86-64-v3"],
    "x86_64_v4": ["-march=x86-64-v4", "-mprefer-vector-width=256"],
    "x86_64_v4_wide": ["-march=x86-64-v4", "-mprefer-vector-width=512", "-DNETC_WIDTH=16"],
}
SUFFIX = ".dylib" if sys.platform == "darwin" else ".so"


def kernels() -> list[Extension]:
    """One library for each tier of instruction sets; none on Windows, whose compiler lacks vector types."""
    if sys.platform == "win32":
        return []
    tiers = X86_TIERS if platform.machine().lower() in ("x86_64", "amd64") else {"plain": []}
    return [
        Extension(f"netc.runtime.native.netc_kernels_{tier}", SOURCES, depends=HEADERS, language="c++", optional=True,
                  extra_compile_args=COMMON + flags, extra_link_args=["-Wl,-s"] if sys.platform == "linux" else [])
        for tier, flags in tiers.items()
    ]  # fmt: skip


class BuildKernels(build_ext):
    """Build plain shared libraries: no Python in their names or symbols, each with objects of its own."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def get_ext_filename(self, name: str) -> str:
        return name.replace(".", "/") + SUFFIX

    def get_export_symbols(self, extension: Extension) -> list[str]:
        return extension.export_symbols

    def build_extension(self, extension: Extension) -> None:
        own = copy(self)  # tiers are built at once
        own.compiler, own.build_temp = copy(self.compiler), f"{self.build_temp}/{extension.name}"
        try:
            super(BuildKernels, own).build_extension(extension)
        except Exception as e:
            self.warn(f"{extension.name} is not built ({e}): netc runs without these kernels, slower")

    def copy_extensions_to_source(self) -> None:
        """Leave out a library that was not built, in an editable install too."""
        built = self.extensions
        self.extensions = [e for e in built if Path(self.build_lib, self.get_ext_filename(e.name)).is_file()]
        super().copy_extensions_to_source()
        self.extensions = built


class Wheel(bdist_wheel):
    """Tag the wheel for every Python: the libraries do not depend on it."""

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


setup(
    packages=[*find_packages(include=["netc*"]), "netc.nets"],  # setup.cfg: the nets that go by name are the folder nets/
    ext_modules=kernels(),
    cmdclass={"build_ext": BuildKernels, "bdist_wheel": Wheel},
)
