from tests.edges import agents, leased, ready

__all__ = ["agents", "leased", "ready"]
