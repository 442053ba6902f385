"""Every setting of an installation, in one file.

Each value comes from an environment variable named `THERMAE_<NAME>`, has a default fit for a laptop, and
stops the start with a message when it is wrong. `docs/settings.md` is checked against this file by a test.
"""

import logging
import re
import secrets
from ipaddress import ip_network
from pathlib import Path

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured
from environs import Env, validate

from tenants.registries import BadRegistry, checked_list

# Lets annotations such as ModelAdmin[Tenant], which the types need, stand in code that runs.
django_stubs_ext.monkeypatch()

env = Env(prefix="THERMAE_")
BASE_DIR = Path(__file__).resolve().parent.parent

# --- What kind of installation -------------------------------------------------------------------------------
# Production refuses every convenience that is only safe on a laptop: see the checks at the end of this file.
PRODUCTION = env.bool("PRODUCTION", default=False)
DEBUG = env.bool("DEBUG", default=False)
# A name that labels every sandbox, so that two installations may share one engine without touching each other.
INSTALLATION = env.str("INSTALLATION", default="thermae")
# Where an installation keeps its files: the SQLite database, the secret key, sockets of agents, logs.
STATE_DIR = Path(env.str("STATE_DIR", default=str(BASE_DIR / "var")))
# What `make run` has decided while it runs (its Redis, the runtime), so that every other command here uses the same.
if not PRODUCTION:
    env.read_env(str(STATE_DIR / "run.env"), recurse=False)
# One folder per sandbox with its agent's socket. Worker and web share it; nothing else may read it.
SOCKET_DIR = Path(env.str("SOCKET_DIR", default=str(STATE_DIR / "sockets")))
# Sockets of terminals in custom containers, which the worker serves: no sandbox is given anything of it.
SHELL_DIR = SOCKET_DIR / ".shells"
# One folder per sandbox with egress, in which its proxy listens. Shared by worker and the egress process.
ALIVE_FILE = env.str("ALIVE_FILE", default="")
EGRESS_DIR = Path(env.str("EGRESS_DIR", default=str(STATE_DIR / "egress")))


def _networks(name: str, written: list[str]) -> list[str]:
    """Networks in canonical form, each with its length."""
    try:
        return [str(ip_network(text.strip())) for text in written if text.strip()]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"THERMAE_{name}: {error}; write networks as 198.51.100.0/24, with commas."
        ) from None


def _secret_key() -> str:
    """The key from the environment, else one made once and kept in STATE_DIR."""
    given: str = env.str("SECRET_KEY", default="")
    if given:
        return given
    if PRODUCTION:
        raise ImproperlyConfigured("THERMAE_SECRET_KEY must be set in production: use 50 random characters.")
    STATE_DIR.mkdir(parents=True, exist_ok=True)
    path = STATE_DIR / "secret_key"
    try:
        with path.open("x") as file:
            path.chmod(0o600)
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    return path.read_text().strip()


SECRET_KEY = _secret_key()
# Former keys: what they signed and encrypted is still read.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])

# --- Web -----------------------------------------------------------------------------------------------------
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
# Full origins, as `https://thermae.example.org`, that may post forms and open WebSockets besides our own host.
CSRF_TRUSTED_ORIGINS: list[str] = env.list("TRUSTED_ORIGINS", default=[])
# Below this domain each port of each session has a host of its own, so that what a browser gets from a sandbox is never
# of our origin. On a laptop browsers resolve it to this machine; in production it is empty, for off, until it is named.
PREVIEW_HOST: str = env.str("PREVIEW_HOST", default="" if PRODUCTION else "preview.localhost").lower().strip(".")
# True when a proxy in front of us ends TLS and sets X-Forwarded-Proto.
BEHIND_TLS_PROXY = env.bool("BEHIND_TLS_PROXY", default=PRODUCTION)
if BEHIND_TLS_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Networks of the proxies in front of us, whose X-Forwarded-For is believed: where a request comes from counts for
# tokens that are limited to networks.
TRUSTED_PROXIES = _networks("TRUSTED_PROXIES", env.list("TRUSTED_PROXIES", default=[]))
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS_PROXY
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
# Not `no-referrer`: browsers then post forms with `Origin: null`, which is no origin of ours.
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "servestatic.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "ninja",
    "tenants",
    "interpreters",
    "frontend",
    # After ours, whose templates stand in place of theirs.
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "project.admin_app.ThermaeAdminConfig",  # the last, so that our templates of its pages come before its own
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "project.static_files.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "tenants.middleware.TenantMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "frontend.middleware.content_security_policy",
    "frontend.middleware.second_factor_first",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "notebooks"
