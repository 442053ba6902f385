"""A usual Flask application behind a proxy: form, cookies, upload, download, streamed answer, redirect."""

import hashlib
import time

from flask import Flask, Response, redirect, request, session, url_for
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
app.secret_key = "of this test"
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)


@app.get("/about")
def about():
    told = {"root": request.root_path, "host": request.host, "address": request.remote_addr}
    return told | {"cookies": sorted(request.cookies), "authorization": request.headers.get("Authorization")}


@app.post("/login")
def login():
    session["name"] = request.form["name"]
    return redirect(url_for("greeting"), 303)


@app.get("/greeting")
def greeting():
    return f"Salve, {session.get('name', 'nobody')}!"


@app.post("/upload")
def upload():
    file = request.files["file"]
    content = file.read()
    return {"name": file.filename, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@app.get("/ticks")
def ticks():
    def tick():
        for number in range(4):
            yield f"data: {number}\n\n"
            time.sleep(0.3)

    return Response(tick(), content_type="text/event-stream")


@app.delete("/things/<path:name>")
def remove(name):
    return {"removed": name}, 202
