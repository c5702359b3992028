"""What an administrator and a caller do in Azure, done against the stand-in: secrets and tokens.

Names are those of the stand-in's own tenant (its README lists them).
"""

import json
import subprocess
import urllib.parse
import urllib.request

from lib.process import standin_binary

TENANT = "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
API = "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"
MIRA = "e0d1c2b3-a495-4867-9588-776655443322"
INES = "5b60718a-92a3-4b4c-8d5e-6f708192a3b4"
OPERATORS = "6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7"

# holds Key Vault Secrets Officer
_DEPLOYER = {"client_id": "d3b0c1a2-5f6e-4d7c-9b8a-0f1e2d3c4b5a", "client_secret": "canary-deployer-client-secret"}


def _call(method, url, body, headers):
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return json.load(answer)


def put_secret(standin, name, value):
    """Sets a Key Vault secret the way a deployment does: client credentials, then PUT."""
    form = {"grant_type": "client_credentials", "scope": "https://vault.azure.net/.default", **_DEPLOYER}
    grant = _call("POST", standin.url(f"/{TENANT}/oauth2/v2.0/token"), urllib.parse.urlencode(form).encode(),
                  {"Content-Type": "application/x-www-form-urlencoded"})
    _call("PUT", standin.url(f"/secrets/{name}?api-version=7.4"), json.dumps({"value": value}).encode(),
          {"Content-Type": "application/json", "Authorization": f"Bearer {grant['access_token']}"})


def token_command(standin, *options):
    return [standin_binary(), "token", "--state", str(standin.state), *options]


def mint(standin, *options):
    """A caller's token; options are those of `barkeep-standin token`."""
    done = subprocess.run(token_command(standin, *options), capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise AssertionError(f"barkeep-standin token: {done.stderr.strip()}")
    return done.stdout.strip()
