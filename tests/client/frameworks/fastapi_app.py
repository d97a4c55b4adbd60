"""An application of FastAPI that runs in an environment of its own; ``python fastapi_app.py PORT``."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, HTTPException, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.requests import Request
from starlette.routing import Mount, Route

from convoai_analytics_client.asgi import AnalyticsMiddleware


async def plain(_: Request) -> PlainTextResponse:
    return PlainTextResponse("plain")


def user(scope: Any) -> str | None:
    return dict(scope["headers"]).get(b"x-user", b"").decode() or None


posts = APIRouter(prefix="/posts")


@posts.get("/{post}")
async def post(user: int, post: int) -> dict[str, int]:
    return {"user": user, "post": post}


users = APIRouter()
users.include_router(posts, prefix="/users/{user}")


@users.websocket("/socket/{id}")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive()


users.add_route("/plain/{id}", plain)

inner = FastAPI()
inner.add_route("/plain/{id}", plain)


@inner.get("/items/{id}")
async def inner_item(id: int) -> int:
    return id


app = FastAPI()
app.add_middleware(AnalyticsMiddleware, user=user, websockets=True)
app.include_router(users, prefix="/api/v1")
app.mount("/sub", inner)
app.mount("/tenants/{tenant}", inner)
app.router.routes.append(Mount("/deep/{tenant}", routes=[Mount("/inner", routes=[Route("/{id}", plain)])]))


@app.get("/health")
async def health() -> str:
    return "well"


@app.get("/items/{id}")
def item(id: int) -> int:
    return id


@app.get("/fail/{id}")
async def fail(id: int) -> None:
    raise RuntimeError("the endpoint fails")


@app.get("/refused/{id}")
async def refused(id: int) -> None:
    raise HTTPException(404)


@app.get("/stream/{id}")
async def stream(id: int) -> StreamingResponse:
    return StreamingResponse(iter(["one", "two"]))


@app.get("/endless/{id}")
async def endless(id: int) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        while True:
            yield "part" * 1000
            await asyncio.sleep(0.005)

    return StreamingResponse(parts())


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
