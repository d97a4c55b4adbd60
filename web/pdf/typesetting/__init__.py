"""From a document to the bytes of a PDF: the process that typesets, its template, and the font."""
