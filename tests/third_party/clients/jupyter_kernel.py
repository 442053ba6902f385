"""jupyter_kernel_client against a Jupyter Server: a kernel is started, runs cells, is asked and ends."""

import json
import sys

from jupyter_kernel_client import JupyterKernelClient

url, ours, theirs = sys.argv[1:]
with JupyterKernelClient(
    server_url=url,
    token=theirs,
    client_kwargs={},
    headers={"X-Thermae-Authorization": f"Bearer {ours}"},
) as kernel:
    first = kernel.execute("import os\nx = 6 * 7\nprint(x)\nx", timeout=60)
    wrong = kernel.execute("1 / 0", timeout=60)
    large = kernel.execute("print('é' * 500_000)", timeout=60)
print(
    json.dumps(
        {
            "status": first["status"],
            "outputs": first["outputs"],
            "error": wrong["outputs"][0]["ename"],
            "large": sum(len(output["text"]) for output in large["outputs"]),
        }
    )
)
