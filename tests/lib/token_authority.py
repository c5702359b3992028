"""A login authority that gives out tokens too: to barkeep itself, and in callers' names."""

import json
import re
import urllib.parse

from lib.authority import JSON_TYPE, Authority


class TokenAuthority(Authority):
    """Every token is a text of its own, `token_of(what)`: "own-RESOURCE" or "behalf-RESOURCE".
    `generation` changes them all; `wrong_resources` has answers, (status, body bytes) with or without
    headers, in place of a resource's token."""

    def __init__(self, keys=(), port=0):
        self.generation = "one"
        self.lifetime_sec = 3600
        self.wrong_resources = {}
        self.forms = []  # forms posted to the token endpoint
        super().__init__(keys, port)

    def token_of(self, what):
        return f"canary+token/{what}~{self.generation}.{what[::-1]}"

    def answer(self, path, handler):
        if not path.endswith("/oauth2/v2.0/token"):
            return super().answer(path, handler)
        form = dict(urllib.parse.parse_qsl(handler.body.decode()))
        with self.lock:
            self.forms.append(form)
        kind = "own" if form["grant_type"] == "client_credentials" else "behalf"
        resource = re.sub(r"^https?://|^api://|/[^/]*$", "", form["scope"])
        if resource in self.wrong_resources:
            status, body, *headers = self.wrong_resources[resource]
            return status, body, headers[0] if headers else JSON_TYPE
        answer = {"access_token": self.token_of(f"{kind}-{resource}"), "token_type": "Bearer",
                  "expires_in": self.lifetime_sec}
        return 200, json.dumps(answer).encode(), JSON_TYPE
