# SPDX-License-Identifier: MIT
"""`adit` and `wg` say and do the same.

Both speak to a daemon that this test scripts, which shows every byte they send and decides every
byte they get, and then to a real wireguard-go. Everything happens in network, mount and process
namespaces of its own: other tunnels on this machine are neither seen nor touched, and nothing that
was started stays.
"""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADIT = os.environ.get("ADIT", str(ROOT / "build/adit"))

FAKE_DAEMON = r"""
import os, socket, sys
name, folder = sys.argv[1:]
os.makedirs("/run/wireguard", exist_ok=True)
server = socket.socket(socket.AF_UNIX)
server.bind(f"/run/wireguard/{name}.sock")
server.listen()
print("ready", flush=True)
while True:
    connection, _ = server.accept()
    data = b""
    while not data.endswith(b"\n\n"):
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    if data:
        operation = "get" if data.startswith(b"get") else "set"
        open(f"{folder}/request.{operation}", "wb").write(data)
        connection.sendall(open(f"{folder}/reply.{operation}", "rb").read())
    connection.close()
"""


def hex_key(n):
    return bytes([n] * 32).hex()


def key(n):
    return base64.b64encode(bytes([n] * 32)).decode()


class World:
    """Namespaces with an empty /run, and the commands run in them."""

    def __init__(self):
        script = "mount -t tmpfs none /run && ip link set lo up && echo ready && exec sleep 600"
        self.children = []
        # With the first process of a process namespace ends every other.
        self.holder = self.start(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
            (),
        )

    def inside(self):
        holder = self.holder.pid
        return ("nsenter", "-t", str(holder), "-n", "-m",
                f"--pid=/proc/{holder}/ns/pid_for_children")

    def start(self, command, prefix=None, **options):
        """Start a program that prints a line when it is ready."""
        prefix = self.inside() if prefix is None else prefix
        child = subprocess.Popen(
            [*prefix, *command], stdout=subprocess.PIPE, text=True, **options
        )
        self.children.append(child)
        assert child.stdout.readline() == "ready\n"
        return child

    def run(self, *command, **environment):
        stdin = environment.pop("stdin", "")
        environment = {"PATH": os.environ["PATH"], "WG_COLOR_MODE": "never",
                       "UBSAN_OPTIONS": "halt_on_error=1", **environment}
        return subprocess.run(
            [*self.inside(), *command],
            env=environment, input=stdin, capture_output=True, text=True, timeout=60,
        )

    def close(self):
        for child in reversed(self.children):
            child.kill()
            child.wait()
            child.stdout.close()


@pytest.fixture
def world():
    world = World()
    yield world
    world.close()


class Fake:
    """A scripted daemon."""

    def __init__(self, world, folder, name="wg0"):
        self.world, self.folder, self.name = world, folder, name
        folder.mkdir(exist_ok=True)
        self.get_reply("")
        self.set_errno(0)
        world.start([sys.executable, "-c", FAKE_DAEMON, name, str(folder)])

    def get_reply(self, lines):
        (self.folder / "reply.get").write_text(lines + "errno=0\n\n")

    def set_errno(self, number):
        (self.folder / "reply.set").write_text(f"errno={number}\n\n")

    def request_of(self, *command, **options):
        """Run a command and return the set request it makes."""
        request = self.folder / "request.set"
        request.unlink(missing_ok=True)
        result = self.world.run(*command, **options)
        assert result.returncode == 0, result.stderr
        return request.read_text()


@pytest.fixture
def fake(world, tmp_path):
    return Fake(world, tmp_path / "fake")


def same(world, *words, **environment):
    """Run `wg` and `adit` with the same words; they print the same. The time may step between
    the two, so they get a second chance."""
    for _ in range(3):
        wg = world.run("wg", *words, **environment)
        adit = world.run(ADIT, *words, **environment)
        if adit.stdout == wg.stdout:
            break
    assert adit.stdout == wg.stdout
    assert adit.returncode == wg.returncode == 0
    return adit.stdout


