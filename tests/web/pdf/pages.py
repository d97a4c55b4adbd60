"""What a PDF says and how it is made, as programs that read one find it."""

import io
from typing import Any

import pikepdf
import pypdfium2


def text(pdf: bytes) -> str:
    """Extract the text of all pages, with single spaces."""
    document = pypdfium2.PdfDocument(pdf)
    pages = [document[index].get_textpage() for index in range(len(document))]
    found = " ".join(page.get_text_bounded() for page in pages)
    for page in pages:
        page.close()
    document.close()
    # Where a line may be broken, and hyphens, as the reader gives them.
    return " ".join(found.replace("\u200b", "").replace("\ufffe", "-").split())


def size(pdf: bytes) -> tuple[float, float]:
    """Give width and height of the first page, in points."""
    document = pypdfium2.PdfDocument(pdf)
    width, height = document.get_page_size(0)
    document.close()
    return round(width), round(height)


class Structure:
    """The tags of a PDF."""

    def __init__(self, pdf: bytes) -> None:
        with pikepdf.open(io.BytesIO(pdf)) as opened:
            root = opened.Root
            self.language = str(root.Lang)
            self.is_marked = bool(root.MarkInfo.Marked)
            self.shows_title = bool(root.ViewerPreferences.DisplayDocTitle)
            self.pages = len(opened.pages)
            with opened.open_metadata() as metadata:
                self.standard = str(metadata.get("pdfuaid:part"))
                self.title = str(metadata.get("dc:title"))
            self.images = [image for page in opened.pages for image in page.get_images()]
            self.tags: list[str] = []
            self.alternatives: list[str] = []
            self._walk(root.StructTreeRoot.K)

    def _walk(self, node: Any) -> None:
        if isinstance(node, pikepdf.Array):
            for inner in node:
                self._walk(inner)
        elif isinstance(node, pikepdf.Dictionary) and "/S" in node:
            self.tags.append(str(node.S))
            if "/Alt" in node:
                self.alternatives.append(str(node.Alt))
            if "/K" in node:
                self._walk(node.K)
