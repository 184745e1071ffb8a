# devices/virtual/attestation.go TestAttestation
# The key's attestation is a signature over something else. Without attestation
# the browser does not look at it, nor does the page.
s/sig, err := c.sign(message)/sig, err := c.sign(append(message, 0))/