def same_of_all(world, names, field):
    """The same for `show all FIELD`. Debian's wg forgets the name before all endpoints but the
    first, where wg(8) promises it on every line."""
    if field != "endpoints":
        return same(world, "show", "all", field)
    lines = [
        f"{name}\t{line}\n"
        for name in names
        for line in world.run("wg", "show", name, field).stdout.splitlines()
    ]
    assert world.run(ADIT, "show", "all", field).stdout == "".join(lines)


FIELDS = (
    "public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips "
    "latest-handshakes transfer persistent-keepalive dump"
).split()


def ago(seconds):
    return f"last_handshake_time_sec={int(time.time()) - seconds}\n"


REPLIES = {
    "nothing": "",
    "device": f"private_key={hex_key(3)}\nlisten_port=51820\nfwmark=51820\n",
    "peer": f"listen_port=1\npublic_key={hex_key(1)}\n",
    "unknown keys": f"drop_replayed=3\nfuture=x\npublic_key={hex_key(1)}\nlater=\n",
    "no psk": f"public_key={hex_key(1)}\npreshared_key={hex_key(0)}\n",
    "everything": f"private_key={hex_key(3)}\nlisten_port=65535\nfwmark=4294967295\n"
    f"public_key={hex_key(1)}\npreshared_key={hex_key(2)}\nprotocol_version=1\n"
    "endpoint=[2001:db8::1]:65535\nrx_bytes=18446744073709551615\ntx_bytes=1\n"
    "persistent_keepalive_interval=65535\nallowed_ip=10.0.0.0/8\nallowed_ip=::/0\n"
    "allowed_ip=fd00::1/128\n",
    "scope": f"public_key={hex_key(1)}\nendpoint=[fe80::1%lo]:5\n"
    f"public_key={hex_key(2)}\nendpoint=[fe80::1%9999]:5\n"
    f"public_key={hex_key(3)}\nendpoint=[fe80::1]:5\n",
    "sizes": "".join(
        f"public_key={hex_key(n)}\nrx_bytes={size - 1}\ntx_bytes={size}\n"
        for n, size in enumerate((1, 1 << 10, 1536, 1 << 20, 1 << 30, 5 << 38, 1 << 40, 1 << 60))
    ),
    "keepalives": "".join(
        f"public_key={hex_key(n)}\npersistent_keepalive_interval={seconds}\n"
        for n, seconds in enumerate((0, 1, 25, 60, 61, 3600, 7322, 65535))
    ),
}


@pytest.mark.parametrize("reply", REPLIES)
def test_every_form_of_show_is_the_same(world, fake, reply):
    fake.get_reply(REPLIES[reply])
    same(world, "show", "wg0")
    same(world, "show", "wg0", WG_COLOR_MODE="always")
    same(world, "show", "wg0", WG_HIDE_KEYS="never")
    same(world, "show", "wg0", WG_HIDE_KEYS="always")
    same(world, "show", "wg0", WG_COLOR_MODE="")
    same(world, "show", "interfaces")
    same(world, "show", "all")
    same(world, "show")
    same(world)
    same(world, "showconf", "wg0")
    for field in FIELDS:
        same(world, "show", "wg0", field)
        same_of_all(world, ["wg0"], field)


def test_peers_are_sorted_by_handshake(world, fake):
    ages = [0, 500, 5, None, 70, 3600 * 24 * 400 + 7322, None, 500, 63]
    fake.get_reply(
        "".join(
            f"public_key={hex_key(n)}\n" + ("" if age is None else ago(age))
            for n, age in enumerate(ages)
        )
        + f"public_key={hex_key(99)}\n" + ago(500) + "last_handshake_time_nsec=7\n"
    )
    text = same(world, "show", "wg0")
    assert "1 minute, " in text and "1 year, 35 days, 2 hours, 2 minutes" in text
    same(world, "show", "wg0", WG_COLOR_MODE="always")
    same(world, "show", "wg0", "latest-handshakes")
    same(world, "showconf", "wg0")


