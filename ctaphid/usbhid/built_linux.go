//go:build cgo && !android

package usbhid

var builtin = library{
	list: func(root string, describe func([]byte) (int, error)) ([]Device, error) {
		return newTree(root).list(describe)
	},
	open:    openHandle,
	present: func(path string) bool { return newTree("").present(path) },
	whyNot:  func(path string) error { return newTree("").obstacle(path) },
}
