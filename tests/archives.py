"""Archives of images, well made and hostile, built by hand."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any


def tar_of(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return buffer.getvalue()


def config_of(*layers: bytes, architecture: str = "amd64", **config: Any) -> bytes:
    """An image's configuration, for layers that are not compressed."""
    ids = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
    rootfs = {"type": "layers", "diff_ids": ids}
    return json.dumps({"architecture": architecture, "os": "linux", "rootfs": rootfs, "config": config}).encode()


def saved(*layers: bytes, tags: list[str] | None = None, config: bytes | None = None, **more: bytes) -> bytes:
    """What `docker save` writes. `more`: other files, by name; one replaces a usual one."""
    config = config or config_of(*layers)
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = [{"Config": "c.json", "RepoTags": tags, "Layers": names}]
    repositories = {tag.rpartition(":")[0]: {tag.rpartition(":")[2]: "0"} for tag in tags or []}
    files = dict(zip(names, layers, strict=True)) | {
        "c.json": config,
        "repositories": json.dumps(repositories).encode(),
        "manifest.json": json.dumps(manifest).encode(),
    }
    return tar_of(files | more)


def oci(*layers: bytes) -> bytes:
    """The same image in the OCI layout, as other tools write it."""
    files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def blob(content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        files[f"blobs/sha256/{digest}"] = content
        return {"digest": f"sha256:{digest}", "size": len(content)}

    manifest = {"config": blob(config_of(*layers)), "layers": [blob(layer) for layer in layers]}
    named = blob(json.dumps(manifest).encode()) | {"annotations": {"io.containerd.image.name": "debian:latest"}}
    files["index.json"] = json.dumps({"manifests": [named]}).encode()
    return tar_of(files)