def test_a_handshake_in_the_future(world, fake):
    fake.get_reply(f"public_key={hex_key(1)}\n" + ago(-1000))
    assert "clock wound backward" in same(world, "show", "wg0")
    same(world, "show", "wg0", WG_COLOR_MODE="always")


def test_several_interfaces(world, tmp_path):
    for n in range(3):
        Fake(world, tmp_path / str(n), f"wg{n}").get_reply(f"public_key={hex_key(n)}\n")
    names = same(world, "show", "interfaces").split()
    assert sorted(names) == ["wg0", "wg1", "wg2"]
    same(world, "show", "all")
    for field in FIELDS:
        same_of_all(world, names, field)


def test_sockets_without_a_daemon_are_removed(world, fake):
    for tool in (ADIT, "wg"):
        world.run("python3", "-c",
                  "import socket; socket.socket(1).bind('/run/wireguard/wg9.sock')")
        assert world.run(tool, "show", "interfaces").stdout == "wg0\n"
        assert world.run("ls", "/run/wireguard").stdout == "wg0.sock\n"


def test_an_interface_that_fails_does_not_hide_the_others(world, tmp_path):
    good, bad = (Fake(world, tmp_path / name, name) for name in ("wg0", "wg1"))
    bad.get_reply("listen_port=x\n")
    result = world.run(ADIT, "show", "all", "listen-port")
    assert (result.returncode, result.stdout) == (0, "wg0\t0\n")
    assert "wg1: the daemon's answer makes no sense" in result.stderr
    good.get_reply("listen_port=x\n")
    for tool in ("wg", ADIT):
        assert world.run(tool, "show", "all").returncode == 1


def test_no_interfaces(world):
    for words in ([], ["show"], ["show", "all"], ["show", "interfaces"], ["show", "all", "dump"]):
        assert same(world, *words) == ""


WORDS = [
    ["listen-port", "0"],
    ["listen-port", "65535", "fwmark", "off"],
    ["fwmark", "0xca6c", "private-key", "KEYFILE"],
    ["fwmark", "OFF", "private-key", "/dev/null"],
    ["fwmark", "4294967295"],
    ["peer", key(1)],
    ["peer", key(1), "remove", "peer", key(2), "remove"],
    ["peer", key(1), "preshared-key", "KEYFILE", "endpoint", "192.0.2.1:53"],
    ["peer", key(1), "preshared-key", "/dev/null", "endpoint", "[2001:db8::1]:1"],
    ["peer", key(1), "endpoint", "[fe80::1%lo]:1"],
    ["peer", key(1), "endpoint", "localhost:1"],
    ["peer", key(1), "persistent-keepalive", "65535", "peer", key(2), "persistent-keepalive",
     "off"],
    ["peer", key(1), "allowed-ips", ""],
    ["peer", key(1), "allowed-ips", "10.0.0.0/8, fd00::/64,1.2.3.4,::1"],
    ["peer", key(1), "allowed-ips", "10.0.0.1/8", "allowed-ips", "::/0"],
    ["peer", key(1), "allowed-ips", ",".join(f"10.{n >> 8}.{n & 255}.0/24" for n in range(5000))],
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: " ".join(words)[:60])
def test_set_sends_the_same(fake, tmp_path, words):
    keyfile = tmp_path / "key"
    keyfile.write_text(key(7) + "\n")
    words = [str(keyfile) if word == "KEYFILE" else word for word in words]
    requests = [fake.request_of(tool, "set", "wg0", *words) for tool in ("wg", ADIT)]
    # Debian's wg writes a scope by its name, we by its number.
    assert requests[1].replace("%1]", "%lo]") == requests[0]


def test_set_reads_a_key_from_stdin(fake):
    for tool in ("wg", ADIT):
        request = fake.request_of(
            tool, "set", "wg0", "private-key", "/dev/stdin", stdin=key(7) + "\n")
        assert request == f"set=1\nprivate_key={hex_key(7)}\n\n"


