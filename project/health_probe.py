"""Is the web server in this container well? For its health check: the status tells, and nothing is printed.

python project/health_probe.py [port]
"""

import http.client
import os
import sys

port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
# Django answers only to the names that it was told, so the probe asks by the first of them.
host = os.environ.get("THERMAE_ALLOWED_HOSTS", "localhost").split(",")[0].strip().lstrip(".*") or "localhost"
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
try:
    connection.request("GET", "/healthz", headers={"Host": host, "X-Forwarded-Proto": "https"})
    status = connection.getresponse().status
except OSError:
    status = 0
sys.exit(status != 200)
