# ctaphid/device_receive.go TestAbort
# The key goes on with a request that was cancelled.
/^func (d \*Device) cancel/,/^}/s/j.cancel()/_ = j/