LOGOUT_REDIRECT_URL = "account_login"
STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "project.static_files.CompressedOnceStorage"},
}
# Shown on the sign-in page, as “demo / secret”. Empty: nothing is.
DEMO_LOGIN = env.str("DEMO_LOGIN", default="")
# Whether owners may make links to copies of notebooks that open for anybody. Off: a leak is for the operator to risk.
PUBLIC_LINKS = env.bool("PUBLIC_LINKS", default=False)
# Whether who is invited and has no account may make one. Off: accounts are the operator's to make.
INVITED_SIGN_UP = env.bool("INVITED_SIGN_UP", default=True)
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Signing in ------------------------------------------------------------------------------------------------
# Characters that a new password has at least.
PASSWORD_MIN_LENGTH = env.int("PASSWORD_MIN_LENGTH", default=10, validate=validate.Range(min=8))
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": PASSWORD_MIN_LENGTH},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Whether operators, and whoever runs a tenant, need a second factor before the admin opens.
ADMIN_SECOND_FACTOR = env.bool("ADMIN_SECOND_FACTOR", default=False)
# Networks of our own that an identity provider of a tenant may be in.
OIDC_PRIVATE_ALLOW = _networks("OIDC_PRIVATE_ALLOW", env.list("OIDC_PRIVATE_ALLOW", default=[]))
# A CA bundle for identity providers whose certificates no public authority signed. Empty: the public ones.
OIDC_CA_BUNDLE = env.str("OIDC_CA_BUNDLE", default="")
AUTHENTICATION_BACKENDS = ["tenants.accounts.backend.PasswordBackend"]
ACCOUNT_ADAPTER = "tenants.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_SIGNUP_ENABLED = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_UNIQUE_EMAIL = False
ACCOUNT_FORMS = {"login": "tenants.accounts.forms.SignInForm"}
ACCOUNT_REAUTHENTICATION_METHODS = {"password", "mfa"}
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# Per address: a room full of people behind one address must get in. Per account: see tenants.accounts.adapter.
ACCOUNT_RATE_LIMITS = {"login": "120/m/ip", "login_failed": "20/m/ip,200/h/ip,5/5m/key,20/h/key"}
MFA_ADAPTER = "tenants.accounts.second_factor.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Thermae"
MFA_TOTP_TOLERANCE = 1
MFA_ALLOW_UNVERIFIED_EMAIL = True
SOCIALACCOUNT_ADAPTER = "frontend.identity.oidc.IdentityAdapter"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {"provider_class": "frontend.identity.oidc.TenantProvider", "OAUTH_PKCE_ENABLED": True}
}
SOCIALACCOUNT_STORE_TOKENS = False
# Attempts are counted in the database, which all web processes share and without which nobody signs in anyway: an
# attacker gains nothing from a Redis that is away or restarted.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "thermae_cache",
        "KEY_FUNCTION": "tenants.accounts.limits.cache_key",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# --- Database, Redis, Celery ---------------------------------------------------------------------------------
