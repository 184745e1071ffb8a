# devices/virtual/reset.go TestSettingsReset
# The key can be reset at any time.
s/case !rules.AnyTime \&\& /case false \&\& /
