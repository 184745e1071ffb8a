// Package browser holds the tests in which unmodified Chromium uses the software
// key as a USB key: registration, sign-in and its own settings page. There is
// nothing between the browser and the key but reports, and the browser's own
// virtual authenticator stays off.
//
// No kernel makes the HID device. The tests run in user, mount and network
// namespaces of their own, where sysfs has one without hardware and a terminal
// stands in for its node; no rights are needed. scripts/browser runs them, and
// there they may not be skipped. Outside of it they are.
//
// faults.txt has faults of keys, each with the test that has to find it: see
// scripts/browser --faults.
package browser