def test_set_changes_allowed_ips_incrementally(fake):
    request = fake.request_of(
        ADIT, "set", "wg0", "peer", key(1), "allowed-ips", "+10.0.0.0/8,-::/0")
    assert request == (
        f"set=1\npublic_key={hex_key(1)}\nallowed_ip=10.0.0.0/8\nallowed_ip=-::/0\n\n")


FILES = {
    "empty": "",
    "interface": "[Interface]\nListenPort = 51820\nFwMark = 0xca6c\nPrivateKey = KEY7\n",
    "odd": " [ interface ] # comment\r\n\tLISTENPORT=5 # 6\n\n[PEER]\npublickey=KEY1\n"
    "AllowedIPs = 10.0.0.1/8,::/0\nallowedips = 1.2.3.4\n",
    "peers": "[Peer]\nPublicKey = KEY1\nPresharedKey = KEY2\nEndpoint = [2001:db8::1]:1\n"
    "AllowedIPs = 10.0.0.0/8\nPersistentKeepalive = 25\n"
    "[Peer]\nPublicKey = KEY5\nEndpoint = localhost:51820\nPersistentKeepalive = off\n"
    "[Peer]\nPublicKey = KEY3\n",
}
RUNNING = {
    "nothing": "",
    "others": f"public_key={hex_key(8)}\npublic_key={hex_key(9)}\nallowed_ip=10.0.0.0/8\n",
    "some": f"listen_port=5\npublic_key={hex_key(5)}\nallowed_ip=10.0.0.0/8\n"
    f"public_key={hex_key(9)}\npublic_key={hex_key(1)}\npublic_key={hex_key(8)}\n",
}


def fill_keys(text):
    return re.sub(r"KEY(\d)", lambda match: key(int(match[1])), text)


def unordered(request):
    """The device's lines, and the peers in any order."""
    device, *peers = request.rstrip("\n").split("public_key=")
    return device, sorted(peer.strip() for peer in peers)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("verb", ["setconf", "addconf"])
def test_files_are_sent_the_same(fake, tmp_path, verb, file):
    path = tmp_path / "wg0.conf"
    path.write_text(fill_keys(FILES[file]))
    requests = [fake.request_of(tool, verb, "wg0", str(path)) for tool in ("wg", ADIT)]
    assert requests[1] == requests[0]


@pytest.mark.parametrize("running", RUNNING)
def test_syncconf_makes_the_same_change(fake, tmp_path, running):
    path = tmp_path / "wg0.conf"
    path.write_text(fill_keys(FILES["peers"]))
    fake.get_reply(RUNNING[running])
    requests = [fake.request_of(tool, "syncconf", "wg0", str(path)) for tool in ("wg", ADIT)]
    wg, adit = (request.replace("replace_peers=true\n", "") for request in requests)
    assert unordered(adit) == unordered(wg)
    assert "replace_peers" not in requests[1]


def test_syncconf_clears_what_the_file_dropped(fake, tmp_path):
    path = tmp_path / "wg0.conf"
    path.write_text(fill_keys("[Peer]\nPublicKey = KEY1\n"))
    fake.get_reply(
        f"public_key={hex_key(1)}\npreshared_key={hex_key(2)}\npersistent_keepalive_interval=5\n"
        f"public_key={hex_key(2)}\n")
    request = fake.request_of(ADIT, "syncconf", "wg0", str(path))
    assert unordered(request)[1] == [
        f"{hex_key(1)}\npreshared_key={hex_key(0)}\npersistent_keepalive_interval=0\n"
        "replace_allowed_ips=true",
        f"{hex_key(2)}\nremove=true",
    ]


def test_syncconf_with_an_empty_file_removes_every_peer(fake, tmp_path):
    (tmp_path / "wg0.conf").write_text("")
    fake.get_reply(RUNNING["others"])
    request = fake.request_of(ADIT, "syncconf", "wg0", str(tmp_path / "wg0.conf"))
    assert unordered(request)[1] == [f"{hex_key(n)}\nremove=true" for n in (8, 9)]


