"""Run inside of the Python image: complete a name as a first Tab does, and say which files jedi had to parse."""

import runpy
from pathlib import Path

from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
runpy.run_path("/warm_up.py")
shell.run_cell("a_name = 1")
with provisionalcompleter():
    print([found.text for found in shell.Completer.completions("a_na", 4)])
print([path.name for path in Path("/tmp/.jedi").rglob("*.pkl") if not path.is_symlink()])
