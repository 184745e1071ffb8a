# devices/virtual/credmgmt.go TestSettingsPasskeys
# A new name is forgotten.
s/ch.after(func() { c.user = r.user })/ch.after(func() {})/
