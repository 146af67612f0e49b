"""Installs PyTorch for the processor into the environment that runs this.

PyPI's wheel for Linux is the CUDA build: with all it asks for it takes over 2 GB, though on a processor none of that is
called. So the wheel comes alone (540 MB) with the two small CUDA libraries that its static initialisers do call; for the rest,
libraries of the wanted names are compiled, whose functions end the process. When that does not import, all is installed.

    python install_torch.py VERSION
"""

import pathlib
import re
import subprocess
import sys
import sysconfig
import tempfile

PURE = ["filelock", "typing-extensions", "setuptools", "sympy", "networkx", "jinja2", "fsspec"]
CUDA = ["nvidia-cuda-runtime", "nvidia-cuda-cupti"]
LIBRARY = re.compile(r"^lib(cu|nccl|nvrtc|nvshmem)")
FUNCTION = re.compile(r"^(cuFile|cublas|cudnn|cufft|cusolver|cusparse|nccl|nvrtc|nvshmem)")


def pip(*args):
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *args], check=True)


def imports():
    return subprocess.run([sys.executable, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode == 0


def lines(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def library_version(requirement):
    """The version that the wheel asks for of CUDA, as `13.2.*`; of it comes the run time."""
    return re.search(r"==(\d+\.\d+)", requirement).group(1) + ".*"


def wanted(files):
    """By library that is missing: the functions that are asked of it, and the name of their version."""
    present = {file.name for file in files}
    home, functions, missing = {}, {}, set()
    for file in files:
        missing |= set(re.findall(r"\[(lib[^\]]+)\]", "\n".join(lines("readelf", "-d", file))))
        library = None
        for line in lines("readelf", "-V", "-W", file):
            if found := re.search(r"File: (\S+)", line):
                library = found.group(1)
            elif library and (found := re.search(r"Name: (\S+)\s+Flags: \S+\s+Version: \d+", line)):
                home[found.group(1)] = library
        for line in lines("nm", "-D", "--undefined-only", file):
            name, _, version = line.split()[-1].partition("@")
            if FUNCTION.match(name):
                functions[name] = version
    missing = sorted(name for name in missing - present if LIBRARY.match(name))
    # Functions without a version are looked for in all libraries: the first may have them.
    owner = {name: home.get(version, missing[0]) for name, version in functions.items()}
    defined = {name for file in files for name in (line.split()[-1] for line in lines("nm", "-D", "--defined-only", file))}
    return {
        library: {name: functions[name] for name in sorted(owner) if owner[name] == library and name not in defined}
        for library in missing
    }


def compile_stub(library, functions, folder):
    with tempfile.TemporaryDirectory() as scratch:
        source, script = pathlib.Path(scratch, "stub.c"), pathlib.Path(scratch, "stub.map")
        body = ["#include <stdlib.h>"] + [f"void {name}(void) {{ abort(); }}" for name in functions]
        source.write_text("\n".join(body) + "\n")
        versions = sorted({version for version in functions.values() if version})
        nodes = [
            f"{version} {{ {' '.join(f'{name};' for name, of in functions.items() if of == version)} }};" for version in versions
        ]
        script.write_text("\n".join(nodes) + "\n")
        arguments = ["-shared", "-fPIC", "-w", f"-Wl,-soname,{library}", *([f"-Wl,--version-script={script}"] if nodes else [])]
        subprocess.run(["g++", "-x", "c", str(source), *arguments, "-o", str(folder / library)], check=True)


def install(version):
    packages = pathlib.Path(sysconfig.get_paths()["purelib"])
    pip("--no-deps", f"torch=={version}")
    pip(*PURE)
    if imports():
        return
    try:
        metadata = next(packages.glob("torch-*.dist-info")).joinpath("METADATA").read_text()
        cuda = library_version(next(line for line in metadata.splitlines() if "cuda-toolkit" in line))
        pip("--no-deps", *(f"{name}=={cuda}" for name in CUDA))
        folder = packages / "torch" / "lib"
        files = [*folder.glob("*.so*"), *packages.glob("nvidia/*/lib/*.so*")]
        for library, functions in wanted(files).items():
            compile_stub(library, functions, folder)
    except (subprocess.CalledProcessError, OSError, StopIteration, AttributeError) as error:
        print(f"no libraries in CUDA's place: {error}", file=sys.stderr)
    if not imports():
        pip(f"torch=={version}")
    subprocess.run([sys.executable, "-c", "import torch"], check=True)


install(sys.argv[1])
pip("numpy")  # last: where it is missing, an installation was interrupted
