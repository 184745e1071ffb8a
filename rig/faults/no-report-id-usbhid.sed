# ctaphid/usbhid/system.go TestChannelsThatBeginWithZero
# The same with the library.
s/queue: 32, slice: 10 \* time.Millisecond, reportID: true, mute/queue: 32, slice: 10 * time.Millisecond, mute/
