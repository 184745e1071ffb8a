# devices/virtual/getassertion.go TestCreateAndGet
# The key answers for another site than it was asked for.
s/RPIDHash: *\(.*\)\.rpIDHash,/RPIDHash: [32]byte{1},/
