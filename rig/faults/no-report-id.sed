# ctaphid/hidraw/conn_linux.go
# The report goes to the node without a report ID, which is right on other
# systems and works here on channels that do not begin with a zero byte.
s/out: make(\[\]byte, 1, 1+size)/out: make([]byte, 0, size)/
s/append(c.out\[:1\], p...)/append(c.out[:0], p...)/
