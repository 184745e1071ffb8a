package cmd

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
)

// dataForms says how binary data is given to a flag.
const dataForms = "text, or text:, hex:, base64url: or file: and what it says"

// maxDataFile bounds what is read of a file, in bytes: more than any key takes.
const maxDataFile = 1 << 20

// parseData reads binary data from a flag's value: the text itself, or what
// stands after one of the prefixes.
func parseData(flag, value string) ([]byte, error) {
	kind, rest, found := strings.Cut(value, ":")
	var data []byte
	var err error
	switch {
	case found && kind == "text":
		data = []byte(rest)
	case found && kind == "hex":
		data, err = hex.DecodeString(rest)
	case found && kind == "base64url":
		data, err = base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(rest, "="))
	case found && kind == "file":
		return readData(rest)
	default:
		data = []byte(value)
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: no %s: %w", flag, kind, err)}
	}
	return data, nil
}

// readData reads a file that a key is to hold.
func readData(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxDataFile+1))
	if err == nil && len(data) > maxDataFile {
		err = fmt.Errorf("%s: more than %d bytes, which no key takes", name, maxDataFile)
	}
	return data, err
}
