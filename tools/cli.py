"""`edgelstm`: runs a command; its exit code, and one line for each mistake a user can mend."""

import sys

import typer

from edgelstm.errors import DeviceError, ModelError
from edgelstm.tools import output, words
from edgelstm.tools.commands import app


def main() -> None:
    """Runs one command; a mistake that the user can mend is one line and exit code 2."""
    output.accept_any_text()
    sys.exit(_run())


def _run() -> int:
    try:
        words.check_words(sys.argv[1:])
        code = app(standalone_mode=False)
    except (ModelError, DeviceError) as error:
        return output.fail(str(error))
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        return 141
    except MemoryError:
        return output.fail("out of memory; give a smaller model, fewer steps or less data")
    except OSError as error:
        return output.fail(f"{error.filename or 'standard output'}: {error.strerror or error}")
    except Exception as error:
        message = getattr(error, "format_message", None)  # a mistake in the options
        if message is None:
            raise
        return output.fail(message() or "a command is needed; `edgelstm -h` lists them")
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
