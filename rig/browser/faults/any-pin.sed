# devices/virtual/pin.go TestSettingsPIN
# The key takes any PIN.
s/if err != nil || subtle.ConstantTimeCompare(hash, a.state.pin.Hash) != 1 {/if subtle.ConstantTimeCompare(hash, a.state.pin.Hash) == 2 || err != nil {/
