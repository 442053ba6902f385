"""The echo server of websockets' own documentation, on a subprotocol, and with an end."""

from websockets.sync.server import serve


def echo(connection):
    for message in connection:
        if message == "leave":
            connection.close(4321, "as you asked")
            return
        connection.send(message)


with serve(echo, "127.0.0.1", 8765, subprotocols=["echo.v1"]) as server:
    print("listening", flush=True)
    server.serve_forever()
