#!/bin/sh
# pip-install FOLDER ARGUMENTS…: make a virtual environment in FOLDER and install ARGUMENTS into it, compiled.
set -eu
folder=$1; shift
# Empty unless the machine that builds is behind a proxy that ends TLS.
if [ -s /etc/thermae-ca.pem ]; then
  export PIP_CERT=/etc/thermae-ca.pem
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_PROGRESS_BAR=off PIP_RETRIES=5
[ -x "$folder/bin/python" ] || python3 -m venv --without-pip "$folder"
# pip comes from the system and stays outside, so that the environment holds what was asked for and no more.
python3 -m venv /tmp/pip
/tmp/pip/bin/pip --python "$folder/bin/python" install --only-binary :all: --no-compile "$@"
rm -rf /tmp/pip
# Tests of packages are a fifth of their size and are never run in a sandbox.
find "$folder" -depth -type d \( -name tests -o -name test \) -path '*/site-packages/*' -not -path '*/numpy/*' -exec rm -rf {} +
# Root is read-only in a sandbox: what is not compiled now would be compiled at every import. Some packages carry
# files of a newer Python, or templates, that do not compile and are never imported: they may fail.
"$folder/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$folder/lib" || true
