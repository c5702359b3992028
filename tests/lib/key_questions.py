"""What a door says of a token whose key it may not have."""

import json

from lib import raw

UNAVAILABLE, UNKNOWN = "keys_unavailable", "token_key_unknown"


def ask(door, token):
    with door.client() as client:
        return client.exchange(raw.request("GET", "/public/x", token=token))


def reason_of(response):
    return json.loads(response.body)["reason"]
