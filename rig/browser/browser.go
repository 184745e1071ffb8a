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
// Files in faults are faults to plant, one to prove that the tests see it: a line
// "# FILE TEST" that names the file of the module and the test that has to fail,
// then what sed is to do to the file.
package browser
