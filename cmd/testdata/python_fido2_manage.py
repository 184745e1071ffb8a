#!/usr/bin/python3
"""Manage a card through PC/SC with python3-fido2 (Debian's 0.9.1).

usage: python_fido2_manage.py READER PIN PROTOCOL [finger]

Sets the PIN of a factory-new card and then uses every class that the library
has for managing it, with one PIN/UV auth protocol: client PIN, credential
management, large blobs, configuration, selection and, with "finger", bio
enrollment and a token by the finger. Ends with a reset. Prints one JSON object
of what was seen. Any failure is an exception.
"""
import hashlib
import json
import os
import sys

from fido2.ctap import CtapError
from fido2.ctap2 import (
    CaptureError, ClientPin, Config, CredentialManagement, Ctap2,
    FPBioEnrollment, LargeBlobs, PinProtocolV1, PinProtocolV2,
)
from fido2.pcsc import CtapPcscDevice

SITES = ("example.com", "example.org")
MAY = ClientPin.PERMISSION
MEMBER = CredentialManagement.RESULT


def refused(code, call, *args):
    try:
        call(*args)
    except CtapError as e:
        assert e.code == code, "%s, want %s" % (e, code)
        return
    raise AssertionError("%s was done, want %s" % (call.__name__, code))


class Card:
    def __init__(self, reader, pin, version):
        self.ctap = Ctap2(next(CtapPcscDevice.list_devices(reader)))
        self.protocol = {1: PinProtocolV1, 2: PinProtocolV2}[version]()
        self.pin = pin
        self.client = ClientPin(self.ctap, self.protocol)

    def token(self, permissions, site=None):
        return self.client.get_pin_token(self.pin, permissions, site)

    def prove(self, token, message):
        return {
            "pin_uv_param": self.protocol.authenticate(token, message),
            "pin_uv_protocol": self.protocol.VERSION,
        }

    def make(self, site, name):
        challenge = os.urandom(32)
        user = {"id": hashlib.sha256(name.encode()).digest(), "name": name, "displayName": name.title()}
        made = self.ctap.make_credential(
            challenge, {"id": site, "name": site.title()}, user, [{"type": "public-key", "alg": -7}],
            options={"rk": True}, extensions={"largeBlobKey": True, "credProtect": 3},
            **self.prove(self.token(MAY.MAKE_CREDENTIAL, site), challenge)
        )
        assert made.auth_data.extensions["credProtect"] == 3, made
        assert len(made.large_blob_key) == 32, made
        return made

    def manager(self):
        return CredentialManagement(self.ctap, self.protocol, self.token(MAY.CREDENTIAL_MGMT))


def client_pin(card):
    card.client.set_pin("0000" + card.pin)
    refused(CtapError.ERR.PIN_AUTH_INVALID, card.client.set_pin, card.pin)
    card.client.change_pin("0000" + card.pin, card.pin)
    refused(CtapError.ERR.PIN_INVALID, card.client.change_pin, "0000" + card.pin, card.pin)
    assert card.client.get_pin_retries()[0] == 7
    card.token(MAY.CREDENTIAL_MGMT)  # the right PIN gives the try back
    assert card.client.get_pin_retries()[0] == 8


def credentials(card):
    made = {}
    for site in SITES:
        for name in ("alice", "bob"):
            made[site, name] = card.make(site, name)
    manager = card.manager()
    seen = manager.get_metadata()
    assert seen[MEMBER.EXISTING_CRED_COUNT] == 4, seen
    room = seen[MEMBER.MAX_REMAINING_COUNT]

    found = {}
    for rp in manager.enumerate_rps():
        site = rp[MEMBER.RP]["id"]
        assert rp[MEMBER.RP_ID_HASH] == hashlib.sha256(site.encode()).digest()
        for c in manager.enumerate_creds(rp[MEMBER.RP_ID_HASH]):
            found[site, c[MEMBER.USER]["name"]] = c
    assert set(found) == set(made), found
    for of, c in found.items():
        data = made[of].auth_data.credential_data
        assert c[MEMBER.CREDENTIAL_ID] == {"id": data.credential_id, "type": "public-key"}
        assert c[MEMBER.PUBLIC_KEY] == data.public_key
        assert c[MEMBER.LARGE_BLOB_KEY] == made[of].large_blob_key
        assert c[MEMBER.CRED_PROTECT] == 3

    mine = found[SITES[0], "bob"]
    manager.update_user_info(mine[MEMBER.CREDENTIAL_ID], dict(mine[MEMBER.USER], name="robert"))
    names = {c[MEMBER.USER]["name"] for c in manager.enumerate_creds(hashlib.sha256(SITES[0].encode()).digest())}
    assert names == {"alice", "robert"}, names

    manager.delete_cred(found[SITES[1], "alice"][MEMBER.CREDENTIAL_ID])
    refused(CtapError.ERR.NO_CREDENTIALS, manager.delete_cred, found[SITES[1], "alice"][MEMBER.CREDENTIAL_ID])
    seen = manager.get_metadata()
    assert seen[MEMBER.EXISTING_CRED_COUNT] == 3 and seen[MEMBER.MAX_REMAINING_COUNT] == room + 1, seen
    refused(CtapError.ERR.PIN_AUTH_INVALID, CredentialManagement(card.ctap, card.protocol, os.urandom(32)).get_metadata)
    return made[SITES[0], "alice"]


