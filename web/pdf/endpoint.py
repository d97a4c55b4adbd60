"""The endpoint of reports as PDF."""

from starlette.requests import Request
from starlette.responses import Response

from storage.engine.database import Database
from storage.read.snapshots import read_head
from web.http.etag import matches, weak
from web.http.operations import Answer, JsonSchema, Operation
from web.http.problems import MEDIA_TYPE, PROBLEM, Problem, unavailable
from web.pdf.query import PARAMETERS, read_wanted
from web.pdf.report import Report, read_report
from web.pdf.typesetting.typesetter import NotInstalled, PdfFailed, Typesetter
from web.reports.admission import ALLOCATION
from web.reports.endpoints import HEADERS, PREFIX, Reports

PDF = "application/pdf"
PATH = f"{PREFIX}/report.pdf"
_SHAPE: JsonSchema = {"type": "string", "contentMediaType": PDF}


class PdfReports:
    """The endpoint."""

    def __init__(self, database: Database, reports: Reports, typesetter: Typesetter) -> None:
        self._database = database
        self._reports = reports
        self._typesetter = typesetter

    def operations(self) -> list[Operation]:
        """List the endpoint."""
        answers = {
            200: Answer("The report. The same figures give the same bytes.", _SHAPE, PDF),
            304: Answer("Nothing changed since the ETag in If-None-Match."),
            404: Answer("There is no such view.", PROBLEM, MEDIA_TYPE),
            501: Answer("The service has no typst, which makes the PDF.", PROBLEM, MEDIA_TYPE),
        }
        title = "The overview, the costs of LLM calls, a list or a saved view as PDF (PDF/UA-1)"
        return [
            Operation(
                "GET",
                PATH,
                "getReportPdf",
                "Reports",
                title,
                self._answer,
                answers,
                access="admin",
                parameters=PARAMETERS,
            )
        ]

    async def _answer(self, request: Request) -> Response:
        tenant_id = await self._reports.admit(request)
        async with self._reports.heavy_turn(request):
            found = await self._read(request, tenant_id)
            if isinstance(found, Response):
                return found
            report, headers = found
            try:
                written = await self._typesetter.typeset(report.document)
            except NotInstalled as error:
                raise Problem(501, str(error)) from None
            except PdfFailed as error:
                raise unavailable(str(error)) from None
        request.scope[ALLOCATION].grow(len(written))
        return Response(written, headers=headers, media_type=PDF)

    async def _read(self, request: Request, tenant_id: str) -> tuple[Report, dict[str, str]] | Response:
        """Read the report in one transaction, or say that nothing changed."""
        days, epoch = self._database.days, self._database.epoch
        async with self._database.read() as connection:
            wanted = await read_wanted(connection, tenant_id, request.query_params, days)
            position = await read_head(connection, epoch, tenant_id)
            etag = weak(f"{position}.{days.today()}.{wanted.start}.{wanted.end}.{len(wanted.title)}")
            headers = {
                **HEADERS,
                "ETag": etag,
                "Content-Disposition": f'attachment; filename="{wanted.name}.pdf"',
            }
            if matches(request.headers.get("if-none-match", ""), etag):
                return Response(status_code=304, headers=headers)
            return await read_report(connection, epoch, tenant_id, days, wanted), headers
