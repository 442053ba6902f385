# The application: web, worker and beat run from this one image. Only the last stage is kept.
# Any image with Python 3.11 or newer, its venv module and Debian's ca-certificates will do.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# --- What needs the network, in stages that are thrown away -------------------------------------------------
FROM ${PYTHON_IMAGE} AS online
WORKDIR /app
# build/ca.pem: the certificates of a proxy that ends TLS, if there is one. LICENSE: COPY must find something.
COPY LICENSE build/ca.pe[m] /ca/
RUN cp /ca/ca.pem /ca/bundle.pem 2>/dev/null || cp /etc/ssl/certs/ca-certificates.crt /ca/bundle.pem
ENV PIP_CERT=/ca/bundle.pem SSL_CERT_FILE=/ca/bundle.pem NODE_EXTRA_CA_CERTS=/ca/bundle.pem \
    PIP_DISABLE_PIP_VERSION_CHECK=1

FROM online AS packages
ARG UV_VERSION=0.13.9
RUN python3 -m venv /uv && /uv/bin/pip install --quiet --no-cache-dir uv==${UV_VERSION}
COPY pyproject.toml uv.lock ./
# Compiled: the image is read-only where it runs, and each process would compile all of it again as it starts.
RUN python3 -m venv --without-pip .venv \
 && UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy \
    /uv/bin/uv sync --quiet --locked --no-cache --no-default-groups --compile-bytecode

FROM online AS pages
ENV THERMAE_STATE_DIR=/tmp/state
# What npm installs is a layer of its own, and what is copied after it just what the build reads: a change of sources
# installs nothing, a change of Python builds no pages.
COPY project/build_frontend.py project/
COPY frontend/package.json frontend/package-lock.json frontend/
RUN python3 project/build_frontend.py --install
COPY frontend/tsconfig.json frontend/vite.config.ts frontend/
COPY frontend/scripts frontend/scripts
COPY frontend/src frontend/src
RUN python3 project/build_frontend.py

# --- What runs -----------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE}
# 10000 is the uid of the agents: who makes their socket folders, and connects to them, has the same.
RUN groupadd -g 10000 thermae && useradd -u 10000 -g 10000 -d /app -M -s /usr/sbin/nologin thermae \
 && install -d -o 10000 -g 10000 /var/lib/thermae
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY manage.py ./
COPY tenants tenants
COPY interpreters interpreters
COPY frontend frontend
COPY --from=pages /app/frontend/static/frontend/dist frontend/static/frontend/dist
COPY project project
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=project.settings THERMAE_PRODUCTION=true THERMAE_STATE_DIR=/var/lib/thermae
RUN python -m compileall -q project tenants interpreters frontend \
 && THERMAE_PRODUCTION=false THERMAE_SECRET_KEY=build \
    python manage.py collectstatic --noinput --verbosity 0
USER thermae
EXPOSE 8000
CMD ["python", "-m", "project.server", "--host", "0.0.0.0", "--port", "8000"]
