# ctap2/largeblob/largeblob.go TestLargeBlob
# Our client binds a large blob to its size in the other byte order.
s/binary.LittleEndian/binary.BigEndian/
