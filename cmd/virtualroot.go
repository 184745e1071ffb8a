package cmd

import (
	"crypto/x509"
	"errors"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
)

func (a *app) virtualRootCommand() *cobra.Command {
	return &cobra.Command{
		Use: "root", Short: "Show the certificate that the software key's attestation chains to", Args: cobra.NoArgs,
		Long: "Show the root certificate of a software key, in PEM, for the trust anchors of a relying party or for\n" +
			"metadata. It is the key's own: name one with its state in a file, as a factory-new key has another each time.",
		Example: "  touchstone --device virtual:my.key virtual root > root.pem",
		RunE: func(*cobra.Command, []string) error {
			root, err := a.attestationRoot()
			if err != nil {
				return err
			}
			return a.show(view.AttestationRoot{Certificate: root})
		},
	}
}

// attestationRoot is the root certificate of the software key that --device
// names.
func (a *app) attestationRoot() (*x509.Certificate, error) {
	sel, err := devices.ParseSelector(a.device)
	if err != nil {
		return nil, err
	}
	if sel.Kind != devices.KindVirtual || sel.Value == "" {
		return nil, usageError{errors.New("virtual root wants a software key with its state in a file: --device virtual:FILE")}
	}
	key, err := a.newVirtual(sel, nil)
	if err != nil {
		return nil, err
	}
	root := key.AttestationRoot()
	return root, key.Close()
}