DATABASE_URL = env.str("DATABASE_URL", default=f"sqlite:///{STATE_DIR / 'db.sqlite3'}")
DATABASES = {"default": env.dj_db_url("DATABASE_URL", default=DATABASE_URL)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE takes the write lock at BEGIN: two writers wait for each other instead of failing half-way.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# Opening a connection costs more than most of our requests do in the database.
DATABASES["default"]["CONN_MAX_AGE"] = 60
REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}},
}
CELERY_BROKER_URL = REDIS_URL
# Who enqueues never waits for a broker that is away: every task is only a hint, the tick finds what was missed.
CELERY_BROKER_TRANSPORT_OPTIONS = {"max_retries": 0, "socket_connect_timeout": 1, "socket_timeout": 5}
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
# Acknowledged when taken up: nothing depends on a second delivery, and a worker that holds unacknowledged messages
# when Redis goes away ends instead of reconnecting (kombu 5.7).
CELERY_TASK_ACKS_LATE = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# How often, in seconds, every pool is compared with what it should be.
MAINTAIN_INTERVAL = env.float("MAINTAIN_INTERVAL", default=5.0)
# Sandboxes created at the same time by one worker. More than about two per core only makes each one slower.
PARALLEL_LAUNCHES = env.int("PARALLEL_LAUNCHES", default=4)

# --- Sandboxes -----------------------------------------------------------------------------------------------
# `docker`, `bubblewrap` (for one trusted tenant or a trial) or `memory` (tests). Never changed silently.
RUNTIME = env.str("RUNTIME", default="docker")
if RUNTIME not in ("docker", "bubblewrap", "memory"):
    raise ImproperlyConfigured(f"THERMAE_RUNTIME is {RUNTIME!r}: use docker, bubblewrap or memory.")
DOCKER_HOST = env.str("DOCKER_HOST", default="unix:///var/run/docker.sock")
# Seconds that any one call to the engine may take.
DOCKER_TIMEOUT = env.float("DOCKER_TIMEOUT", default=10.0)
# OCI runtimes that pools may name besides the engine's default, such as `runsc`. Each is a choice of tenants' admins,
# so list no weaker one than the default.
ALLOWED_OCI_RUNTIMES: list[str] = list(filter(None, env.list("ALLOWED_OCI_RUNTIMES", default=[])))
for _name in ALLOWED_OCI_RUNTIMES:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", _name):
        raise ImproperlyConfigured(f"THERMAE_ALLOWED_OCI_RUNTIMES has {_name!r}: give names as the engine knows them.")
# A CA bundle handed to image builds, for networks with a proxy that ends TLS. Empty: none.
BUILD_CA_BUNDLE = env.str("BUILD_CA_BUNDLE", default="")
# Where the base image is made from when it cannot be pulled.
DEBIAN_MIRROR = env.str("DEBIAN_MIRROR", default="http://deb.debian.org/debian")
# The virtual environment that bubblewrap sandboxes take their kernels from. `make run` makes it.
KERNELS_DIR = Path(env.str("KERNELS_DIR", default=str(STATE_DIR / "kernels")))
# Seconds from `starting` to `ready` after which a launch counts as lost.
START_TIMEOUT = env.float("START_TIMEOUT", default=60.0)
# Seconds in `stopping` after which a teardown is tried again.
STOP_TIMEOUT = env.float("STOP_TIMEOUT", default=30.0)
# Whether a pool may name root as the user of its own container. It has no capabilities, and is root all the same.
ALLOW_ROOT_CONTAINERS = env.bool("ALLOW_ROOT_CONTAINERS", default=False)
# What a tenant's own pools may ask for. Shared pools have no such bounds.
MAX_SANDBOX_CPU = env.float("MAX_SANDBOX_CPU", default=4.0)
MAX_SANDBOX_MEMORY = env.int("MAX_SANDBOX_MEMORY", default=8192)
MAX_SANDBOX_PIDS = env.int("MAX_SANDBOX_PIDS", default=4096)
MAX_POOLS_PER_TENANT = env.int("MAX_POOLS_PER_TENANT", default=20)
MAX_SANDBOXES_PER_TENANT = env.int("MAX_SANDBOXES_PER_TENANT", default=100)
# Bytes of code in one execution.
MAX_CODE_BYTES = env.int("MAX_CODE_BYTES", default=1024 * 1024)
# Bytes of one uploaded file.
MAX_UPLOAD_BYTES = env.int("MAX_UPLOAD_BYTES", default=256 * 1024 * 1024)
# Bytes of outputs kept in the database for one execution; the rest is cut visibly.
MAX_SAVED_OUTPUT_BYTES = env.int("MAX_SAVED_OUTPUT_BYTES", default=4 * 1024 * 1024)
# Bytes of a notebook without its outputs.
MAX_NOTEBOOK_BYTES = env.int("MAX_NOTEBOOK_BYTES", default=16 * 1024 * 1024)
# Bytes of a notebook's file that is imported, with its outputs.
MAX_IMPORT_BYTES = env.int("MAX_IMPORT_BYTES", default=64 * 1024 * 1024, validate=validate.Range(min=1024))
# Seconds of editing after which another version of a notebook is kept by itself.
VERSION_INTERVAL = env.float("VERSION_INTERVAL", default=600.0, validate=validate.Range(min=0))
# Versions kept by themselves for one notebook, and bytes that all its versions may take.
MAX_NOTEBOOK_VERSIONS = env.int("MAX_NOTEBOOK_VERSIONS", default=100, validate=validate.Range(min=2))
MAX_VERSION_BYTES = env.int("MAX_VERSION_BYTES", default=64 * 1024 * 1024, validate=validate.Range(min=0))
# Days after which a deleted notebook is deleted for good.
TRASH_DAYS = env.float("TRASH_DAYS", default=30.0, validate=validate.Range(min=0))
# Bytes of one WebSocket frame that a browser may send us.
MAX_FRAME_BYTES = env.int("MAX_FRAME_BYTES", default=1024 * 1024 + 64 * 1024)
# Bytes of a request's body that is passed on to a sandbox; 0: of any size, as none of it is kept here.
MAX_PROXY_BODY_BYTES = env.int("MAX_PROXY_BODY_BYTES", default=0, validate=validate.Range(min=0))
# Bytes of one WebSocket message that is passed on to or from a sandbox.
MAX_PROXY_FRAME_BYTES = env.int("MAX_PROXY_FRAME_BYTES", default=16 * 1024 * 1024, validate=validate.Range(min=1024))

