# syntax=docker/dockerfile:1
# fakebus in a container: slim, not root, one volume for the data file.
#   docker build -t fakebus .
#   docker run --rm -p 9092:9092 -p 8081:8081 fakebus
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/fakebus \
    && /opt/fakebus/bin/pip install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY fakebus fakebus
COPY fixtures fixtures
RUN /opt/fakebus/bin/pip wheel --no-deps --wheel-dir /wheels . \
    && /opt/fakebus/bin/pip install --no-deps /wheels/*.whl \
    # By hash, as the time of a source is another one with each build.
    && /opt/fakebus/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/fakebus/lib \
    && rm -rf /opt/fakebus/lib/python3*/site-packages/pip*

FROM python:3.13-slim
LABEL org.opencontainers.image.title="fakebus" \
      org.opencontainers.image.description="The Kafka you don't have to run" \
      org.opencontainers.image.source="https://github.com/fakebus/fakebus" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --home-dir /data --no-create-home fakebus \
    && install -d -o fakebus -g fakebus /data /fixtures
COPY --from=build /opt/fakebus /opt/fakebus
ENV PATH=/opt/fakebus/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FAKEBUS_DATA=/data/fakebus.db \
    FAKEBUS_KAFKA=0.0.0.0:9092 \
    FAKEBUS_HTTP=0.0.0.0:8081
USER fakebus
WORKDIR /
VOLUME /data
EXPOSE 9092 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=2s --start-period=5s --start-interval=200ms --retries=3 \
    CMD ["python", "-S", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8081/ready', timeout=2)"]
ENTRYPOINT ["fakebus"]
CMD ["up"]
