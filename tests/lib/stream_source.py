"""An upstream of endless answers: any number of them at once in one thread, silent until told."""

import selectors
import socket
import threading

HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")


class StreamSource:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.heads = {}  # bytes so far, by connection; None once it streams
        self.is_stopping = False
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_stopping:
            for key, _ in self.selector.select(0.1):
                if key.fileobj is self.listener:
                    self.accept()
                else:
                    self.read(key.fileobj)

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.heads[peer] = b""
            self.selector.register(peer, selectors.EVENT_READ)

    def read(self, peer):
        try:
            fresh = peer.recv(65536)
        except OSError:
            fresh = b""
        with self.lock:
            if not fresh:
                del self.heads[peer]
                self.selector.unregister(peer)
                peer.close()
            elif self.heads[peer] is not None:
                self.heads[peer] += fresh
                if b"\r\n\r\n" in self.heads[peer]:
                    self.heads[peer] = None
                    peer.sendall(HEAD)

    @property
    def count(self):
        with self.lock:
            return sum(head is None for head in self.heads.values())

    def tell_all(self, data):
        chunk = b"%x\r\n%s\r\n" % (len(data), data)
        with self.lock:
            for peer, head in self.heads.items():
                if head is None:
                    peer.sendall(chunk)

    def stop(self):
        self.is_stopping = True
        self.thread.join()
        for peer in self.heads:
            peer.close()
        self.listener.close()
