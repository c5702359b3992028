"""Looks for passwords in bytes that nobody was to see them in."""

import base64


def renderings(password):
    """The password as it is, and what stays of it in base64 whatever stands before and behind it."""
    found = [password.encode()]
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + password.encode()).rstrip(b"=")
        # the first and last group mix with neighbours
        found.append(encoded[4 if before else 0:-4])
    return found


def find(passwords, seen):
    """The users whose password can be read in `seen`, a mapping of user to password being given."""
    return [user for user, password in passwords.items() if any(form in seen for form in renderings(password))]
