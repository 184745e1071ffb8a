# ctaphid/usbhid/system.go TestChannelsThatBeginWithZero
# The same with the library.
s/return system{slice: 50 \* time.Millisecond, reportID: true}/return system{slice: 50 * time.Millisecond}/
