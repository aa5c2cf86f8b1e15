"""Builds the extensions: one per instruction set, all from the same kernel bodies.

``fastconv/isa/<name>.pyx`` is a shell of a few lines around ``fastconv/kernels/*.pxi``; what makes
one shell differ from the next is the row of ``INSTRUCTION_SETS`` below that it is compiled with.
Metadata lives in pyproject.toml.

``FASTCONV_PURE=1`` builds no extension at all: the package then runs on NumPy alone.
``FASTCONV_BUILD`` compiles the same sources in another way: ``quick`` without optimisation, in
seconds instead of a minute, for a debugger or to look at what is in a wheel; ``sanitize`` with the
checks of addresses and of undefined behaviour, for ``.ci/sanitize``.
"""

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# The flags of each instruction set, for GCC and Clang, and for MSVC. The features named here are
# the ones that fastconv/isa/__init__.py asks of the processor before it imports the shell: no wider
# -march level, so that no instruction outside the checked features can slip in.
INSTRUCTION_SETS = {
    "baseline": ("", ""),
    "avx2": ("-mavx2 -mfma", "/arch:AVX2"),
    "avx512": (
        # GCC and Clang default to 256-bit vectors even with AVX-512 at hand.
        "-mavx512f -mavx512cd -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512",
        "/arch:AVX512",
    ),
}

# Never -ffast-math or its parts that link crtfastmath: they would set flush-to-zero for the whole
# process of whoever imports us. Nor -fassociative-math: a compiler that may reorder sums does so in
# some tiles and not in others, and the bits of a result would depend on how it was cut into them.
MATH_FLAGS = ["-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"]

# What FASTCONV_BUILD may ask for instead of LOOP_FLAGS: (compiler flags, linker flags). Nothing is
# inlined or unrolled by force, since that is what takes a compiler its time, and far more of it
# with a check at every access. -O1 keeps the checked kernels fast enough for all tests.
OTHER_BUILDS = {
    "quick": (["-O0"], []),
    "sanitize": (
        ["-O1", "-g1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
        + ["-fno-sanitize-recover=all"],  # the first finding ends the process, and fails its test
        ["-fsanitize=address,undefined"],
    ),
}

# GCC's -O3 unrolls short loops completely before it looks for vectors in them, and then often
# finds none: 6 x 2 vectors on AVX2 fell to scalars, as did every tile one vector wide. -O2 with the
# passes that matter keeps every tile whole (tests/fastconv/test_vectorised.py).
LOOP_FLAGS = [
    "-O2",
    "-ftree-vectorize",
    "-fvect-cost-model=dynamic",
    "-funswitch-loops",
    # unrolls tiles and stencils into registers afterwards, however many there are of them
    "-fpeel-loops",
    "--param=max-completely-peeled-insns=20000",
    "--param=max-completely-peel-times=64",
    # A loop of 130 bytes that begins 4 bytes before a cache line takes a line more: where another
    # process shares the core, tiles with the same instructions were up to 15 % slower so.
    "-falign-loops=64",
    # rows are short: a call of memcpy or memset would cost more than it saves
    "-fno-tree-loop-distribute-patterns",
    # Clang, which has most of the above by default or not at all, and takes this alone: tiles are
    # unrolled before it looks for vectors, and those that it finds too large for that stay arrays
    # in memory. With more, the longest stencils fall to single values.
    "-mllvm -unroll-threshold=1500",
    # A tile that is not inlined does not know its extents. No heuristic, then: inline means inline.
    "-DCYTHON_INLINE=inline __attribute__((always_inline))",
]
# Those of them that are two words.
TWO_WORDS = "-mllvm "

# Cython's.
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": True,
}

KERNELS = sorted(str(path) for path in Path("fastconv/kernels").glob("*.pxi"))


