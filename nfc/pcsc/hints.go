package pcsc

// howToStart says, on the given GOOS, what to do when the service is silent.
func howToStart(goos string) string {
	switch goos {
	case "windows":
		return "plug a reader in, and start the service \"Smart Card\" (SCardSvr) if it is stopped"
	case "darwin":
		return "plug a reader in, or restart the machine"
	case "linux":
		return "start it with \"systemctl start pcscd.socket\", or as root with \"pcscd\""
	}
	return "start pcscd"
}

// howToBuild says, on the given GOOS, how to get this backend.
func howToBuild(goos string) string {
	switch goos {
	case "darwin":
		return "rebuild with cgo (CGO_ENABLED=1)"
	case "linux", "freebsd":
		return "rebuild with cgo and -tags pcsc, with libpcsclite's headers installed (Debian: libpcsclite-dev)"
	}
	return "there is no backend for " + goos
}
