"""The scripted upstream behind TLS: who came with which certificate, and how each handshake ended."""

import ssl

from lib.recorder import PeerGone, Recorder


class Handshake:
    """One that succeeded, from the server's side."""

    def __init__(self, connection, server_name):
        self.server_name = server_name  # SNI, None without
        self.version = connection.version()
        self.alpn = connection.selected_alpn_protocol()
        self.is_resumed = connection.session_reused
        certificate = connection.getpeercert(binary_form=True)
        self.client_serial = _serial(certificate) if certificate else None


def _serial(der):
    from cryptography import x509
    return x509.load_der_x509_certificate(der).serial_number


class TlsRecorder(Recorder):
    """`certificate_path` holds certificate and key. With `client_authority_path` only clients with a
    certificate of that authority are served."""

    def __init__(self, certificate_path, client_authority_path=None, version=None, port=0):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate_path)
        self.context.set_alpn_protocols(["http/1.1"])
        self.context.sni_callback = self._on_server_name
        if client_authority_path:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_authority_path)
        if version:
            self.context.minimum_version = self.context.maximum_version = version
        self.names = {}  # id of a connection -> SNI
        self.handshakes = {}  # number of a connection -> Handshake
        self.failed_handshakes = []
        self.before_handshake = None  # called with the plain socket
        super().__init__(port)

    def _on_server_name(self, connection, name, _):
        self.names[id(connection)] = name

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def url_of(self, host):
        return f"https://{host}:{self.port}"

    def handshake_of(self, request):
        return self.handshakes[request.connection]

    def _serve(self, peer):
        try:
            if self.before_handshake:
                self.before_handshake(peer.socket)
            peer.socket = self.context.wrap_socket(peer.socket, server_side=True)
            self.handshakes[peer.number] = Handshake(peer.socket,
                                                     self.names.get(id(peer.socket)))
        except (OSError, PeerGone) as failure:
            self.failed_handshakes.append(str(failure))
            peer.is_closed_by_proxy = not peer.is_closed
            peer.is_closed = True
            peer.socket.close()
            return
        super()._serve(peer)


def finish(peer):
    """Ends the connection as TLS wants it: with close_notify."""
    peer.is_closed = True
    try:
        peer.socket.unwrap()
    except (OSError, ValueError):
        pass
    peer.socket.close()
