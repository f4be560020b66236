"""One target under libFuzzer: ``python -m tests.fuzz.fuzzer TARGET [option of libFuzzer ...] [corpus ...]``."""

import shlex
import sys

import atheris

with atheris.instrument_imports(include=["libs", "services", "uvicorn.protocols"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    name, *options = sys.argv[1:]
    # libFuzzer starts itself again, by a shell, with the first of its arguments.
    itself = shlex.join([sys.executable, "-m", "tests.fuzz.fuzzer", name])
    atheris.Setup([itself, *options], TARGETS[name])
    atheris.Fuzz()
