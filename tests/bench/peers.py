"""The proxies that are measured, each doing its part of the same work on one core:

forward a small request with keep-alive on both sides; those that judge also verify the caller's RS256 token (issuer,
audience, expiry) and put the backend's Basic credential in its place.
"""

import os
import shutil
import subprocess

from backends.azure import TENANT
from backends.process import Child, StartError
from lib.net import free_port
from lib.process import barkeep_binary

PROXY_CORE = 0
LOAD_CORE = 1
MODULES = "/usr/lib/apache2/modules"
MANY = 12000  # connections that must be let in where thousands are idle
EXPECTED = "the credential"  # what the upstream says when it was sent what it expects


def pinned(core, *argv):
    """`core` is a number or a list as taskset takes it."""
    return ["taskset", "-c", str(core), *argv]


def make_certificate(peer):
    """An ECDSA P-256 one for 127.0.0.1. Returns the paths of certificate and key."""
    certificate, key = peer.path("certificate.pem"), peer.path("key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    return certificate, key


def find_program(name):
    """Debian keeps daemons in sbin, which is not on every user's PATH."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not path:
        raise StartError(f"{name} is not installed: see tests/install/packages.txt")
    return path


class Work:
    """What every peer is given: where requests go, whose tokens count, what is injected."""

    def __init__(self, upstream_port, caller):
        self.upstream_port = upstream_port
        self.caller = caller


class Peer:
    """One proxy. `judges` says whether it must refuse a token with a wrong signature."""

    name = None
    judges = False
    is_tls = False
    core = PROXY_CORE

    def __init__(self, stage, work):
        self.work = work
        self.port = free_port()
        self.folder = stage.folder(self.name.replace(" ", "-"))
        self.child = Child(self.name, pinned(self.core, *self.command()), self.path("log"), cwd=self.folder)

    def command(self):
        raise NotImplementedError

    @property
    def url(self):
        return f"{'https' if self.is_tls else 'http'}://127.0.0.1:{self.port}"

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def stop(self):
        self.child.stop(grace_sec=3)


class Upstream(Peer):
    """nginx answering by itself, on the load generator's core; /seen says whether it was sent `expected` in
    Authorization. It does not repeat it: what barkeep injects it masks in answers."""

    name = "upstream"

    def __init__(self, stage, expected=""):
        self.expected = expected
        self.port = free_port()
        self.folder = stage.folder(self.name)
        self.child = Child(self.name, pinned(LOAD_CORE, *self.command()), self.path("log"), cwd=self.folder)

    def command(self):
        return nginx_command(self, f"""
    map $http_authorization $seen {{
        default "something else";
        "" "nothing";
        "{self.expected or "-"}" "{EXPECTED}";
    }}
    server {{
        listen 127.0.0.1:{self.port};
        default_type application/json;
        location / {{ return 200 '{{"queue":"orders","messages":3,"consumers":1,"state":"running"}}'; }}
        location ~ /seen$ {{ return 200 $seen; }}
    }}""")


def nginx_command(peer, http_block):
    os.makedirs(peer.path("tmp"), exist_ok=True)
    temporary = "\n".join(f"    {kind}_temp_path {peer.path('tmp')};"
                          for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = peer.write("nginx.conf", f"""daemon off;
user root;
worker_processes 1;
pid {peer.path("pid")};
error_log {peer.path("error.log")} error;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 100000000;
{temporary}
{http_block}
}}
""")
    return [find_program("nginx"), "-e", peer.path("error.log"), "-p", peer.folder, "-c", config]


class HaproxyForward(Peer):
    name = "haproxy"

    rules = ""
    bind_options = ""
    default_lines = ""
    connections = 1024

    def command(self):
        config = self.write("haproxy.cfg", f"""global
    nbthread 1
    maxconn {self.connections}
defaults
    mode http
    timeout connect 5s
    timeout client 300s
    timeout server 60s
    http-reuse always
{self.default_lines}frontend in
    bind 127.0.0.1:{self.port}{self.bind_options}
{self.rules}    default_backend out
backend out
    server upstream 127.0.0.1:{self.work.upstream_port}
""")
        return [find_program("haproxy"), "-db", "-q", "-f", config]


class HaproxyJwt(HaproxyForward):
    name = "haproxy jwt_verify"
    judges = True

    @property
    def rules(self):
        caller = self.work.caller
        return f"""    http-request set-var(txn.bearer) http_auth_bearer
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_header_query('$.alg') -m str RS256 }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_payload_query('$.iss') -m str {caller.issuer} }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_payload_query('$.aud') -m str {caller.audience} }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify("RS256","{caller.public_key_file}") 1 }}
    http-request set-var(txn.now) date
    http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
    http-request set-header Authorization "{caller.basic}"
