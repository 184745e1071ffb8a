# ctaphid/device_receive.go TestTwoKeys
# So does the key that was not touched.
/^func (d \*Device) cancel/,/^}/s/j.cancel()/_ = j/
