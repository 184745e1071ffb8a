// Package rig holds the tests that need a real kernel: usbcore, usbhid, hidraw
// and vhci_hcd between the software key and the program, and libfido2 beside it.
// Its tests run as root in a QEMU guest with Debian's stock kernel, which
// scripts/rig builds and boots without any rights; anywhere else they are
// skipped. There they may not be skipped: whatever is missing fails them.
//
// Files in faults are faults to plant, one to prove that the rig sees it: a line
// "# FILE" that names the file of the module, then what sed is to do to it.
package rig
