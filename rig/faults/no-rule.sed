# ctaphid/hidraw/permission_linux.go TestPermission
# Who may not open the node is not told how to come to it.
s/Rule: udevRule(id)/Rule: ""/