def test_showconf_can_be_read_again(world, fake, tmp_path):
    fake.get_reply(REPLIES["everything"])
    path = tmp_path / "wg0.conf"
    path.write_text(world.run(ADIT, "showconf", "wg0").stdout)
    request = fake.request_of(ADIT, "addconf", "wg0", str(path))
    kept = [line for line in REPLIES["everything"].split() if not re.match(
        "rx|tx|protocol", line)]
    assert sorted(request.split()) == sorted(["set=1", "replace_allowed_ips=true", *kept])


def test_json(world, fake):
    fake.get_reply("drop_replayed=3\ndrop_mac1=18446744073709551615\n" + REPLIES["everything"])
    device = json.loads(world.run(ADIT, "show", "wg0", "--json").stdout)
    assert device["interface"] == "wg0" and device["fwmark"] == 0xffffffff
    assert device["dropped"] == {"replayed": 3, "mac1": (1 << 64) - 1}
    assert device["public_key"] == world.run("wg", "show", "wg0", "public-key").stdout.strip()
    assert device["has_private_key"] and "private_key" not in device
    assert device["peers"] == [{
        "public_key": key(1), "has_preshared_key": True, "endpoint": "[2001:db8::1]:65535",
        "allowed_ips": ["10.0.0.0/8", "::/0", "fd00::1/128"], "latest_handshake": 0,
        "rx_bytes": (1 << 64) - 1, "tx_bytes": 1, "persistent_keepalive": 65535,
    }]
    shown = json.loads(world.run(ADIT, "show", "--json", "wg0", WG_HIDE_KEYS="never").stdout)
    assert shown["private_key"] == key(3) and shown["peers"][0]["preshared_key"] == key(2)
    assert json.loads(world.run(ADIT, "show", "--json").stdout) == [device]
    fake.get_reply("")
    device = json.loads(world.run(ADIT, "show", "all", "--json").stdout)[0]
    assert device["public_key"] is None and device["peers"] == [] and device["dropped"] == {}


def test_json_without_interfaces(world):
    assert json.loads(world.run(ADIT, "show", "--json").stdout) == []


def test_keys(world):
    private = world.run(ADIT, "genkey").stdout
    raw = base64.b64decode(private.strip(), validate=True)
    assert len(raw) == 32 and raw[0] & 7 == 0 and raw[31] & 0xc0 == 0x40
    assert private != world.run(ADIT, "genkey").stdout
    psks = [base64.b64decode(world.run(ADIT, "genpsk").stdout) for _ in range(16)]
    assert len(set(psks)) == 16 and {len(psk) for psk in psks} == {32}
    assert any(psk[0] & 7 for psk in psks), "preshared keys are not clamped"
    for text in (private, private.strip(), private + " \n\n", key(0), key(255)):
        public = world.run(ADIT, "pubkey", stdin=text)
        assert public.stdout == world.run("wg", "pubkey", stdin=text).stdout != ""
        assert public.returncode == 0


@pytest.mark.parametrize("text", ["", "\n", key(1)[:-1], key(1)[:-2] + "F=", key(1) + "x",
                                  key(1) + "\n" + key(1), "ä" * 22])
def test_pubkey_refuses_what_is_no_key(world, text):
    for tool in ("wg", ADIT):
        result = world.run(tool, "pubkey", stdin=text)
        assert result.returncode == 1 and result.stdout == ""
    assert "stdin: expected a key of 44 base64 characters" in result.stderr


