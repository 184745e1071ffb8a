#!/usr/bin/python3
"""Drive a card through PC/SC with python3-fido2 (Debian's 0.9.1).

usage: python_fido2.py READER PIN

Sets the PIN, then with PIN/UV auth protocols one and two makes a discoverable
credential and verifies its attestation and certificate chain, gets an
assertion with and without an allow list and verifies both, and checks the
hmac-secret extension. Prints one JSON object. Any failure is an exception.
"""
import hashlib
import json
import os
import sys

from fido2.attestation import Attestation
from fido2.attestation.base import verify_x509_chain
from fido2.client import ClientError  # noqa: F401  (the client must import)
from fido2.ctap import CtapError
from fido2.ctap2 import ClientPin, Ctap2, PinProtocolV1, PinProtocolV2
from fido2.pcsc import CtapPcscDevice

RP = {"id": "example.org", "name": "Example"}


def hmac_secret_input(client_pin, protocol, salt):
    key_agreement, shared = client_pin._get_shared_secret()
    encrypted = protocol.encrypt(shared, salt)
    return shared, {
        1: key_agreement,
        2: encrypted,
        3: protocol.authenticate(shared, encrypted),
        4: protocol.VERSION,
    }


def run(ctap, protocol, pin, outputs):
    client_pin = ClientPin(ctap, protocol)
    if not ctap.get_info().options["clientPin"]:
        client_pin.set_pin(pin)
    assert client_pin.get_pin_retries()[0] == 8

    user = {"id": os.urandom(16), "name": "user-%d" % protocol.VERSION}
    client_hash = hashlib.sha256(os.urandom(32)).digest()
    token = client_pin.get_pin_token(pin, ClientPin.PERMISSION.MAKE_CREDENTIAL, RP["id"])
    made = ctap.make_credential(
        client_hash, RP, user, [{"type": "public-key", "alg": -7}],
        extensions={"hmac-secret": True}, options={"rk": True},
        pin_uv_param=protocol.authenticate(token, client_hash), pin_uv_protocol=protocol.VERSION,
    )
    result = Attestation.for_type(made.fmt)().verify(made.att_statement, made.auth_data, client_hash)
    if result.trust_path:
        verify_x509_chain(result.trust_path)
    assert made.auth_data.is_user_verified() and made.auth_data.is_user_present()
    assert made.auth_data.extensions == {"hmac-secret": True}
    credential = made.auth_data.credential_data

    salt = hashlib.sha256(b"one salt for both protocols").digest()
    counters = [made.auth_data.counter]
    for allow in ([{"type": "public-key", "id": credential.credential_id}], None):
        client_hash = hashlib.sha256(os.urandom(32)).digest()
        token = client_pin.get_pin_token(pin, ClientPin.PERMISSION.GET_ASSERTION, RP["id"])
        shared, secret = hmac_secret_input(client_pin, protocol, salt)
        assertions = ctap.get_assertions(
            RP["id"], client_hash, allow, extensions={"hmac-secret": secret},
            pin_uv_param=protocol.authenticate(token, client_hash), pin_uv_protocol=protocol.VERSION,
        )
        mine = [a for a in assertions if a.credential["id"] == credential.credential_id]
        assert len(mine) == 1
        mine[0].verify(client_hash, credential.public_key)
        counters.append(mine[0].auth_data.counter)
        if allow:
            output = protocol.decrypt(shared, mine[0].auth_data.extensions["hmac-secret"])
            outputs.setdefault(protocol.VERSION, output.hex())
    assert counters == sorted(set(counters)), counters
    return {"protocol": protocol.VERSION, "fmt": made.fmt, "user": user["name"], "discoverable": len(assertions)}


def main():
    reader, pin = sys.argv[1:]
    device = next(CtapPcscDevice.list_devices(reader))
    ctap = Ctap2(device)  # strict_cbor is on: an answer that is not canonical fails
    outputs = {}
    runs = [run(ctap, p, pin, outputs) for p in (PinProtocolV1(), PinProtocolV2())]

    client_pin = ClientPin(ctap, PinProtocolV2())
    try:
        client_pin.get_pin_token("wrong" + pin, ClientPin.PERMISSION.GET_ASSERTION, RP["id"])
        raise AssertionError("a wrong PIN was taken")
    except CtapError as e:
        assert e.code == CtapError.ERR.PIN_INVALID, e
    assert client_pin.get_pin_retries()[0] == 7
    print(json.dumps({"aaguid": bytes(ctap.info.aaguid).hex(), "versions": ctap.info.versions, "runs": runs}))


main()
