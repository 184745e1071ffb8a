# devices/virtual/u2f.go TestU2FOnly
# What a U2F key signs is in the order of the request.
s/slices.Concat(\[\]byte{0}, application\[:\], challenge,/slices.Concat([]byte{0}, challenge, application[:],/