def blobs(card, credential):
    store = LargeBlobs(card.ctap, card.protocol, card.token(MAY.LARGE_BLOB_WRITE))
    assert store.read_blob_array() == []
    key, other = credential.large_blob_key, os.urandom(32)
    long = os.urandom(900) + b"the same " * 50
    store.put_blob(key, long)
    store.put_blob(other, b"of another")
    assert store.get_blob(key) == long and store.get_blob(other) == b"of another"

    challenge = os.urandom(32)
    assertion = card.ctap.get_assertion(
        SITES[0], challenge, [{"type": "public-key", "id": credential.auth_data.credential_data.credential_id}],
        extensions={"largeBlobKey": True}, **card.prove(card.token(MAY.GET_ASSERTION, SITES[0]), challenge)
    )
    assertion.verify(challenge, credential.auth_data.credential_data.public_key)
    assert assertion.large_blob_key == key
    LargeBlobs(card.ctap, card.protocol, card.token(MAY.LARGE_BLOB_WRITE)).delete_blob(key)
    assert store.get_blob(key) is None and store.get_blob(other) == b"of another"
    refused(CtapError.ERR.PIN_AUTH_INVALID, LargeBlobs(card.ctap, card.protocol, os.urandom(32)).write_blob_array, [])


def config(card):
    def configure():
        return Config(card.ctap, card.protocol, card.token(MAY.AUTHENTICATOR_CFG))

    before = card.ctap.get_info().options["alwaysUv"]
    configure().toggle_always_uv()
    assert card.ctap.get_info().options["alwaysUv"] is not before
    configure().toggle_always_uv()
    assert card.ctap.get_info().options["alwaysUv"] is before

    configure().set_min_pin_length(5, [SITES[0]])
    assert card.ctap.get_info().min_pin_length == 5
    refused(CtapError.ERR.PIN_POLICY_VIOLATION, configure().set_min_pin_length, 4)
    configure().set_min_pin_length(force_change_pin=True)
    assert card.ctap.get_info().force_pin_change is True
    refused(CtapError.ERR.PIN_POLICY_VIOLATION, card.token, MAY.CREDENTIAL_MGMT)
    card.client.change_pin(card.pin, "1" + card.pin)
    card.pin = "1" + card.pin
    assert not card.ctap.get_info().force_pin_change
    assert card.token(MAY.CREDENTIAL_MGMT)


def fingers(card):
    def manage():
        return FPBioEnrollment(card.ctap, card.protocol, card.token(MAY.BIO_ENROLL))

    bio = manage()
    sensor = bio.get_fingerprint_sensor_info()
    assert bio.enumerate_enrollments() == {}
    enrolling, samples, template = bio.enroll(), 0, None
    while template is None:
        samples += 1
        try:
            template = enrolling.capture()
        except CaptureError as e:
            raise AssertionError("sample %d: %s" % (samples, e))
    # This version of the library cannot list a finger without a name.
    bio.set_name(template, "left thumb")
    assert bio.enumerate_enrollments() == {template: "left thumb"}

    assert card.ctap.get_info().options["uv"] is True
    challenge = os.urandom(32)
    token = card.client.get_uv_token(MAY.GET_ASSERTION, SITES[0])
    assertion = card.ctap.get_assertion(SITES[0], challenge, None, **card.prove(token, challenge))
    assert assertion.auth_data.is_user_verified()
    retries = card.client.get_uv_retries()

    bio = manage()  # the token for the assertion has ended the one before
    refused(CtapError.ERR.INVALID_OPTION, bio.remove_enrollment, b"no such template")
    bio.remove_enrollment(template)
    assert bio.enumerate_enrollments() == {}
    assert bio.enroll().capture() is None  # begun and given up
    bio.enroll_cancel()
    assert bio.enumerate_enrollments() == {}
    return {"kind": sensor[2], "samples": samples, "announced": sensor[3], "retries": retries[0]}


def main():
    reader, pin, version = sys.argv[1:4]
    card = Card(reader, pin, int(version))
    client_pin(card)
    credential = credentials(card)
    blobs(card, credential)
    config(card)
    seen = {"protocol": card.protocol.VERSION}
    if sys.argv[4:] == ["finger"]:
        seen["bio"] = fingers(card)
    card.ctap.selection()
    card.ctap.reset()
    info = card.ctap.get_info()
    seen["pinAfterReset"] = info.options["clientPin"]
    seen["minPINLength"] = info.min_pin_length
    print(json.dumps(seen))


main()
