# syntax=docker/dockerfile:1
ARG PYTHON=3.13-slim-trixie

FROM python:${PYTHON} AS build
WORKDIR /build
COPY requirements.txt requirements-build.txt ./
RUN python -m venv /opt/gitpip \
    && /opt/gitpip/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes -r requirements.txt -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/gitpip/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
        --no-build-isolation --no-deps . \
    && /opt/gitpip/bin/python -m pip uninstall --quiet --yes editables hatchling pip

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="gitpip" \
      org.opencontainers.image.description="Watches GitHub users for new public gists and publishes each file to Pipedrive, exactly once." \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/gitpip /opt/gitpip
ENV PATH=/opt/gitpip/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    GITPIP_DATA_DIR=/data \
    GITPIP_HOST=0.0.0.0 \
    GITPIP_LOG_FORMAT=json
RUN mkdir /data && chown 10001:10001 /data
VOLUME /data
WORKDIR /data
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
ENTRYPOINT ["gitpip"]
CMD ["serve"]
