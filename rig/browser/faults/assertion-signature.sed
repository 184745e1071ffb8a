# devices/virtual/signers.go TestCreateAndGet
# So is the assertion.
s/return c.scheme.sign(signer, message)/return c.scheme.sign(signer, append(message, 0))/
