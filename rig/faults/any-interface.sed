# ctaphid/hidraw/descriptor.go TestKeyboardAndKey
# Every interface that is an application is taken for FIDO's.
s/ && p.fullUsage() == usageFIDO {/ {/
