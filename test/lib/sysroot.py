# SPDX-License-Identifier: MIT
"""Debian's libraries for another architecture, in a folder: apt fetches them with a state of its
own, so what this machine has installed and how its apt is set up stay as they are."""

import pathlib
import shutil
import subprocess

FETCH_LIMIT = 300  # seconds

PACKAGES = ("libc6-dev", "libssl-dev", "libmnl-dev", "libseccomp-dev", "libcmocka-dev")
OVERLAY_PACKAGES = ("libmicrohttpd-dev", "libjansson-dev", "libsqlite3-dev",
                    "libcurl4-openssl-dev", "libnftables-dev", "libqrencode-dev")


class Unavailable(Exception):
    """The packages cannot be had: no network, or no apt."""


def _apt(folder, architecture, *words):
    """Run apt-get for an architecture of which nothing is installed."""
    options = {"APT::Architecture": architecture, "APT::Architectures": architecture,
               "Dir::State": folder / "state", "Dir::State::status": folder / "status",
               "Dir::Cache": folder / "cache", "Acquire::Languages": "none", "Debug::NoLocking": "1",
               "APT::Sandbox::User": "root", "Acquire::Retries": "2"}
    command = ["apt-get", "-q", "-y", "--no-install-recommends"]
    for name, value in options.items():
        command += ["-o", f"{name}={value}"]
    try:
        done = subprocess.run([*command, *words], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=FETCH_LIMIT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(str(error)) from error
    return done.returncode, done.stdout


def _extract(package, root):
    """Programs and manuals are of no use here; and /lib is a link, whatever an old package thinks."""
    unpack = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", root, "--exclude=./usr/share",
                    "--exclude=./usr/bin", "--exclude=./usr/sbin", "--exclude=*/gconv"],
                   stdin=unpack.stdout, check=True)
    unpack.stdout.close()
    if unpack.wait() != 0:
        raise Unavailable(f"{package} cannot be unpacked")


def _link_inside(root):
    """Links to absolute names would lead out of the folder."""
    for path in (root / "usr" / "lib").rglob("*"):
        if path.is_symlink() and path.readlink().is_absolute():
            target = root / path.readlink().relative_to("/")
            path.unlink()
            path.symlink_to(target.resolve())


def prepare(folder, architecture, packages):
    """The folder with the packages and all they need, made once; Unavailable if it can't be."""
    folder = pathlib.Path(folder).resolve()
    root = folder / "root"
    complete = folder / "packages"
    if complete.exists() and set(packages) <= set(complete.read_text().split()):
        return root
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    fetch = ("--download-only", "install", *packages)
    code, output = _apt(folder, architecture, *fetch)
    if code != 0:  # no lists yet, or too old to fetch by; a list that is not needed may be missing
        _apt(folder, architecture, "update")
        code, output = _apt(folder, architecture, *fetch)
    if code != 0:
        raise Unavailable((output.strip().splitlines() or ["apt-get failed"])[-1])
    shutil.rmtree(root, ignore_errors=True)
    (root / "usr" / "lib").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    for package in sorted((folder / "cache" / "archives").glob("*.deb")):
        _extract(package, root)
    _link_inside(root)
    complete.write_text("\n".join(sorted(packages)))
    return root
