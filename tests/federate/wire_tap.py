"""A proxy on loopback that hands bytes on and keeps a copy of all of them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Tap:
    """What went over the wire, both ways, in the order in which it passed."""

    def __init__(self, server_port: int) -> None:
        self.server_port, self.heard = server_port, bytearray()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.open: list[socket.socket] = [self.listener]

    def accept(self) -> None:
        with suppress(OSError):  # the listener is closed at the end
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.server_port))
                self.open += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._hand_on, args=(source, target), daemon=True).start()

    def _hand_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(1 << 16):
                self.heard += part
                target.sendall(part)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextmanager
def tapped(server_port: int) -> Iterator[Tap]:
    tap = Tap(server_port)
    threading.Thread(target=tap.accept, daemon=True).start()
    try:
        yield tap
    finally:
        for each in tap.open:
            each.close()
