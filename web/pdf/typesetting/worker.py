"""The process that typesets: reads reports from standard input, writes PDFs to standard output, one after the other.

A message is four bytes that say how long it is, most significant first, and as many bytes. Each answer begins with a
byte that says whether it is a PDF or the reason why there is none. The process inherits no setting and no secret.
"""

import json
import struct
import sys
from pathlib import Path
from typing import IO, Any

HEAD = struct.Struct(">L")
MADE, FAILED = b"\0", b"\1"
STANDARD = "ua-1"
"""PDF/UA-1 (ISO 14289-1:2014): typst refuses what does not conform."""
MEMORY_BYTES = 1 << 30
"""What the process may take of memory."""


def _compiler() -> Any:
    # Imported here: only this process needs it, 84 MB of it.
    import typst

    folder = Path(__file__).parent
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[folder / "fonts"])
    return typst.Compiler(folder / "report.typ", root=folder, font_paths=fonts)


def typeset(compiler: Any, report: bytes) -> bytes:
    """Make a PDF of a *report*, the JSON of a ``document.Document``; the same gives the same bytes."""
    written: bytes = compiler.compile(
        format="pdf",
        sys_inputs={"report": report.decode()},
        pdf_standards=[STANDARD],
        timestamp=json.loads(report)["time"],
    )
    return written


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Typeset until there is nothing more to read."""
    _bound_memory()
    compiler = _compiler()
    while len(head := source.read(HEAD.size)) == HEAD.size:
        report = source.read(HEAD.unpack(head)[0])
        try:
            kind, answer = MADE, typeset(compiler, report)
        except RuntimeError as error:
            kind, answer = FAILED, str(error).encode()
        sink.write(kind + HEAD.pack(len(answer)) + answer)
        sink.flush()


def _bound_memory() -> None:
    try:
        import resource
    except ImportError:
        # Not on Windows.
        return
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