def instruction_sets_to_build() -> list[str]:
    if os.environ.get("FASTCONV_PURE") == "1":
        return []
    if platform.machine().lower() in ("x86_64", "amd64"):
        return list(INSTRUCTION_SETS)
    return ["baseline"]  # on aarch64 the baseline already is NEON


def builds(compiler, flags: list[str], program: str, link_flags: list[str] | None = None) -> bool:
    """Whether the compiler takes these flags; it links as well where there are link flags."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(program)
        last = ["-c"] if link_flags is None else link_flags
        command = [*compiler.compiler_so, *flags, str(source), *last, "-o", str(Path(folder, "o"))]
        try:
            subprocess.run(
                command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except (OSError, subprocess.CalledProcessError):
            return False
    return True


def openmp_flags(compiler) -> tuple[list[str], list[str]]:
    """The (compile, link) flags of OpenMP, or two empty lists where it does not work."""
    if compiler.compiler_type == "msvc":
        return ["/openmp"], []
    candidates = [(["-fopenmp"], ["-fopenmp"])]
    if sys.platform == "darwin":  # Apple's clang takes OpenMP only from a separate libomp
        candidates.append((["-Xpreprocessor", "-fopenmp"], ["-lomp"]))
    program = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"
    for compile_flags, link_flags in candidates:
        if builds(compiler, compile_flags, program, link_flags):
            return compile_flags, link_flags
    print("fastconv: this compiler has no OpenMP, building single-threaded kernels")
    return [], []


def build_flags(compiler) -> tuple[list[str], list[str]]:
    """The (compile, link) flags of FASTCONV_BUILD; usually those of LOOP_FLAGS that are known."""
    build = os.environ.get("FASTCONV_BUILD")
    if build and build not in OTHER_BUILDS:
        raise ValueError(f"FASTCONV_BUILD={build!r} is none of {', '.join(OTHER_BUILDS)}")
    if compiler.compiler_type == "msvc":
        return ["/Od" if build else "/O2"], []
    if build:
        return OTHER_BUILDS[build]
    program = "int main(void) { return 0; }\n"  # Clang needs fewer of them
    known = ["-g0"]
    for flag in LOOP_FLAGS:
        words = flag.split() if flag.startswith(TWO_WORDS) else [flag]
        if builds(compiler, [*words, "-Werror"], program):
            known += words
    return known, []


def flags_by_set(compiler) -> dict[str, tuple[list[str], list[str]]]:
    """Instruction set → the (compile, link) flags of its extension, those of OpenMP included."""
    openmp_compile, openmp_link = openmp_flags(compiler)
    msvc = compiler.compiler_type == "msvc"
    build_compile, build_link = build_flags(compiler)
    common = build_compile + ([] if msvc else MATH_FLAGS)
    return {
        name: (
            [*common, *(msvc_flags if msvc else gnu_flags).split(), *openmp_compile],
            [*build_link, *openmp_link],
        )
        for name, (gnu_flags, msvc_flags) in INSTRUCTION_SETS.items()
    }


class BuildKernels(build_ext):
    """Adds, once the compiler is known, the flags of each instruction set and of OpenMP."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.parallel is None:
            self.parallel = os.cpu_count()

    def build_extensions(self) -> None:
        flags = flags_by_set(self.compiler)
        for extension in self.extensions:
            name = extension.name.rpartition(".")[2]
            extension.extra_compile_args, extension.extra_link_args = flags[name]
        super().build_extensions()


def extensions() -> list[Extension]:
    names = instruction_sets_to_build()
    if not names:
        return []
    from Cython.Build import cythonize

    return cythonize(
        [
            Extension(f"fastconv.isa.{name}", [f"fastconv/isa/{name}.pyx"], depends=KERNELS)
            for name in names
        ],
        compiler_directives=DIRECTIVES,
    )


if __name__ == "__main__":  # as build front ends run it; benchmarks only ask for its flags
    setup(ext_modules=extensions(), cmdclass={"build_ext": BuildKernels})
