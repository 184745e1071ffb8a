# ctap2/webauthn/prf.go TestPRF
# Our client maps the inputs of prf to other salts than the browser does.
s/WebAuthn PRF/WebAuthn prf/