"""


class HaproxyTls(HaproxyForward):
    name = "haproxy tls"
    is_tls = True

    @property
    def bind_options(self):
        certificate, key = make_certificate(self)
        with open(certificate, encoding="ascii") as one, open(key, encoding="ascii") as other:
            return f" ssl crt {self.write('both.pem', one.read() + other.read())}"


class HaproxySplice(HaproxyForward):
    """Bodies stay in the kernel."""

    name = "haproxy splice"
    default_lines = "    option splice-auto\n    option splice-request\n    option splice-response\n"


class HaproxyMany(HaproxyForward):
    """As many as 20,000 descriptors do for: it counts two for each."""

    name = "haproxy many"
    connections = 9000


class NginxForward(Peer):
    name = "nginx"

    def command(self):
        return nginx_command(self, f"""
    upstream out {{
        server 127.0.0.1:{self.work.upstream_port};
        keepalive 128;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{self.port};
        location / {{
            proxy_pass http://out;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}""")


class ApacheOpenidc(Peer):
    name = "apache mod_auth_openidc"
    judges = True

    def command(self):
        caller = self.work.caller
        modules = "\n".join(f"LoadModule {module}_module {MODULES}/mod_{module}.so" for module in (
            "mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "headers", "proxy", "proxy_http"))
        config = self.write("apache.conf", f"""ServerRoot {self.folder}
ServerName localhost
PidFile {self.path("pid")}
ErrorLog {self.path("error.log")}
Listen 127.0.0.1:{self.port}
{modules}
DefaultRuntimeDir {self.folder}
Mutex file:{self.folder} default
User www-data
Group www-data
StartServers 1
ServerLimit 1
ThreadsPerChild 128
ThreadLimit 128
MaxRequestWorkers 128
AsyncRequestWorkerFactor 4
KeepAlive On
MaxKeepAliveRequests 0
OIDCCacheType shm
OIDCOAuthVerifyCertFiles {caller.kid}#{caller.certificate_file}
OIDCOAuthRemoteUserClaim sub
<Location />
    AuthType oauth20
    Require claim aud:{caller.audience}
    RequestHeader set Authorization "{caller.basic}"
    ProxyPass http://127.0.0.1:{self.work.upstream_port}/ keepalive=on
</Location>
""")
        return [find_program("apache2"), "-DFOREGROUND", "-f", config]


class Barkeep(Peer):
    """The program under test: token, rule, credential, and an audit line a request in a file."""

    name = "barkeep"
    judges = True
    workers = 1
    connections = 10000
    secret = "bench/password"

    def routes(self):
        return f"""  - name: bench
    path: /
    upstream: http://127.0.0.1:{self.work.upstream_port}
    access: [{{role: Contributor, to: {{scope: access_as_user}}, credential: bench}}]
"""

    def listen(self):
        return f"127.0.0.1:{self.port}"

    def identity_lines(self):
        return ""

    def vault(self):
        """A folder; its one secret is the password."""
        os.mkdir(self.path("secrets"), 0o700)
        self.write("secrets/password", self.work.caller.password)
        return f"file:{self.path('secrets')}"

    def command(self):
        caller = self.work.caller
        self.admin_port = free_port()
        config = self.write("barkeep.yaml", f"""listen: {self.listen()}
admin: 127.0.0.1:{self.admin_port}
workers: {self.workers}
limits: {{connections: {self.connections}, idle_timeout: 5m}}
entra:
  tenant: {TENANT}
  audience: {caller.audience}
  authority: {caller.standin.url()}
{self.identity_lines()}vaults: {{bench: "{self.vault()}"}}
credentials: {{bench: {{basic: {{username: bench, password: {self.secret}}}}}}}
routes:
{self.routes()}log: {{audit: "{self.path("audit.log")}", level: warning}}
""")
        return [barkeep_binary(), "serve", "-c", config]


class BarkeepTls(Barkeep):
    name = "barkeep tls"
    is_tls = True

    def listen(self):
        certificate, key = make_certificate(self)
        return f"[{{address: 127.0.0.1:{self.port}, tls: {{certificate: {certificate}, key: {key}}}}}]"


class BarkeepMany(Barkeep):
    name = "barkeep many"
    connections = MANY


class BarkeepBodies(Barkeep):
    """One route searches answers for the credential, as routes do unless told not to; one does not."""

    def routes(self):
        return "".join(f"""  - name: {name}
    path: /{name}
    upstream: http://127.0.0.1:{self.work.upstream_port}
{lines}    access: [{{role: Contributor, to: {{scope: access_as_user}}, credential: bench}}]
""" for name, lines in (("bench", "    scrub: false\n"), ("searched", "")))
