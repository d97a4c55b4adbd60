"""A platform that kept its analytics itself, in the integration guide's five tables, through SQLAlchemy's ORM."""

import random
from datetime import date as day
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Date, DateTime, Float, Integer, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

BEGIN = datetime(2026, 3, 1)
DAYS = 10


class Base(DeclarativeBase):
    pass


class UserActivity(Base):
    __tablename__ = "user_activity"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    user_id: Mapped[str | None] = mapped_column(String(100), index=True)
    username: Mapped[str | None] = mapped_column(String(100))
    activity_type: Mapped[str | None] = mapped_column(String(50))
    timestamp: Mapped[datetime | None] = mapped_column(DateTime)
    ip_address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(255))
    extra_data: Mapped[Any] = mapped_column(JSON, nullable=True)


class ConversationMetrics(Base):
    __tablename__ = "conversation_metrics"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    conversation_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    user_id: Mapped[str | None] = mapped_column(String(100))
    message_count: Mapped[int | None] = mapped_column(Integer, default=0)
    total_tokens: Mapped[int | None] = mapped_column(Integer, default=0)
    avg_response_time: Mapped[float | None] = mapped_column(Float, default=0.0)
    status: Mapped[str | None] = mapped_column(String(20), default="active")
    created_at: Mapped[datetime | None] = mapped_column(DateTime)
    updated_at: Mapped[datetime | None] = mapped_column(DateTime)


class MessageMetrics(Base):
    __tablename__ = "message_metrics"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    # Not unique: what the guide promises was not always kept.
    message_id: Mapped[str | None] = mapped_column(String(100))
    conversation_id: Mapped[str | None] = mapped_column(String(100), index=True)
    user_id: Mapped[str | None] = mapped_column(String(100))
    role: Mapped[str | None] = mapped_column(String(20))
    token_count: Mapped[int | None] = mapped_column(Integer, default=0)
    response_time: Mapped[float | None] = mapped_column(Float)
    model_used: Mapped[str | None] = mapped_column(String(50))
    created_at: Mapped[datetime | None] = mapped_column(DateTime)


class ApiUsage(Base):
    __tablename__ = "api_usage"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    endpoint: Mapped[str | None] = mapped_column(String(200))
    method: Mapped[str | None] = mapped_column(String(10))
    user_id: Mapped[str | None] = mapped_column(String(100))
    status_code: Mapped[int | None] = mapped_column(Integer)
    response_time: Mapped[float | None] = mapped_column(Float)
    timestamp: Mapped[datetime | None] = mapped_column(DateTime)


class DailyStats(Base):
    __tablename__ = "daily_stats"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    date: Mapped[day | None] = mapped_column(Date, unique=True)
    total_users: Mapped[int | None] = mapped_column(Integer, default=0)
    active_users: Mapped[int | None] = mapped_column(Integer, default=0)
    new_users: Mapped[int | None] = mapped_column(Integer, default=0)
    total_conversations: Mapped[int | None] = mapped_column(Integer, default=0)
    total_messages: Mapped[int | None] = mapped_column(Integer, default=0)
    total_api_calls: Mapped[int | None] = mapped_column(Integer, default=0)
    avg_response_time: Mapped[float | None] = mapped_column(Float, default=0.0)
    error_count: Mapped[int | None] = mapped_column(Integer, default=0)


def make(path: Path, count: int, seed: int = 1) -> None:
    """Write *count* rows of activities, messages and calls, a third of each, and the conversations of the messages."""
    draw = random.Random(seed)
    engine = create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    rows: list[Base] = []
    talks = [f"c{number}" for number in range(max(1, count // 30))]
    for number in range(count):
        at, user = BEGIN + timedelta(seconds=draw.uniform(0, DAYS * 86_400)), f"u{draw.randrange(50)}"
        match number % 3:
            case 0:
                extra = draw.choice([None, {"page": "/", "nested": {"n": number}}])
                rows.append(
                    UserActivity(
                        user_id=user, username=user.upper(), activity_type="login", timestamp=at, extra_data=extra
                    )
                )
            case 1:
                rows.append(
                    MessageMetrics(
                        message_id=f"m{number}",
                        conversation_id=draw.choice(talks),
                        user_id=user,
                        role=draw.choice(["user", "assistant"]),
                        token_count=draw.randrange(500),
                        response_time=draw.choice([None, draw.random()]),
                        model_used=draw.choice([None, "small", "large"]),
                        created_at=at,
                    )
                )
            case _:
                code = draw.choice([200, 200, 200, 404, 500])
                call = {"endpoint": "/chat", "method": "POST", "status_code": code, "response_time": draw.random()}
                rows.append(ApiUsage(user_id=draw.choice([None, user]), timestamp=at, **call))
    for number, name in enumerate(talks):
        status = "deleted" if number % 4 == 0 else "active"
        times = {"created_at": BEGIN, "updated_at": BEGIN + timedelta(days=DAYS)}
        rows.append(ConversationMetrics(conversation_id=name, user_id=f"u{number % 50}", status=status, **times))
    with Session(engine) as session:
        session.add_all(rows)
        session.commit()
    engine.dispose()
