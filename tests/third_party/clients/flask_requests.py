"""requests against a Flask application, as a person would write it."""

import hashlib
import json
import os
import sys
import time

import requests

url, token = sys.argv[1:]
http = requests.Session()
http.headers["Authorization"] = f"Bearer {token}"
http.cookies.set("sessionid", "ours")
told = {"about": http.get(f"{url}/about", timeout=60).json()}

login = http.post(f"{url}/login", data={"name": "Käthe & Co"}, timeout=60)
told["login"] = [login.status_code, [each.status_code for each in login.history], login.url == f"{url}/greeting"]
told["greeting"] = http.get(f"{url}/greeting", timeout=60).text
told["stranger"] = requests.get(f"{url}/greeting", headers=http.headers, timeout=60).text

content = os.urandom(8_000_000)
sent = http.post(f"{url}/upload", files={"file": ("a b.bin", content)}, timeout=60).json()
told["upload"] = sent == {"name": "a b.bin", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}

began = time.monotonic()
with http.get(f"{url}/ticks", stream=True, timeout=60) as answer:
    arrived = [(line, time.monotonic() - began) for line in answer.iter_lines() if line]
told["ticks"] = [line.decode() for line, _ in arrived]
told["ticks came one by one"] = arrived[-1][1] - arrived[0][1] > 0.6

removed = http.delete(f"{url}/things/a%2Fb%20c", timeout=60)
told["removed"] = [removed.status_code, removed.json()]
told["missing"] = http.get(f"{url}/nothing", timeout=60).status_code
told["wrong method"] = http.put(f"{url}/login", timeout=60).status_code
print(json.dumps(told))
