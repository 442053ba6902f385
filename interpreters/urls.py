"""HTTP addresses of the product."""

from django.urls import path, re_path

from interpreters import health
from interpreters.api.errors import no_such_address
from interpreters.api.v1 import api
from interpreters.metrics import metrics

urlpatterns = [
    path("api/v1/", api.urls),
    re_path(r"^api/", no_such_address),
    path("healthz", health.live, name="live"),
    path("healthz/ready", health.ready, name="ready"),
    path("metrics", metrics, name="metrics"),
]
