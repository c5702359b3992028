"""Twenty routes to one upstream, each with a credential of its own: who would see another's?"""

import base64
import urllib.parse

COUNT = 20
KINDS = ("basic", "bearer", "headers", "query", "cookie")
# Where an upstream may find a credential, as nginx calls it.
PLACES = {"authorization": "$http_authorization", "key": "$http_x_api_key", "query": "$arg_api_key",
          "cookie": "$cookie_sid"}


class ManyRoutes:
    def __init__(self):
        self.secrets = {f"secret-{number}": f"canary-{number:02d}-{number * 7919 % 9973:04d}"
                        for number in range(COUNT)}

    def kind(self, number):
        return KINDS[number % len(KINDS)]

    def secret(self, number):
        return self.secrets[f"secret-{number}"]

    def name(self, number):
        return f"r{number}"

    def target(self, number):
        """A path whose second part reaches the upstream and says which route it came by."""
        return f"/{self.name(number)}/{self.name(number)}/x"

    def credential(self, number, vault):
        secret = f"{vault}/secret-{number}"
        return {"basic": {"basic": {"username": "bench", "password": secret}},
                "bearer": {"bearer": secret},
                "headers": {"headers": {"X-Api-Key": f"{{{secret}}}"}},
                "query": {"query": {"api_key": f"{{{secret}}}"}},
                "cookie": {"cookie": {"sid": f"{{{secret}}}"}}}[self.kind(number)]

    def credentials(self, vault):
        return {self.name(number): self.credential(number, vault) for number in range(COUNT)}

    def routes(self, upstream):
        return [{"name": self.name(number), "path": f"/{self.name(number)}", "upstream": upstream,
                 "access": [{"role": "Contributor", "to": {"everyone": True},
                             "credential": self.name(number)}]} for number in range(COUNT)]

    def expected(self, number):
        """What stands in each of PLACES when route `number` is asked."""
        secret = self.secret(number)
        basic = base64.b64encode(f"bench:{secret}".encode()).decode()
        shown = dict.fromkeys(PLACES, "")
        place, text = {"basic": ("authorization", f"Basic {basic}"),
                       "bearer": ("authorization", f"Bearer {secret}"), "headers": ("key", secret),
                       "query": ("query", urllib.parse.quote(secret, safe="")),
                       "cookie": ("cookie", secret)}[self.kind(number)]
        shown[place] = text
        return shown

    def nginx_locations(self):
        """Locations that answer 204 to their route's credential alone, and 500 otherwise."""
        shown = "|".join(PLACES.values())
        return "\n".join(f"""        location /{self.name(number)}/ {{
            set $shown "{shown}";
            if ($shown != "{'|'.join(self.expected(number).values())}") {{ return 500; }}
            return 204;
        }}""" for number in range(COUNT))