BAD = [
    (["frob", "wg0"], 'unknown verb "frob"'),
    (["--frob"], 'unknown verb "--frob"'),
    (["show", "wg9"], "wg9: no such tunnel"),
    (["show", "../wg0"], '"../wg0" is no interface name'),
    (["show", "wg0", "frob"], 'unknown field "frob"'),
    (["show", "wg0", "dump", "x"], "Usage: adit show"),
    (["show", "interfaces", "dump"], "Usage: adit show"),
    (["show", "wg0", "dump", "--json"], "Usage: adit show"),
    (["showconf"], "Usage: adit showconf"),
    (["showconf", "wg9"], "wg9: no such tunnel"),
    (["genkey", "x"], "Usage: adit genkey"),
    (["genpsk", "x"], "Usage: adit genpsk"),
    (["pubkey", "x"], "Usage: adit pubkey"),
    (["set"], "Usage: adit set"),
    (["set", "wg0"], "Usage: adit set"),
    (["set", "wg9", "listen-port", "1"], "wg9: no such tunnel"),
    (["set", "wg0", "listen-port"], "listen-port: the value is missing"),
    (["set", "wg0", "listen-port", "65536"], 'listen-port: "65536" is not a port'),
    (["set", "wg0", "fwmark", "-1"], 'fwmark: "-1" is not a number'),
    (["set", "wg0", "private-key", "/nowhere"], '"/nowhere": No such file or directory'),
    (["set", "wg0", "private-key", "/etc/passwd"], '"/etc/passwd": expected a key'),
    (["set", "wg0", "private-key", "/"], '"/": Is a directory'),
    (["set", "wg0", "peer", "x"], 'peer: "x" is not a key'),
    (["set", "wg0", "remove"], "remove: expected after peer"),
    (["set", "wg0", "peer", key(1), "frob"], 'unknown word "frob"; expected remove'),
    (["set", "wg0", "peer", key(1), "listen-port", "1"], "listen-port: expected before"),
    (["set", "wg0", "peer", key(1), "endpoint", "1.2.3.4"], 'endpoint: "1.2.3.4" is not HOST'),
    (["set", "wg0", "peer", key(1), "endpoint", "nowhere.invalid:1"], '"nowhere.invalid": '),
    (["set", "wg0", "peer", key(1), "allowed-ips", "::/0,x"], 'allowed-ips: "x" is not'),
    (["setconf", "wg0"], "Usage: adit setconf"),
    (["addconf"], "Usage: adit addconf"),
    (["syncconf", "wg0", "/nowhere"], "/nowhere: No such file or directory"),
    (["setconf", "wg0", "/etc/passwd"], "/etc/passwd:1: "),
]


@pytest.mark.parametrize("words,message", BAD, ids=lambda value: str(value)[:50])
def test_bad_arguments_are_named(world, fake, words, message):
    result = world.run(ADIT, *words, WG_ENDPOINT_RESOLUTION_RETRIES="0")
    assert message in result.stderr
    assert result.returncode == 1 and result.stdout == ""
    assert not (fake.folder / "request.set").exists()


def test_host_names_are_tried_again(world, fake):
    """With a resolver that nobody runs, a name may be there in a second."""
    result = world.run("sh", "-c", """
        file=$(realpath -m /etc/resolv.conf) && mkdir -p "${file%/*}" && touch -a "$file" &&
        echo nameserver 127.0.0.1 >/run/nameserver && mount --bind /run/nameserver "$file"
    """)
    assert result.returncode == 0, result.stderr
    words = ("set", "wg0", "peer", key(1), "endpoint", "peer.example.org:51820")
    begin = time.monotonic()
    result = world.run(ADIT, *words, WG_ENDPOINT_RESOLUTION_RETRIES="1")
    assert 1 < time.monotonic() - begin < 20 and result.returncode == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 2 and lines[0].endswith("trying again in 1.00 seconds")
    assert lines[1].startswith(f'adit: peer {key(1)}: endpoint: "peer.example.org": ')
    for retries in ("", "x", "-1", "99999999999999999999"):
        result = world.run(ADIT, *words, WG_ENDPOINT_RESOLUTION_RETRIES=retries)
        assert result.returncode == 1
        assert "WG_ENDPOINT_RESOLUTION_RETRIES is neither" in result.stderr
    assert not (fake.folder / "request.set").exists()


