"""The readers: three proxies that send on what they read, and two Python servers that tell it.

Each takes raw bytes on `port` and shows in `since(mark)` what it made of them."""

import http.server
import pathlib
import re
import socket
import socketserver
import threading

from backends.process import Child
from lib import recorder
from lib.net import free_port, wait_until
from reading import Reading, of_recorded

MODULES = "/usr/lib/apache2/modules"

# What a reader answers with an error although barkeep accepts it: (its bytes, why). It must read nothing else in it.
REFUSES = {
    "nginx": [(rb"(?is)\r\nif-match:.*\r\nif-match:", "takes one If-Match line only")],
    "haproxy": [],
    "apache": [(rb"(?i)\r\nmax-forwards:", "acts on it in every request"),
               (rb"(?i)\r\nhost: *[^:\r]*~", "no ~ in a host name"),
               (rb"(?i)\r\nhost: *([^:\r]*\.)?[0-9_-][^.:\r]*(:[0-9]+)?\r", "a last label begins with a letter")],
    "h11": [],
    "http.server": [],
}


class Reader:
    name = None

    def may_refuse(self, wire):
        return any(re.search(pattern, wire.partition(b"\r\n\r\n")[0] + b"\r\n") for pattern, _ in REFUSES[self.name])


class Proxy(Reader):
    """A proxy before a recorder of its own."""

    joins = False
    adds = ()  # headers it writes itself

    def __init__(self, stage):
        self.port = free_port()
        self.backend = recorder.Recorder()
        self.folder = pathlib.Path(stage.folder(self.name))
        self.child = stage.add(Child(self.name, self.command(), str(self.folder / "log"), cwd=str(self.folder)))
        stage.add(self.backend)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def wait_ready(self):
        self.child.wait_until(lambda: is_open(self.port), 20)

    def mark(self):
        return self.backend.mark()

    def since(self, mark):
        readings = [of_recorded(request) for request in self.backend.since(mark)]
        for reading in readings:
            reading.headers = [item for item in reading.headers if item[0] not in self.adds]
        return readings


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Nginx(Proxy):
    name = "nginx"

    def command(self):
        temporary = "\n".join(f"    {kind}_temp_path {self.folder}/{kind};"
                              for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = self.write("nginx.conf", f"""daemon off;
master_process off;
worker_processes 1;
pid {self.folder}/pid;
error_log {self.folder}/error.log error;
events {{ worker_connections 256; }}
http {{
    access_log off;
{temporary}
    keepalive_requests 1000000;
    client_max_body_size 0;
    large_client_header_buffers 8 64k;
    upstream out {{ server 127.0.0.1:{self.backend.port}; keepalive 4; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{self.port};
        location / {{
            proxy_pass http://out;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
        }}
    }}
}}
""")
        return ["nginx", "-e", str(self.folder / "error.log"), "-p", str(self.folder), "-c", config]


class Haproxy(Proxy):
    name = "haproxy"

    def command(self):
        config = self.write("haproxy.cfg", f"""global
    nbthread 1
    maxconn 256
    tune.bufsize 131072
    tune.http.maxhdr 256
    tune.http.logurilen 4096
defaults
    mode http
    timeout connect 10s
    timeout client 30s
    timeout server 30s
    http-reuse always
frontend in
    bind 127.0.0.1:{self.port}
    default_backend out
backend out
    server upstream 127.0.0.1:{self.backend.port}
""")
        return ["haproxy", "-db", "-q", "-f", config]


class Apache(Proxy):
    name = "apache"
    joins = True

    def command(self):
        modules = "\n".join(f"LoadModule {module}_module {MODULES}/mod_{module}.so"
                            for module in ("mpm_event", "authz_core", "proxy", "proxy_http"))
        config = self.write("apache.conf", f"""ServerRoot {self.folder}
ServerName localhost
PidFile {self.folder}/pid
ErrorLog {self.folder}/error.log
Listen 127.0.0.1:{self.port}
{modules}
DefaultRuntimeDir {self.folder}
Mutex file:{self.folder} default
User www-data
Group www-data
StartServers 1
ServerLimit 1
ThreadsPerChild 16
MaxRequestWorkers 16
KeepAlive On
MaxKeepAliveRequests 0
LimitRequestLine 65536
LimitRequestFieldSize 65536
LimitRequestFields 200
AllowEncodedSlashes NoDecode
MergeSlashes Off
ProxyPreserveHost On
ProxyAddHeaders Off
ProxyPass / http://127.0.0.1:{self.backend.port}/ nocanon keepalive=on
""")
        return ["apache2", "-DFOREGROUND", "-f", config]


class Told(Reader):
    """A server in this process; `readings` grows with what it read."""

    joins = False

    def __init__(self, stage):
        self.readings = []
        self.failures = []
        self.server = self.serve()
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        stage.add(self)

    def serve(self):
        raise NotImplementedError

    def wait_ready(self):
        wait_until(lambda: is_open(self.port), f"{self.name} listens")

    def mark(self):
        return len(self.readings)

    def since(self, mark):
        return self.readings[mark:]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


class H11(Told):
    name = "h11"

    def serve(self):
        reader = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                read_with_h11(reader, self.request)

        return Threads(("127.0.0.1", 0), Handler)


def read_with_h11(reader, connection):
    import h11  # pylint: disable=import-outside-toplevel  (a run without it says so by its name)
    state = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 17)
    head, body = None, b""
    while True:
        try:
            event = state.next_event()
        except h11.RemoteProtocolError as refusal:
            connection.sendall(b"HTTP/1.1 400 " + str(refusal).encode("ascii", "replace")
                               + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        if event is h11.NEED_DATA:
            state.receive_data(connection.recv(65536))
        elif isinstance(event, h11.Request):
            head, body = event, b""
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            reader.readings.append(Reading(
                head.method.decode("latin-1"), head.target.decode("latin-1"),
                [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers], body))
            connection.sendall(state.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                               + state.send(h11.EndOfMessage()))
            if state.our_state is h11.MUST_CLOSE:
                return
            state.start_next_cycle()
        else:
            return


class HttpServer(Told):
    name = "http.server"

    def serve(self):
        reader = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __getattr__(self, name):
                if name.startswith("do_"):
                    return self.answer
                raise AttributeError(name)

            def log_message(self, *_):
                pass

            def chunks(self):
                while size := int(self.rfile.readline(), 16):
                    yield self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()

            def answer(self):
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    body = b"".join(self.chunks())
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                reader.readings.append(Reading(self.command, self.path, self.headers.items(), body))
                self.send_response_only(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        return Threads(("127.0.0.1", 0), Handler)


ALL = (Nginx, Haproxy, Apache, H11, HttpServer)