# --- Files kept between sessions -----------------------------------------------------------------------------
# Where the files of sessions are kept. Worker and web share it; nothing else may read it.
WORKSPACE_DIR = Path(env.str("WORKSPACE_DIR", default=str(STATE_DIR / "workspaces")))
# Bytes, packed, that one workspace may have, and all of a tenant's together.
WORKSPACE_QUOTA = env.int("WORKSPACE_QUOTA", default=1024**3, validate=validate.Range(min=0))
WORKSPACE_TENANT_QUOTA = env.int("WORKSPACE_TENANT_QUOTA", default=20 * 1024**3, validate=validate.Range(min=0))
# Seconds that saving or putting back one workspace may take. A session's end waits for it.
WORKSPACE_SECONDS = env.float("WORKSPACE_SECONDS", default=60.0, validate=validate.Range(min=1))
# Seconds after a run or a change through the API until files are saved, and between two saves while a session lives.
WORKSPACE_SAVE_AFTER = env.float("WORKSPACE_SAVE_AFTER", default=3.0, validate=validate.Range(min=0.1))
WORKSPACE_SAVE_EVERY = env.float("WORKSPACE_SAVE_EVERY", default=60.0, validate=validate.Range(min=1))
# Days without use after which a workspace is deleted; 0: never.
WORKSPACE_DAYS = env.int("WORKSPACE_DAYS", default=0, validate=validate.Range(min=0))

# --- Images that tenants bring -------------------------------------------------------------------------------
# Registries that images may be taken from, unless a tenant has a list of its own. `*`: any public one.
REGISTRIES = ["docker.io", "gcr.io", "ghcr.io", "lscr.io", "mcr.microsoft.com", "public.ecr.aws", "quay.io"]
REGISTRIES += ["registry.gitlab.com", "registry.k8s.io"]
try:
    ALLOWED_REGISTRIES = checked_list(env.list("ALLOWED_REGISTRIES", default=REGISTRIES))
except BadRegistry as error:
    raise ImproperlyConfigured(f"THERMAE_ALLOWED_REGISTRIES: {error}") from error