def test_files_are_named_by_line(world, fake, tmp_path):
    path = tmp_path / "x.conf"
    path.write_text(fill_keys("[Interface]\nPrivateKey = KEY7\n\n[Peer]\nPublicKey = KEY7x\n"))
    for verb in ("setconf", "addconf", "syncconf"):
        result = world.run(ADIT, verb, "wg0", str(path))
        assert result.returncode == 1
        assert result.stderr == (
            f'adit: {path}:5: PublicKey: "{key(7)}x" is not a key of 44 base64 characters\n')
    assert not (fake.folder / "request.set").exists()


def test_what_the_daemon_says_is_passed_on(world, fake):
    for number, message in ((-22, "Invalid argument"), (-98, "Address already in use")):
        fake.set_errno(number)
        result = world.run(ADIT, "set", "wg0", "listen-port", "1")
        assert (result.returncode, result.stderr) == (1, f"adit: wg0: {message}\n")
    fake.set_errno("frob")
    result = world.run(ADIT, "set", "wg0", "listen-port", "1")
    assert (result.returncode, result.stderr) == (
        1, "adit: wg0: the daemon's answer makes no sense\n")
    fake.get_reply("listen_port=x\n")
    assert world.run(ADIT, "show", "wg0").returncode == 1


def test_help_and_version(world):
    assert re.fullmatch(r"adit \d+\.\d+\.\d+\n", world.run(ADIT, "--version").stdout)
    usage = world.run(ADIT, "--help")
    assert usage.returncode == 0
    for verb in "show showconf set setconf addconf syncconf genkey genpsk pubkey".split():
        assert f"  {verb} " in usage.stdout
        result = world.run(ADIT, verb, "--help")
        assert result.returncode == 0 and result.stdout.startswith(f"Usage: adit {verb}")


def test_output_that_cannot_be_written_is_an_error(world, fake):
    for words in (["show", "wg0"], ["showconf", "wg0"], ["genkey"], ["--help"]):
        result = world.run("sh", "-c", '"$@" >/dev/full', "sh", ADIT, *words)
        assert result.returncode == 1 and "stdout" in result.stderr


# The same with a real daemon: what one tool sets, both show alike.


class Go:
    def __init__(self, world, name):
        self.world, self.name = world, name
        environment = {"PATH": os.environ["PATH"], "LOG_LEVEL": "silent"}
        script = f"wireguard-go -f {name} >/dev/null 2>&1 & " \
                 f"until [ -S /run/wireguard/{name}.sock ]; do sleep 0.05; done; " \
                 "echo ready; wait"
        world.start(["sh", "-c", script], env=environment)


def blocks(text):
    """wireguard-go lists its peers in an order that changes from call to call."""
    return sorted(block.strip() for block in text.split("\n\n"))


def assert_shown_alike(world, *names):
    def compare(normalise, *words):
        for _ in range(3):
            wg, adit = (world.run(tool, *words, WG_HIDE_KEYS="never") for tool in ("wg", ADIT))
            if normalise(adit.stdout) == normalise(wg.stdout):
                break
        assert normalise(adit.stdout) == normalise(wg.stdout) != normalise("")
        assert adit.returncode == wg.returncode == 0
        return adit.stdout

    def lines(text):
        return sorted(text.splitlines())

    same(world, "show", "interfaces")
    compare(blocks, "show", "all")
    for name in names:
        compare(blocks, "show", name)
        compare(blocks, "showconf", name)
        for field in FIELDS:
            compare(lines, "show", name, field)
            if field != "endpoints":
                compare(lines, "show", "all", field)


@pytest.fixture
def pair(world, tmp_path):
    """Two interfaces on loopback that keep each other's sessions."""
    for name in ("wg0", "wg1"):
        Go(world, name)
    path = tmp_path / "key"
    publics = []
    for n, name in enumerate(("wg0", "wg1")):
        path.write_text(key(3 + n))
        assert world.run(ADIT, "set", name, "private-key", str(path), "listen-port",
                         str(5000 + n)).returncode == 0
        publics.append(world.run(ADIT, "show", name, "public-key").stdout.strip())
    return publics


