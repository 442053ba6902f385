c = get_config()  # noqa: F821 - given by IPython

# History would write SQLite on every cell, for nobody: a sandbox is used once.
c.HistoryManager.enabled = False
c.HistoryAccessor.enabled = False
c.InteractiveShell.cache_size = 200
c.InlineBackend.figure_formats = {"png"}
c.InteractiveShellApp.matplotlib = None
# Tables as data beside their HTML (thermae_tables.py), and charts as data (thermae_charts.py).
c.InteractiveShellApp.extensions = ["thermae_tables", "thermae_charts"]