# Where uploaded archives and build contexts wait for a worker. Web and worker share it; nothing else may read it.
UPLOAD_DIR = Path(env.str("UPLOAD_DIR", default=str(STATE_DIR / "uploads")))
# Bytes of an uploaded archive or build context, as it is sent and as it is unpacked.
MAX_IMAGE_UPLOAD_BYTES = env.int("MAX_IMAGE_UPLOAD_BYTES", default=4 * 1024**3)
# Bytes of an image on the engine's disk.
MAX_IMAGE_BYTES = env.int("MAX_IMAGE_BYTES", default=8 * 1024**3)
MAX_IMAGES_PER_TENANT = env.int("MAX_IMAGES_PER_TENANT", default=50)
# Seconds for one pull, load or build.
IMAGE_TIMEOUT = env.float("IMAGE_TIMEOUT", default=1800.0)
# Pulls, loads and builds at the same time by one worker.
PARALLEL_IMAGES = env.int("PARALLEL_IMAGES", default=2)
# What a step of a tenant's Dockerfile reaches, and MiB of memory that it may use.
BUILD_NETWORK = env.str("BUILD_NETWORK", default="none", validate=validate.OneOf(["none", "host", "bridge"]))
BUILD_MEMORY = env.int("BUILD_MEMORY", default=2048)
# Per cent of the engine's disk above which unused images are removed, and any path on that disk that a worker sees;
# empty: the engine's own folder, where it is visible.
IMAGE_DISK_WATERMARK = env.float("IMAGE_DISK_WATERMARK", default=85.0)
IMAGE_DISK_PATH = env.str("IMAGE_DISK_PATH", default="")

# --- Network access of sandboxes -------------------------------------------------------------------------------
# The most that a tenant's pools may ask for, where the tenant has no ceiling of its own.
EGRESS_CEILING = env.str("EGRESS_CEILING", default="none", validate=validate.OneOf(["none", "allow_list", "open"]))
# Networks that no sandbox may reach besides those that none ever may: this machine's public address behind a NAT.
EGRESS_DENY = _networks("EGRESS_DENY", env.list("EGRESS_DENY", default=[]))
# Private networks that may be reached where a pool's list names the address, such as a mirror's.
EGRESS_PRIVATE_ALLOW = _networks("EGRESS_PRIVATE_ALLOW", env.list("EGRESS_PRIVATE_ALLOW", default=[]))
# Days for which decisions of the egress proxy are kept.
EGRESS_LOG_DAYS = env.int("EGRESS_LOG_DAYS", default=30)

# --- Webhooks --------------------------------------------------------------------------------------------------
# Whether tenants may name addresses with http:// besides https://.
WEBHOOK_HTTP = env.bool("WEBHOOK_HTTP", default=False)
# Networks that are not public and that webhooks may be sent to all the same.
WEBHOOK_NETWORKS = _networks("WEBHOOK_NETWORKS", env.list("WEBHOOK_NETWORKS", default=[]))
# Webhooks of one tenant.
MAX_WEBHOOKS_PER_TENANT = env.int("MAX_WEBHOOKS_PER_TENANT", default=10, validate=validate.Range(min=0))
# Seconds that one attempt may take in all.
WEBHOOK_TIMEOUT = env.float("WEBHOOK_TIMEOUT", default=15.0, validate=validate.Range(min=1, max=45))
# Deliveries that one worker sends at the same time, of one endpoint two at most.
PARALLEL_WEBHOOKS = env.int("PARALLEL_WEBHOOKS", default=64, validate=validate.Range(min=1))
# Days without a single success after which a webhook is switched off, and for which deliveries are kept.
WEBHOOK_PATIENCE_DAYS = env.float("WEBHOOK_PATIENCE_DAYS", default=5.0, validate=validate.Range(min=0))
WEBHOOK_DAYS = env.int("WEBHOOK_DAYS", default=30, validate=validate.Range(min=1))

# --- Audit -----------------------------------------------------------------------------------------------------
# Days for which events of the audit log are kept, 7 at least; 0: for ever.
AUDIT_DAYS = env.int("AUDIT_DAYS", default=365, validate=validate.Range(min=0))

