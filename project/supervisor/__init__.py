"""`make run`: everything that one machine needs, started in order, watched, and stopped in order.

    python -m project.supervisor --host 127.0.0.1 --port 8000

For a laptop or a trial. In production a service manager or Compose runs the same processes; see docs/operations.md.
"""
