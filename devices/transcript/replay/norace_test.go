//go:build !race

package replay_test

const every = 1
