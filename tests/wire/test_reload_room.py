#!/usr/bin/python3
"""More credentials than the process set memory aside for at its start: the event says so."""

import unittest

import wire  # noqa: F401
from lib.reload_case import ReloadCase, route
from lib.vault import Vault


class Room(ReloadCase):
    @classmethod
    def change_config(cls, config, door):
        cls.vault = Vault()
        cls.vault.secrets = {"one": "canary-one-11"}
        config["identity"] = {"managed": "system", "endpoint": cls.vault.url}
        config["vaults"] = {"prod": cls.vault.url}
        cls.give(config, door, 1)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.vault.stop()

    @staticmethod
    def give(config, door, count):
        names = [f"c{number}" for number in range(count)]
        config["credentials"] = {name: {"bearer": "prod/one"} for name in names}
        config["routes"] = config["routes"][:1] + [
            route(door, name, credential=name) for name in names]

    def test_more_credentials_than_there_is_room_for_are_named(self):
        for count, named in ((60, ""), (80, "credentials"), (1, "")):
            with self.subTest(count):
                event = self.change(lambda config, count=count: self.give(config, self.door, count))
                self.assertEqual(named, event["needs_restart"])
                self.soon(lambda: self.status("/c0/x") == 200, "the route serves")


if __name__ == "__main__":
    unittest.main()
