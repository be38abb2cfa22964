"""The command line: `graphkit summary model.keras`, `graphkit convert old.h5 new.onnx`, `graphkit demo`, ..."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments without the program's name; by default those of the process.

    Returns:
        0 on success, 1 if a script or check failed, 2 for wrong usage or a bad file, 130 if interrupted.

    Raises:
        SystemExit: for wrong usage, --help and --version.
    """
    from graphkit.cli.commands import parser, run
    from graphkit.cli.terminal import complain, plain_warnings
    from graphkit.core.errors import GraphKitError

    with plain_warnings():
        arguments = parser().parse_args(list(sys.argv[1:] if argv is None else argv))
    try:
        with plain_warnings(arguments.command is not run):
            code = arguments.command(arguments)
        sys.stdout.flush()
        return int(code or 0)
    except BrokenPipeError:  # `graphkit summary model.keras | head`
        sys.stderr.close()
        return 0
    except (GraphKitError, OSError) as error:
        if arguments.debug:
            raise
        complain(f"graphkit: error: {_one_line(error)}")
        return 2
    except KeyboardInterrupt:
        if arguments.debug:
            raise
        complain("graphkit: interrupted")
        return 130


def _one_line(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"no such file: {error.filename}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
