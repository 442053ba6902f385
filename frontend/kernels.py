"""Which pool runs a notebook that comes from elsewhere: by the name of its kernel, else by its language."""

from frontend.pools import PoolCard

# What other tools call the languages that we know by another name.
ALIASES = {
    "python": {"python", "python2", "python3", "ipython", "ipython3", "pyodide", "xpython", "xeus-python"},
    "r": {"r", "ir", "xr"},
    "typescript": {"typescript", "javascript", "deno", "tslab", "jslab", "nodejs", "node"},
    "bash": {"bash", "sh", "shell", "zsh", "calysto_bash"},
    "sql": {"sql", "sqlite", "sqlite3", "duckdb", "xsqlite", "xsql", "postgresql"},
    "octave": {"octave", "matlab"},
}


def pool_for(kernel: str, language: str, pools: list[PoolCard]) -> PoolCard | None:
    """The first pool that fits. None where the file says nothing or something that no pool runs."""
    for said in (kernel, language):
        exact = [pool for pool in pools if said and said.lower() in (pool.kernel.lower(), pool.language.lower())]
        if exact:
            return exact[0]
    wanted = {name for name in (_language(kernel), _language(language)) if name}
    for pool in pools:
        if wanted & {_language(pool.kernel), _language(pool.language), *map(_language, pool.language.split("/"))}:
            return pool
    return None


def _language(said: str) -> str:
    name = said.strip().lower()
    # A kernel of a virtual environment is often called `python3-myproject` or `.venv`: then its language tells.
    return next((language for language, names in ALIASES.items() if name in names), "")
