# The service as an image: built with Node and all, run with what it needs and nothing else.

FROM python:3.11.15-bookworm AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/analytics \
    && python -m pip --python /opt/analytics/bin/python install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN make .venv/panel \
    && .venv/bin/hatchling build --target wheel \
    && python -m pip --python /opt/analytics/bin/python install --no-cache-dir --no-deps dist/*.whl

# The example platform's services: docker build --target platform.
FROM python:3.11.15-slim-bookworm AS platform
RUN useradd --uid 10001 --no-create-home --home-dir /data analytics && install --directory --owner=analytics /data
COPY --from=build /opt/analytics /opt/analytics
COPY client/convoai_analytics_client /opt/platform/convoai_analytics_client
COPY examples /opt/platform/examples
ENV PATH=/opt/analytics/bin:$PATH \
    PYTHONPATH=/opt/platform \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CONVOAI_HOST=0.0.0.0 \
    CONVOAI_DATA=/data
USER 10001
WORKDIR /data
VOLUME /data

FROM python:3.11.15-slim-bookworm
RUN useradd --uid 10001 --no-create-home --home-dir /data analytics && install --directory --owner=analytics /data
COPY --from=build /opt/analytics /opt/analytics
ENV PATH=/opt/analytics/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ANALYTICS_HOST=0.0.0.0 \
    ANALYTICS_DATABASE_URL=sqlite+aiosqlite:////data/analytics.db
# By number, so that an orchestrator can tell that it is not root.
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8002
STOPSIGNAL SIGTERM
# Starting the command itself would cost ten times as much as the answer.
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8002/ready', timeout=2)"]
CMD ["convoai-analytics", "serve"]
