"""The exact client under TLS. An end without close_notify is an error, as it is to careful clients."""

import socket
import ssl
import warnings

from lib import raw
from lib.net import patient


def context(authority_path, version=None, alpn=None, certificate_path=None, seclevel=None):
    made = ssl.create_default_context(cafile=authority_path)
    if seclevel is not None:
        made.set_ciphers(f"ALL:@SECLEVEL={seclevel}")
    if version:
        warnings.simplefilter("ignore", DeprecationWarning)  # of the versions that are to be refused
        made.minimum_version = made.maximum_version = version
    if alpn:
        made.set_alpn_protocols(alpn)
    if certificate_path:
        made.load_cert_chain(certificate_path)
    return made


def serial(connection):
    from cryptography import x509
    return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True)).serial_number


class TlsClient(raw.Client):
    """`name` None: no SNI, and no name is checked."""

    def __init__(self, port, tls, name="gw.example", session=None, timeout=10):
        super().__init__(port, timeout)
        if name is None:
            tls.check_hostname = False
        try:
            self.socket = tls.wrap_socket(self.socket, server_hostname=name, session=session,
                                          suppress_ragged_eofs=False)
        except Exception:
            self.socket.close()
            raise

    def finish_sending(self):
        """FIN alone, without close_notify."""
        socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def reset(self):
        plain = socket.socket(fileno=self.socket.detach())
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        plain.close()


class SteppedTls:
    """TLS over a socket of which the test says when what is sent: `pump` moves what there is."""

    def __init__(self, port, tls, name="gw.example"):
        self.socket = socket.create_connection(("127.0.0.1", port), patient(10))
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = tls.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def hello(self):
        """The first bytes of a handshake, not sent."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def _until_done(self, step):
        while True:
            try:
                done = step()
                self.socket.sendall(self.outgoing.read())
                return done
            except ssl.SSLWantReadError:
                self.socket.sendall(self.outgoing.read())
                fresh = self.socket.recv(65536)
                if not fresh:
                    self.incoming.write_eof()
                self.incoming.write(fresh)

    def handshake(self):
        self._until_done(self.tls.do_handshake)
        return self

    def send(self, data):
        self.tls.write(data)
        self.socket.sendall(self.outgoing.read())

    def read(self):
        """Next bytes, b"" at close_notify."""
        try:
            return self._until_done(lambda: self.tls.read(65536))
        except ssl.SSLZeroReturnError:
            return b""

    def say_goodbye(self):
        """close_notify, and nothing read."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.socket.sendall(self.outgoing.read())
