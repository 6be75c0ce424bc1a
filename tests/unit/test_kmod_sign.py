# SPDX-License-Identifier: Apache-2.0
"""Whether modules are signed, and with what."""

from pathlib import Path

import pytest

from vhostaccel.errors import UsageError
from vhostaccel.kmod.sign import CERT_VARIABLE, KEY_VARIABLE, find_signing


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.delenv(CERT_VARIABLE, raising=False)


@pytest.fixture
def files(tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.der"
    key.write_text("key")
    cert.write_text("cert")
    return str(key), cert


def test_without_a_key_nothing_is_signed():
    assert find_signing(None, None) is None


def test_key_and_certificate_come_from_the_environment(files, monkeypatch):
    key, cert = files
    monkeypatch.setenv(KEY_VARIABLE, key)
    monkeypatch.setenv(CERT_VARIABLE, str(cert))
    signing = find_signing(None, None)
    assert signing is not None
    assert (signing.key, signing.cert) == (key, cert)


def test_one_without_the_other_is_refused(files):
    key, cert = files
    with pytest.raises(UsageError, match="belong together"):
        find_signing(key, None)
    with pytest.raises(UsageError, match="belong together"):
        find_signing(None, cert)


def test_a_file_that_is_not_there_is_named_and_a_token_needs_none(files):
    _, cert = files
    with pytest.raises(UsageError, match=r"missing\.pem"):
        find_signing("/missing.pem", cert)
    with pytest.raises(UsageError, match=r"missing\.der"):
        find_signing("pkcs11:object=key", Path("/missing.der"))
    signing = find_signing("pkcs11:object=key", cert)
    assert signing is not None
