"""``make fuzz``: fuzz each target for a while, guided by what it covers, and keep in its corpus what covers more."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from libs.filters.language import OPERATORS
from tests.fuzz.targets import TARGETS

CORPUS: Final = Path(__file__).parent / "corpus"
_INPUT_LIMIT_BYTES: Final = 1024
# What chance alone would hardly find.
_WORDS: Final = (
    *(
        "true",
        "false",
        "null",
        "1e300",
        "-0.0",
        "\\ud800",
        "\\\\",
        "body.",
        "headers.",
        "*",
        "authorization",
        "Bearer ",
    ),
    *("all", "any", "none", "some", "where", "param", "type", "operator", "value", "ignoreCase"),
    *OPERATORS,
    *sorted({operator for operators in OPERATORS.values() for operator in operators}),
    *("POST / HTTP/1.1\r\n", "Content-Length: ", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "\r\n"),
    *("Upgrade: h2c\r\n", "Expect: 100-continue\r\n", "0\r\n\r\n", " HTTP/1.0\r\n"),
    *("authorization", "cookie", "Bearer ", "access_token="),
)


def main() -> int:
    """Fuzz until the time is over or a target has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, action="append", help="only this one (default: all)")
    parser.add_argument("--duration", type=int, default=60, help="seconds for each target")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="inlet-fuzz-") as folder:
        words = Path(folder) / "words"
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in _WORDS))
        for target in chosen.target or TARGETS:
            sys.stdout.write(f"{target}: {chosen.duration} s\n")
            sys.stdout.flush()
            if not fuzz(target, chosen.duration, words, Path(folder) / target):
                sys.stdout.write(f"{target} FAILED: the input is in {CORPUS / target}; tests/fuzz/test_corpus.py\n")
                return 1
    return 0


def fuzz(target: str, duration_s: int, words: Path, found: Path) -> bool:
    """Fuzz one target, and add to its corpus the few files that cover more; False if it has failed."""
    kept = CORPUS / target
    for one in (kept, found):
        one.mkdir(parents=True, exist_ok=True)
    time, failed = f"-max_total_time={duration_s}", f"-artifact_prefix={kept}/"
    if _fuzzer(target, time, failed, f"-dict={words}", found, kept) != 0:
        return False
    return _fuzzer(target, "-set_cover_merge=1", kept, found) == 0


def _fuzzer(target: str, *arguments: str | Path) -> int:
    program = (sys.executable, "-m", "tests.fuzz.fuzzer", target)
    options = ("-verbosity=0", "-print_final_stats=1", f"-max_len={_INPUT_LIMIT_BYTES}", "-timeout=10")
    return subprocess.run([*program, *options, *map(str, arguments)], check=False).returncode  # noqa: S603  our own


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


if __name__ == "__main__":
    sys.exit(main())