# --- Archives and erasure --------------------------------------------------------------------------------------
# Where archives of tenants and people lie until they expire. Web and worker share it; nothing else may read it.
ARCHIVE_DIR = Path(env.str("ARCHIVE_DIR", default=str(STATE_DIR / "archives")))
# Days for which an archive can be downloaded.
ARCHIVE_DAYS = env.float("ARCHIVE_DAYS", default=7.0, validate=validate.Range(min=0))
# Bytes of archives of people that are there of one tenant; the oldest go. The newest stays, however large.
ARCHIVE_TENANT_QUOTA = env.int("ARCHIVE_TENANT_QUOTA", default=20 * 1024**3, validate=validate.Range(min=0))

# --- Usage and quotas --------------------------------------------------------------------------------------------
# Days for which the usage of each session is kept once it is over, 62 at least; 0: for ever.
USAGE_DAYS = env.int("USAGE_DAYS", default=0, validate=validate.Range(min=0))
if 0 < USAGE_DAYS < 62:
    raise ImproperlyConfigured("THERMAE_USAGE_DAYS must be 62 or more, as this month's quotas need it, or 0 for ever.")
# API requests a minute of a tenant that has no quota of its own, and of one token or person of any; 0: as many as come.
REQUESTS_PER_MINUTE = env.int("REQUESTS_PER_MINUTE", default=0, validate=validate.Range(min=0))
CALLER_REQUESTS_PER_MINUTE = env.int("CALLER_REQUESTS_PER_MINUTE", default=0, validate=validate.Range(min=0))
# --- Dashboard -------------------------------------------------------------------------------------------------
# Days for which the dashboard's figures of pools are kept, by the hour. By the minute they are kept for two days.
SAMPLE_DAYS = env.int("SAMPLE_DAYS", default=90, validate=validate.Range(min=1))

# --- Logs and metrics ----------------------------------------------------------------------------------------
LOG_LEVEL = env.log_level("LOG_LEVEL", default=logging.INFO)
# `text` for people, `json` for collectors.
LOG_FORMAT = env.str("LOG_FORMAT", default="json" if PRODUCTION else "text", validate=validate.OneOf(["text", "json"]))
# If set, `/metrics` answers only to `Authorization: Bearer <this>`; if empty, only to this machine.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "{asctime} {levelname:7} {name}: {message}", "style": "{"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "{asctime}{levelname}{name}{message}",
            "style": "{",
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {"django.server": {"level": "WARNING"}, "daphne": {"level": "WARNING"}},
}

if PREVIEW_HOST:
    if not re.fullmatch(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+", PREVIEW_HOST):
        raise ImproperlyConfigured(f"THERMAE_PREVIEW_HOST is {PREVIEW_HOST!r}: give a domain, as preview.example.net.")
    if not PREVIEW_HOST.endswith(".localhost"):
        for host in (allowed.lower().lstrip(".") for allowed in ALLOWED_HOSTS):
            if host == "*" or f".{PREVIEW_HOST}".endswith(f".{host}") or f".{host}".endswith(f".{PREVIEW_HOST}"):
                raise ImproperlyConfigured(
                    f"THERMAE_PREVIEW_HOST={PREVIEW_HOST} shares a domain with {host} of THERMAE_ALLOWED_HOSTS, and "
                    "what runs in sandboxes could reach our cookies: use a domain neither above nor below it."
                )

if PRODUCTION:
    if PREVIEW_HOST.endswith("localhost"):
        raise ImproperlyConfigured("THERMAE_PREVIEW_HOST names this machine only: give a public domain, or none.")
    if DEBUG:
        raise ImproperlyConfigured("THERMAE_DEBUG shows secrets to visitors: it cannot be on in production.")
    if DEMO_LOGIN:
        raise ImproperlyConfigured("THERMAE_DEMO_LOGIN tells everybody a password: it cannot be set in production.")
    if RUNTIME != "docker":
        raise ImproperlyConfigured(f"THERMAE_RUNTIME={RUNTIME} isolates too little for production: use docker.")
    if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        raise ImproperlyConfigured("THERMAE_DATABASE_URL must name a PostgreSQL database in production.")
