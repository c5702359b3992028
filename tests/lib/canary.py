"""Texts that must be seen only where they belong, and the search for them in every form in which
something might give them away."""

import base64
import urllib.parse

SHORTEST = 8  # of what is searched for: anything shorter turns up by chance


def _base64_core(data, shift):
    """What base64 makes of `data` behind `shift` other bytes: the letters that depend on it alone."""
    text = base64.b64encode(b"\0" * shift + data)
    first = (shift * 8 + 5) // 6
    last = (shift + len(data)) * 8 // 6
    return text[first:last]


def forms(data):
    """(name, bytes) of each form once: raw, base64, hex, percent-encoded, reversed."""
    percent = urllib.parse.quote(data, safe="").encode()
    found = {data: "raw", data[::-1]: "reversed", data.hex().encode(): "hex",
             data.hex().upper().encode(): "hex"}
    for shift in range(3):
        core = _base64_core(data, shift)
        found.setdefault(core, "base64")
        found.setdefault(core.replace(b"+", b"-").replace(b"/", b"_"), "base64")
    found.setdefault(percent, "percent")
    found.setdefault(percent.replace(b"%20", b"+"), "percent")
    return [(name, form) for form, name in found.items() if len(form) >= SHORTEST]


class Canary:
    def __init__(self, name, data):
        self.name = name
        self.data = data.encode() if isinstance(data, str) else bytes(data)
        self.forms = forms(self.data)

    def __repr__(self):
        return self.name


def search(canaries, sources):
    """"NAME as FORM in SOURCE" for whatever of `canaries` is in `sources` (name -> bytes)."""
    return [f"{canary} as {form_name} in {place}: ...{_around(text, form)!r}..."
            for place, text in sources.items() for canary in canaries
            for form_name, form in canary.forms if form in text]


def _around(text, form):
    at = text.find(form)
    return text[max(0, at - 60):at + len(form) + 20]
