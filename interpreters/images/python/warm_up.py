def _warm_up():
    """Import what most first cells import, and draw once; in a function, so that it leaves no name behind."""
    import io
    import os
    import shutil
    from pathlib import Path

    prepared, config = Path("/opt/python/share/matplotlib"), Path("/tmp/.matplotlib")  # noqa: S108 - the sandbox's own
    if prepared.is_dir():
        shutil.copytree(prepared, config, dirs_exist_ok=True)
    os.environ["MPLCONFIGDIR"] = str(config)

    # Links: what it parsed is read where it is, and what it parses anew is written here, not among the user's files.
    import jedi

    prepared, cache = Path("/opt/python/share/jedi"), Path("/tmp/.jedi")  # noqa: S108 - the sandbox's own
    if prepared.is_dir():
        shutil.copytree(prepared, cache, copy_function=os.symlink, dirs_exist_ok=True)
    cache.mkdir(exist_ok=True)
    (cache / "PARSO-CACHE-LOCK").touch()  # nothing is thrown away for a day: an image may be older than that
    jedi.settings.cache_directory = str(cache)

    import numpy  # noqa: F401
    import pandas  # noqa: F401
    from matplotlib import pyplot

    pyplot.figure(figsize=(1, 1)).gca().set_title("x")
    pyplot.savefig(io.BytesIO(), format="png")
    pyplot.close("all")


_warm_up()
del _warm_up
