"""The e-mail of a scheduled report: its key figures as text, the PDF, and the rows of its main table as CSV. Pure."""

import hashlib

from storage.model.clock import Days
from storage.report_schedules import Delivery
from web.mail import Attachment, Mail
from web.pdf.document import Figures
from web.pdf.language.words import language
from web.pdf.report import Report
from web.reports.formats import Csv


def message(delivery: Delivery, recipient: str, report: Report, pdf: bytes, days: Days, *, late: bool) -> Mail:
    """Write the message for one of the recipients; its id is the same whenever it is written again."""
    schedule, document = delivery.schedule, report.document
    words = language(schedule.language, days)
    subject = words("mail_late", subject=schedule.name) if late else schedule.name
    name = schedule.report or "view"
    return Mail(
        id=id_of(delivery, recipient),
        recipient=recipient,
        subject=subject,
        text="\n".join(_lines(delivery, report, days, late=late)) + "\n",
        attachments=(
            Attachment(f"{name}.pdf", "application/pdf", pdf),
            Attachment(f"{name}.csv", "text/csv", _csv(report)),
        ),
        headers={"Content-Language": document.language},
    )


def id_of(delivery: Delivery, recipient: str) -> str:
    """Name the message of a due time to a recipient, the same in each attempt.

    Not by the place in the list, which may be changed before the next attempt.
    """
    of_recipient = hashlib.sha256(recipient.encode()).hexdigest()[:16]
    return f"report.{delivery.schedule.id}.{_stamp(delivery.due_at)}.{of_recipient}"


def _lines(delivery: Delivery, report: Report, days: Days, *, late: bool) -> list[str]:
    document = report.document
    words = language(delivery.schedule.language, days)
    lines = [document.title, *([document.subtitle] if document.subtitle else []), ""]
    if late:
        lines += [words("mail_is_late", time=words.moment(delivery.due_at)), ""]
    if delivery.missed:
        lines += [words("mail_missed", count=words.number(delivery.missed)), ""]
    first = next((section for section in document.sections if isinstance(section, Figures)), None)
    if first is not None:
        lines += [f"{item.label}: {item.value}{f' ({item.note})' if item.note else ''}" for item in first.items]
        lines.append("")
    return [*lines, *(f"{name}: {value}" for name, value in document.facts)]


def _csv(report: Report) -> bytes:
    form = Csv(report.content.columns, bom=True)
    return form.head() + form.write(dict(row) for row in report.content.rows)


def _stamp(due_at: str) -> str:
    return "".join(character for character in due_at if character.isdigit())
