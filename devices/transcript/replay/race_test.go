//go:build race

package replay_test

// every says how many of the faults are tried: one in so many. The race detector
// takes so long that scripts/test tries them all without it.
const every = 8
