# ctaphid/hidraw/conn_linux.go TestUnplug
# What the kernel says when a key is pulled out is an error like any other.
s/if errors.Is(err, e) {/if errors.Is(err, e) \&\& false {/
