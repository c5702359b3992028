#!/usr/bin/python3
"""The command line: version, help, check, exit codes, messages with FILE:LINE:COL."""

import json
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import wire  # noqa: F401
from lib import certificates, process, tokens

PROBLEM = re.compile(r"(.+):([0-9]+):([0-9]+): (error|warning): ([^:]*): (.+)")
GOOD = f"""\
listen: 127.0.0.1:8080
admin: 127.0.0.1:9090
entra:
  tenant: {tokens.TENANT}
  audience: [{tokens.API_URI}, {tokens.API}]
routes:
  - name: one
    path: /
    upstream: http://127.0.0.1:15672
    access:
      - role: Reader
        to: {{everyone: true}}
"""

# (what, text to replace, its replacement, line, column or None, words of the message)
BROKEN = [
    ("an unknown key", "listen:", "lisen:", 1, 1, "listen"),
    ("an unknown key inside", "  audience:", "  audiance:", 5, 3, "audience"),
    ("a bad port", "127.0.0.1:15672", "127.0.0.1:0", 9, 15, "port"),
    ("a port too high", "127.0.0.1:8080", "127.0.0.1:70000", 1, 9, "port"),
    ("a tenant that is no GUID", tokens.TENANT, "contoso", 4, 11, "GUID"),
    ("a role that is not there", "role: Reader", "role: Raeder", 11, 15, "Reader"),
    ("a wrong type", "path: /", "path: [1]", 8, 11, ""),
    ("a relative path", "path: /", "path: x", 8, 11, ""),
    ("a principal by mail address", "{everyone: true}", "{email: a@b.example}", 12, 14, "email"),
    ("a principal by upn", "{everyone: true}", "{upn: a@b.example}", 12, 14, "upn"),
    ("a user that is no GUID", "{everyone: true}", "{user: mira}", 12, 20, "GUID"),
    ("everyone: false", "{everyone: true}", "{everyone: false}", 12, None, ""),
    ("no principal", "{everyone: true}", "{}", 12, None, ""),
    ("a key twice", "admin: 127.0.0.1:9090", "listen: 127.0.0.1:9090", 2, 1, ""),
    ("a credential that is not there", "{everyone: true}",
     "{everyone: true}\n        credential: none", 13, 21, ""),
    ("YAML that does not end", "[api://orders-gw", "['api://orders-gw", None, None, ""),
    ("a tab as indentation", "  tenant", "\ttenant", 4, None, ""),
    ("a clock skew over the limit", "entra:", "entra:\n  clock_skew: 301s", 4, 15, ""),
    ("a duration without unit", "entra:", "entra:\n  clock_skew: 30", 4, 15, ""),
    ("a variable that is not set", "127.0.0.1:8080", "${BARKEEP_NOT_SET}", 1, 9,
     "BARKEEP_NOT_SET"),
    ("plain http to elsewhere", "entra:", "entra:\n  authority: http://192.0.2.1", 4, 14, ""),
    ("an action without path", "listen:", "roles: {R: {actions: [GET]}}\nlisten:", 1, 23, ""),
    ("an action without slash", "listen:", "roles: {R: {actions: ['GET x']}}\nlisten:", 1, 23, ""),
    ("a route without upstream", "    upstream: http://127.0.0.1:15672\n", "", 7, None, "upstream"),
    ("an upstream of another scheme", "http://127.0.0.1:15672", "ftp://127.0.0.1", 9, 15, ""),
    ("two routes of one name", "routes:\n", "routes:\n  - {name: one, path: /x, upstream: "
     "'http://127.0.0.1:1', access: [{role: Reader, to: {everyone: true}}]}\n", None, None, "one"),
]


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="barkeep-cli-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.file = self.folder / "barkeep.yaml"

    def run_barkeep(self, *words, env=None):
        code, out, err = process.run([process.barkeep_binary(), *words], env=env)
        for text in (out, err):
            self.assertFalse(any(mark in text for mark in process.SANITIZER_MARKS), text)
        return code, out, err

    def check(self, text, env=None):
        self.file.write_text(text)
        self.file.chmod(0o600)
        code, out, err = self.run_barkeep("check", "-c", str(self.file), env=env)
        return code, (out + err).splitlines()

    def test_version_names_itself_and_its_libraries(self):
        code, out, err = self.run_barkeep("version")
        self.assertEqual((0, ""), (code, err))
        self.assertRegex(out, r"barkeep [0-9]+\.[0-9]+\.[0-9]+")
        for library in ("OpenSSL", "curl", "jansson", "microhttpd", "yaml"):
            self.assertIn(library.lower(), out.lower())

    def test_help_explains_each_command(self):
        for words in (["help"], ["--help"], ["help", "serve"], ["help", "check"],
                      ["help", "version"]):
            with self.subTest(words=words):
                code, out, err = self.run_barkeep(*words)
                self.assertEqual((0, ""), (code, err))
                self.assertIn("barkeep", out)
        for command in ("serve", "check", "version"):
            self.assertIn(command, self.run_barkeep("help")[1])

    def test_wrong_usage_is_exit_2_on_stderr(self):
        for words in ([], ["nonsense"], ["serve"], ["check"], ["serve", "-c"], ["check", "--x"],
                      ["serve", "-c", "a", "b"], ["help", "nonsense"], ["version", "x"],
                      ["check", "-c", "a", "-c", "b"]):
            with self.subTest(words=words):
                code, out, err = self.run_barkeep(*words)
                self.assertEqual(2, code)
                self.assertEqual("", out)
                self.assertTrue(err.strip())

    def test_missing_and_unreadable_files_are_exit_2(self):
        (self.folder / "folder").mkdir()
        for path in (self.folder / "none.yaml", self.folder / "folder", "/dev/null"):
            for command in ("check", "serve"):
                with self.subTest(path=path, command=command):
                    code, out, err = self.run_barkeep(command, "-c", str(path))
                    self.assertEqual(2, code)
                    self.assertIn(str(path), out + err)

    def test_a_good_file_is_exit_0(self):
        code, lines = self.check(GOOD)
        self.assertEqual(0, code, lines)
        self.assertFalse([line for line in lines if ": error: " in line])

    def test_json_is_yaml(self):
        config = {"listen": "127.0.0.1:8080", "entra": {"tenant": tokens.TENANT,
                                                        "audience": tokens.API},
                  "routes": [{"name": "one", "path": "/", "upstream": "http://127.0.0.1:1",
                              "access": [{"role": "Reader", "to": {"everyone": True}}]}]}
        code, lines = self.check(json.dumps(config, indent=2))
        self.assertEqual(0, code, lines)

    def test_each_mistake_is_named_where_it_is(self):
        for what, old, new, line, column, word in BROKEN:
            with self.subTest(what=what):
                self.assertIn(old, GOOD)
                code, lines = self.check(GOOD.replace(old, new, 1))
                self.assertEqual(2, code, lines)
                errors = [PROBLEM.fullmatch(text) for text in lines if ": error: " in text]
                self.assertTrue(errors, lines)
                self.assertTrue(all(errors), lines)
                self.check_place(errors, line, column, word)

    def check_place(self, errors, line, column, word):
        for match in errors:
            self.assertEqual(str(self.file), match[1])
        places = [(int(match[2]), int(match[3])) for match in errors]
        if line is not None:
            self.assertIn(line, [place[0] for place in places], errors[0][0])
        if column is not None:
            self.assertIn((line, column), places, errors[0][0])
        self.assertTrue(any(word in match[6] or word in match[5] for match in errors), errors[0][0])

    def test_all_mistakes_are_named_at_once(self):
        text = GOOD.replace("listen:", "lisen:").replace("role: Reader", "role: Raeder")
        _, lines = self.check(text)
        errors = [line for line in lines if ": error: " in line]
        self.assertGreaterEqual(len(errors), 2)

    def test_serve_refuses_a_bad_file_the_same_way(self):
        self.file.write_text(GOOD.replace("listen:", "lisen:"))
        code, out, err = self.run_barkeep("serve", "-c", str(self.file))
        self.assertEqual((2, ""), (code, out))
        self.assertIn(f"{self.file}:1:1: error: ", err)

    def test_variables_are_taken_from_the_environment(self):
        text = GOOD.replace("127.0.0.1:8080", "127.0.0.1:${LISTEN_PORT}")
        code, lines = self.check(text, env={"LISTEN_PORT": "8080"})
        self.assertEqual(0, code, lines)
        code, lines = self.check(text, env={"LISTEN_PORT": "x"})
        self.assertEqual(2, code, lines)

    def test_a_plaintext_credential_to_elsewhere_is_an_error(self):
        (self.folder / "secrets").mkdir()
        text = GOOD.replace("127.0.0.1:15672", "192.0.2.1:15672") \
            + "        credential: c\n" \
            + f"vaults: {{local: 'file:{self.folder}/secrets'}}\n" \
            + "credentials: {c: {bearer: local/x}}\n"
        code, lines = self.check(text)
        self.assertEqual(2, code, lines)
        allowed = text.replace("    access:", "    allow_plaintext_credential: true\n    access:")
        code, lines = self.check(allowed)
        self.assertEqual(0, code, lines)

    def check_file(self, text, path, severity, position, key):
        """`text` names the file `path`: what is said of it as it is now."""
        code, lines = self.check(text)
        found = [PROBLEM.fullmatch(line) for line in lines]
        self.assertEqual([(severity, *position, key)],
                         [(match[4], int(match[2]), int(match[3]), match[5]) for match in found])
        self.assertEqual(2 if severity == "error" else 0, code)
        self.assertIn(str(path), found[0][6])
        return found[0][6]

    def test_authorities_that_cannot_be_read_are_an_error(self):
        path = self.folder / "ca.pem"
        text = GOOD.replace("http://127.0.0.1:15672", f"https://a.example\n    tls: {{ca: {path}}}")
        for content in (None, "", "canary-no-certificate-51ce"):
            if content is not None:
                path.write_text(content)
            with self.subTest(content=content):
                said = self.check_file(text, path, "error", (10, 15), "routes[0].tls.ca")
                self.assertNotIn("canary", said)
                self.assertIn("no such file" if content is None else "no certificates", said)
        self.file.write_text(text)
        self.assertEqual(2, self.run_barkeep("serve", "-c", str(self.file))[0])
        certificates.CertificateAuthority().write_public(path)
        self.assertEqual((0, []), self.check(text))
        path.unlink()
        self.assertEqual(0, self.check(text.replace("{ca", "{verify: false, ca"))[0], "not read")

    def test_what_will_bite_is_told(self):
        """Case 234."""
        folder = self.folder / "secrets"
        folder.mkdir(mode=0o700)
        (folder / "x").write_text("s3cr3t-value")
        (folder / "x").chmod(0o600)
        route = ("  - {{name: {}, path: /{}, upstream: '{}', access: [{{role: Contributor, "
                 "to: {{everyone: true}}, credential: c}}{}]}}\n").format
        good = GOOD.partition("routes:")[0] + f"vaults: {{local: 'file:{folder}'}}\n" \
            "credentials: {c: {bearer: local/x}}\nroutes:\n"
        one = route("one", "one", "http://127.0.0.1:1", "")
        self.assertEqual((0, []), self.check(good + one), "the control")
        never = ", {role: Reader, to: {user: e0d1c2b3-a495-4867-9588-776655443322}, credential: c}"
        for what, text, code, words in (
                ("a rule that never matches", good + route("one", "one", "http://127.0.0.1:1", never),
                 0, "access[1]"),
                ("a route without a rule", good + one
                 + "  - {name: two, path: /two, upstream: 'http://127.0.0.1:1'}\n", 0, "nobody can reach"),
                ("a secret used by two routes",
                 good + one + route("two", "two", "http://127.0.0.1:2", ""), 0, "another upstream"),
                ("a secret over plain http", good + route("one", "one", "http://192.0.2.1:1", ""),
                 2, "allow_plaintext_credential"),
                ("every address without TLS",
                 (good + one).replace("127.0.0.1:8080", "0.0.0.0:8080"), 0, "listen")):
            with self.subTest(what, case=234):
                exit_code, lines = self.check(text)
                self.assertEqual(code, exit_code, lines)
                self.assertTrue(any(words in line for line in lines), lines)
                self.assertNotIn("s3cr3t-value", "".join(lines))

    def test_a_configuration_that_others_may_write_is_refused(self):
        """Case 236: by `check` and `serve` alike; what is read is one file, read once."""
        self.assertEqual((0, []), self.check(GOOD))
        for mode in (0o602, 0o606, 0o666):
            self.file.chmod(mode)
            for command in ("check", "serve"):
                with self.subTest(case=236, mode=mode, command=command):
                    code, out, err = self.run_barkeep(command, "-c", str(self.file))
                    self.assertEqual(2, code)
                    self.assertIn("everyone may write", out + err)

    def test_a_proof_that_cannot_be_read_is_a_warning(self):
        """It may come later, and is read anew whenever it is needed."""
        path = self.folder / "proof"
        for kind, key in (("client", "secret_file"), ("client", "certificate_file"),
                          ("workload", "token_file")):
            name = "client_id" if kind == "workload" else "id"
            text = f"identity: {{{kind}: {{{name}: {tokens.API}, {key}: {path}}}}}\n" + GOOD
            place = (1, text.index(str(path)) + 1), f"identity.{kind}.{key}"
            with self.subTest(key=key, what="missing"):
                self.check_file(text, path, "warning", *place)
            path.touch(0o600)
            with self.subTest(key=key, what="empty"):
                self.check_file(text, path, "warning", *place)
            path.write_text("canary-secret-51ce\n")
            self.assertEqual((0, []), self.check(text))
            path.unlink()

    def test_secrets_that_cannot_be_read_are_a_warning(self):
        """They may be mounted later."""
        folder = self.folder / "secrets"
        text = (f"vaults: {{local: 'file:{folder}'}}\ncredentials:\n  c: {{bearer: local/key}}\n" +
                GOOD.replace("127.0.0.1:15672", "127.0.0.1:15672\n    credential: c"))
        with self.subTest(what="no folder"):
            self.assertIn("no such folder", self.check_file(text, folder, "warning", (1, 17), "vaults.local"))
        folder.mkdir(mode=0o700)
        place = (3, 15), "credentials.c.bearer"
        with self.subTest(what="no file"):
            self.assertIn("no such file", self.check_file(text, folder / "key", "warning", *place))
        (folder / "key").touch(0o600)
        with self.subTest(what="empty"):
            self.check_file(text, folder / "key", "warning", *place)
        (folder / "key").write_text("canary-secret-51ce\n")
        self.assertEqual((0, []), self.check(text))
        self.check_file(text.replace(str(folder), str(folder / "key")), folder / "key", "warning", (1, 17),
                        "vaults.local")

    def test_scalars_follow_the_core_schema(self):
        """`no` is a string, and so a fine name."""
        code, lines = self.check(GOOD.replace("name: one", "name: no"))
        self.assertEqual(0, code, lines)
        code, lines = self.check(GOOD.replace("{everyone: true}", "{everyone: yes}"))
        self.assertEqual(2, code, lines)

    def test_huge_and_hostile_files_are_refused(self):
        bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
        for what, text in (("alias bomb", bomb), ("nesting", "[" * 100000),
                           ("nothing", ""), ("two documents", GOOD + "---\n" + GOOD),
                           ("a tag", "!!python/object:os.system x"), ("a list", "- a\n"),
                           ("16 MiB", "# " + "x" * (16 << 20) + "\n" + GOOD)):
            with self.subTest(case=222, what=what):
                code, lines = self.check(text)
                self.assertEqual(2, code, lines[:3])
                self.assertTrue(lines)

    def test_not_text(self):
        self.file.write_bytes(b"listen: \xff\xfe\0\n")
        code, _, _ = self.run_barkeep("check", "-c", str(self.file))
        self.assertEqual(2, code)

    def test_the_network_is_never_touched(self):
        """An authority that would answer is not asked."""
        from lib.authority import Authority
        authority = Authority()
        self.addCleanup(authority.stop)
        code, lines = self.check(GOOD.replace("entra:", f"entra:\n  authority: {authority.url}"))
        self.assertEqual(0, code, lines)
        self.assertEqual([], authority.fetches)

    def test_output_that_cannot_be_written_does_not_crash(self):
        with open("/dev/full", "wb") as full:
            child = os.spawnvp(os.P_NOWAIT, "sh", ["sh", "-c", "exec \"$0\" version >/dev/full",
                                                   process.barkeep_binary()])
            _, status = os.waitpid(child, 0)
            self.assertTrue(os.WIFEXITED(status))
            del full


if __name__ == "__main__":
    unittest.main()
