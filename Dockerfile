# syntax=docker/dockerfile:1
# Another base, or this one by its digest:
#   docker build --build-arg BASE=python:3.13-slim-trixie@sha256:... .
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /build
COPY requirements.txt requirements-build.txt ./
RUN python -m venv /opt/gitpip \
    && /opt/gitpip/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes -r requirements.txt \
    # A command of 32 MB that nothing runs: only the library next to it is used.
    && rm -f /opt/gitpip/bin/betterleaks /opt/gitpip/lib/python*/site-packages/betterleaks/bin/* \
    && python -m venv tools \
    && tools/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN tools/bin/hatchling build --target wheel \
    && /opt/gitpip/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
        --no-deps dist/*.whl \
    && /opt/gitpip/bin/python -m pip uninstall --quiet --yes pip

FROM ${BASE}
ARG VERSION=0.2.0
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.title="gitpip" \
      org.opencontainers.image.description="Watches GitHub users for new public gists and publishes each file to Pipedrive, exactly once." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build /opt/gitpip /opt/gitpip
ENV PATH=/opt/gitpip/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    GITPIP_DATA_DIR=/data \
    GITPIP_HOST=0.0.0.0 \
    GITPIP_PORT=8080 \
    GITPIP_LOG_FORMAT=json
RUN mkdir /data && chown 10001:10001 /data
VOLUME /data
WORKDIR /data
USER 10001:10001
EXPOSE 8080
# Not by urllib, which would ask a proxy that is meant for requests to the outside.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, sys; from http.client import HTTPConnection as C; c = C('localhost', int(os.environ['GITPIP_PORT']), timeout=4); c.request('GET', '/health'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["gitpip"]
CMD ["serve"]
