"""The proxies that are measured, each doing its part of the same work on one core:

forward a small request with keep-alive on both sides; those that judge also verify the caller's RS256 token (issuer,
audience, expiry) and put the backend's Basic credential in its place.
"""

import os
import shutil

from backends.azure import TENANT
from backends.process import Child, StartError
from lib.net import free_port
from lib.process import barkeep_binary

PROXY_CORE = 0
LOAD_CORE = 1
MODULES = "/usr/lib/apache2/modules"
EXPECTED = "the credential"  # what the upstream says when it was sent what it expects


def pinned(core, *argv):
    return ["taskset", "-c", str(core), *argv]


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

    def __init__(self, stage, work):
        self.work = work
        self.port = free_port()
        self.folder = stage.folder(self.name.replace(" ", "-"))
        self.child = Child(self.name, pinned(PROXY_CORE, *self.command()), self.path("log"), cwd=self.folder)

    def command(self):
        raise NotImplementedError

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
events {{ worker_connections 1024; }}
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

    def command(self):
        config = self.write("haproxy.cfg", f"""global
    nbthread 1
    maxconn 1024
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend in
    bind 127.0.0.1:{self.port}
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

    def routes(self):
        return f"""  - name: bench
    path: /
    upstream: http://127.0.0.1:{self.work.upstream_port}
    access: [{{role: Reader, to: {{scope: access_as_user}}, credential: bench}}]
"""

    def command(self):
        caller = self.work.caller
        azure = caller.standin.url()
        self.admin_port = free_port()
        os.mkdir(self.path("secrets"), 0o700)
        self.write("secrets/password", caller.password)
        config = self.write("barkeep.yaml", f"""listen: 127.0.0.1:{self.port}
admin: 127.0.0.1:{self.admin_port}
workers: 1
entra:
  tenant: {TENANT}
  audience: {caller.audience}
  authority: {azure}
vaults: {{local: "file:{self.path("secrets")}"}}
credentials: {{bench: {{basic: {{username: bench, password: local/password}}}}}}
routes:
{self.routes()}log: {{audit: "{self.path("audit.log")}", level: warning}}
""")
        return [barkeep_binary(), "serve", "-c", config]


ALL = [Barkeep, HaproxyForward, HaproxyJwt, NginxForward, ApacheOpenidc]
