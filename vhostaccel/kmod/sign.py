# SPDX-License-Identifier: Apache-2.0
"""Signatures for kernels that load signed modules only (Secure Boot, lockdown)."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import UsageError

KEY_VARIABLE = "VHOSTACCEL_SIGN_KEY"
CERT_VARIABLE = "VHOSTACCEL_SIGN_CERT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """A key pair that the kernel trusts, or that `mokutil --import` is to enrol."""

    key: str
    """A PEM file, or a `pkcs11:` address; KBUILD_SIGN_PIN in the environment opens it."""
    cert: Path
    """The certificate, DER or PEM."""


def find_signing(key: str | None, cert: Path | None) -> Signing | None:
    """Return what to sign with, from the command line or the environment.

    Raises:
        UsageError: If only one of the two is given, or a file cannot be read.
    """
    key = key or os.environ.get(KEY_VARIABLE) or None
    named = os.environ.get(CERT_VARIABLE)
    cert = cert or (Path(named) if named else None)
    if key is None and cert is None:
        return None
    if key is None or cert is None:
        raise UsageError(
            "cannot sign the modules: key and certificate belong together",
            hint="give --sign-key and --sign-cert, or set "
            f"{KEY_VARIABLE} and {CERT_VARIABLE}",
        )
    for path in [cert] if key.startswith("pkcs11:") else [Path(key), cert]:
        if not os.access(path, os.R_OK):
            raise UsageError(
                f"cannot sign the modules: {path} cannot be read",
                hint="openssl req -new -x509 -newkey rsa:3072 -nodes -days 3650 "
                "-subj /CN=modules/ -keyout key.pem -outform DER -out cert.der",
            )
    return Signing(key=key, cert=cert)


def sign_module(module: Path, signing: Signing, headers: Path) -> None:
    """Append a signature to a module, with the hash that its kernel expects.

    Raises:
        ProvideError: If the kernel's own tool could not sign it.
    """
    command.run(
        [os.fspath(headers / "scripts" / "sign-file"), _hash(headers), signing.key,
         os.fspath(signing.cert), os.fspath(module)],
        hint=f"do {signing.key} and {signing.cert} belong together?",
    )  # fmt: skip


def _hash(headers: Path) -> str:
    config = (headers / "include" / "config" / "auto.conf").read_text()
    found = re.search(r'^CONFIG_MODULE_SIG_HASH="?(\w+)', config, re.MULTILINE)
    return found[1] if found else "sha256"