@pytest.mark.parametrize("tool", ["wg", ADIT], ids=["wg", "adit"])
def test_a_tunnel_is_shown_alike(world, pair, tmp_path, tool):
    psk = tmp_path / "psk"
    psk.write_text(key(9))
    many = ",".join(f"10.0.{n}.0/24,fd00:{n:x}::/32" for n in range(256))

    def run(*words, **options):
        result = world.run(tool, *words, **options)
        assert result.returncode == 0, result.stderr

    run("set", "wg0", "fwmark", "0x10", "peer", pair[1], "preshared-key", str(psk), "endpoint",
        "127.0.0.1:5001", "allowed-ips", many, "persistent-keepalive", "1")
    run("set", "wg1", "peer", pair[0], "preshared-key", str(psk), "endpoint", "[::1]:5000",
        "allowed-ips", "0.0.0.0/0,::/0", "persistent-keepalive", "1")
    assert_shown_alike(world, "wg0", "wg1")

    path = tmp_path / "wg0.conf"
    path.write_text(fill_keys(
        "[Interface]\nPrivateKey = KEY3\nListenPort = 5000\n[Peer]\nPublicKey = "
        + pair[1] + "\nPresharedKey = KEY9\nAllowedIPs = 10.0.0.0/8, fd00::/8\n"
        "Endpoint = [::1]:5001\nPersistentKeepalive = 1\n"
        "[Peer]\nPublicKey = KEY1\nAllowedIPs = 10.1.0.0/16\nPersistentKeepalive = 3700\n"))
    run("setconf", "wg0", str(path))
    shown = world.run(ADIT, "show", "wg0", "dump").stdout
    assert shown.split()[3] == "off" and shown.count("\n") == 3
    for _ in range(100):
        if "0" not in world.run("wg", "show", "wg1", "latest-handshakes").stdout.split():
            break
        time.sleep(0.1)
    else:
        pytest.fail("no handshake")
    assert_shown_alike(world, "wg0", "wg1")

    path.write_text(fill_keys("[Peer]\nPublicKey = KEY2\nPresharedKey = KEY9\n"))
    run("addconf", "wg0", str(path))
    assert world.run(ADIT, "show", "wg0", "peers").stdout.count("\n") == 3
    assert_shown_alike(world, "wg0")

    path.write_text(fill_keys(
        "[Interface]\nPrivateKey = KEY3\nListenPort = 5000\nFwMark = 7\n[Peer]\nPublicKey = KEY2\n"
        "PresharedKey = KEY9\nAllowedIPs = ::/0\n"))
    run("syncconf", "wg0", str(path))
    assert world.run(ADIT, "show", "wg0", "peers").stdout == key(2) + "\n"
    assert_shown_alike(world, "wg0")

    run("set", "wg0", "private-key", "/dev/null", "listen-port", "0", "peer", key(2), "remove")
    assert world.run(ADIT, "show", "wg0", "private-key").stdout == "(none)\n"
    assert world.run(ADIT, "show", "wg0", "peers").stdout == ""
    same(world, "show", "wg0")


def test_a_thousand_peers(world, tmp_path):
    Go(world, "wg0")
    path = tmp_path / "wg0.conf"
    path.write_text("".join(
        f"[Peer]\nPublicKey = {base64.b64encode(n.to_bytes(32, 'big')).decode()}\n"
        f"AllowedIPs = 10.0.{n >> 8}.{n & 255}/32\n" for n in range(1, 1001)))
    assert world.run(ADIT, "setconf", "wg0", str(path)).returncode == 0
    assert world.run("wg", "show", "wg0", "peers").stdout.count("\n") == 1000
    assert_shown_alike(world, "wg0")
