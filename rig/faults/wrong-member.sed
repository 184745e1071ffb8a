# ctap2/getinfo.go TestFido2TokenInfo
# Two members of getInfo have each other's numbers.
/InfoMaxCredentialCountInList  *InfoMember/s/0x07/0x08/
/InfoMaxCredentialIDLength  *InfoMember/s/0x08/0x07/
