"""What a webhook gets of a scheduled report: one JSON document with its figures and rows. Pure."""

from typing import Any
from urllib.parse import urlencode

import msgspec

from storage.report_schedules import Delivery
from web.pdf.document import Figures
from web.pdf.report import Report
from web.reports.endpoints import PREFIX

TYPE = "report.scheduled"


def document(message_id: str, delivery: Delivery, report: Report, covered: tuple[str, str], *, late: bool) -> str:
    """Write the document; *covered* is the range of its figures."""
    schedule, start, end = delivery.schedule, *covered
    first = next((section for section in report.document.sections if isinstance(section, Figures)), None)
    named = {"of": schedule.report, "view": schedule.view_id, "from": start, "to": end}
    query = {name: value for name, value in named.items() if value is not None}
    data: dict[str, Any] = {
        "id": message_id,
        "tenant": delivery.tenant_id,
        "schedule": schedule.id,
        "name": schedule.name,
        "report": schedule.report,
        "view": schedule.view_id,
        "from": start,
        "to": end,
        "late": late,
        "missed": delivery.missed,
        "position": str(report.position),
        "pdf": f"{PREFIX}/report.pdf?{urlencode({**query, 'paper': schedule.paper, 'language': schedule.language})}",
        "figures": [] if first is None else first.items,
        "columns": report.content.columns,
        "rows": report.content.rows,
    }
    return msgspec.json.encode({"type": TYPE, "timestamp": delivery.due_at, "data": data}).decode()
