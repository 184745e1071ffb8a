//go:build !linux

package doctor

// describeNode is empty: only Linux has nodes that these checks look at.
func describeNode(string) string { return "" }
